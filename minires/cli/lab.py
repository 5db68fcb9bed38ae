"""minires lab."""

import os
import sys
import webbrowser
from typing import Annotated, Literal

import tyro

from ..lab.server import serve


def lab(
    *,
    port: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None,
    browser: bool = True,
    lang: Literal["en", "zh"] = "en",
) -> None:
    """Open a page on which two networks learn side by side, and watch the gradient in them.

    For example: minires lab

    Args:
        port: Where the page is, on this machine alone; 8356 or the next that is free if not given, 0 for any.
        browser: Open the page in a browser, where there is a screen.
        lang: Language of the page: English or Chinese.
    """

    def ready(address):
        print(f"the laboratory is at {address}\nfor this machine alone; it ends with Ctrl-C", flush=True)
        if browser and _has_a_screen():
            webbrowser.open(address)

    serve(port, language=lang, ready=ready)


def _has_a_screen():
    """Without one, a browser of the terminal would take the terminal."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
