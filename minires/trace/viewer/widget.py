"""The page as a widget of a notebook (Jupyter, marimo, ...), with the same script; needs the extra ``notebook``."""

import json
from functools import cache

from ...errors import StateError
from .chinese import document_in
from .page import module, require_trace, stylesheet


def to_widget(document, language="en"):
    """A widget that shows what :func:`minires.trace.report.as_dict` gives; its ``step`` can be read and set.

    ``step`` is None until it is shown, and opens on the gradient: from 0, forward through each block, the loss, back.

    language: "en" or "zh"

    Raises RangeError for another document or language, and StateError where anywidget is not installed.
    """
    require_trace(document)
    return _widget_class(language)(document=document_in(document, language))


@cache
def _widget_class(language):
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise StateError(
            f"{error.name} is not installed, expected for a widget: pip install 'minires[notebook]', "
            "or write the page with to_html"
        ) from error

    class TraceWidget(anywidget.AnyWidget):
        _esm = module(language)
        _css = stylesheet()
        # as text: Pyodide hands None on as undefined, JSON as null
        document = traitlets.Dict().tag(sync=True, to_json=lambda document, widget: json.dumps(document))
        step = traitlets.Int(None, allow_none=True).tag(sync=True)

    return TraceWidget
