"""The laboratory: two networks side by side that learn on a page, while one watches the gradient in them.

:class:`Lab` answers requests, dicts that JSON can hold, with such dicts, and needs neither sockets nor threads.
``minires.lab.server.serve`` puts it behind a page on this machine, ``to_widget`` below a cell of a notebook, also where
Python runs in the browser and has neither.
"""

from .lab import Lab
from .widget import to_widget

__all__ = ["Lab", "to_widget"]
