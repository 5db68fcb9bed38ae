"""minires lab."""

import os
import sys
import webbrowser
from typing import Annotated

import tyro

from ..lab.server import serve
from .common import Language, spoken

READY = {
    "en": "the laboratory is at {}\nfor this machine alone; it ends with Ctrl-C",
    "zh": "实验室的地址是 {}\n只有本机可以访问；按 Ctrl-C 结束",
}


def lab(
    *, port: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None, browser: bool = True, lang: Language = None
) -> None:
    """Open a page on which two networks learn side by side, and watch the gradient in them.

    For example: minires lab

    Args:
        port: Where the page is, on this machine alone; 8356 or the next that is free if not given, 0 for any.
        browser: Open the page in a browser, where there is a screen.
        lang: Language of the page: English or Chinese; MINIRES_LANG, or en, if not given.
    """
    language = spoken(lang)

    def ready(address):
        print(READY[language].format(address), flush=True)
        if browser and _has_a_screen():
            webbrowser.open(address)

    serve(port, language=language, ready=ready)


def _has_a_screen():
    """Without one, a browser of the terminal would take the terminal."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
