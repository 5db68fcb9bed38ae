"""Pictures drawn by matplotlib, into bytes."""

import contextlib
import io
import os
from typing import Any


def new_figure(**options: Any) -> Any:
    """matplotlib's ``Figure(**options)``. Raises ImportError where matplotlib is missing.

    Files need no backend for a screen. That of a notebook's shell (MPLBACKEND) may not be there, and matplotlib could
    not even be imported: it is put back afterwards, where matplotlib knows it.
    """
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
        from matplotlib.figure import Figure
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend is not None:
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend
    return Figure(**options)


def svg(figure: Any) -> bytes:
    """The bytes of its picture as SVG, without ground and date."""
    picture = io.BytesIO()
    figure.savefig(picture, format="svg", transparent=True, metadata={"Date": None})
    return picture.getvalue()


def png(figure: Any, dpi: float = 150) -> bytes:
    """The bytes of its picture."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=dpi)
    return picture.getvalue()
