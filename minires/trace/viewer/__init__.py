"""The trace as a page for the browser, and as a widget for the notebook: both show nothing but the JSON."""

from .page import to_html
from .widget import to_widget

__all__ = ["to_html", "to_widget"]
