"""The page: one HTML file that holds its script, its style and the JSON, and asks nobody for anything else."""

import json
from importlib.resources import files

from ...errors import RangeError
from ...files.html import self_contained
from ..report import FORMAT, VERSION
from .chinese import document_in, script_in

SCRIPTS = ("markup.js", "words.js", "roads.js", "block.js", "charts.js", "frame.js", "page.js")
BODY = """
<noscript>This page draws its numbers with JavaScript: allow it for this file. It sends nothing anywhere.</noscript>
<script type="application/json" id="trace">{document}</script>"""
TITLE = {"en": ": the gradient, block by block", "zh": "：逐块看梯度"}
START = """
const trace = { document: document.getElementById("trace").textContent };
render({ model: { get: (name) => trace[name], set: (name, value) => (trace[name] = value) }, el: document.body });
"""


def to_html(document, language="en"):
    """A self-contained HTML page, as text, of what :func:`minires.trace.report.as_dict` gives.

    Write it in UTF-8: ``Path("trace.html").write_text(to_html(document), encoding="utf-8")``. The page makes no
    request, and its content security policy forbids any. language: "en" or "zh"

    Raises RangeError for another document or language.
    """
    require_trace(document)
    document = document_in(document, language)
    # "<" would let a name such as "</script>" end the element
    data = json.dumps(document, allow_nan=False).replace("<", "\\u003c")
    return self_contained(
        title=f"{document['model']}{TITLE[language]}",
        style="html, body { margin: 0; height: 100%; }\n" + stylesheet(),
        body=BODY.format(document=data),
        script=module(language) + START,
        language=language,
    )


def require_trace(document):
    """Raise RangeError unless ``document`` is a trace of the version that the page can show."""
    found = (document.get("format"), document.get("version"))
    if found != (FORMAT, VERSION):
        raise RangeError(
            f"document is {found[0]!r} version {found[1]!r}, expected {FORMAT!r} version {VERSION}: "
            "pass the dict of minires.trace.report.as_dict"
        )


def module(language="en"):
    """The scripts as one ES module with the default export ``{ render }``, which is what a notebook loads."""
    return script_in("\n".join(map(read, SCRIPTS)), language)


def stylesheet():
    """The style of the page and of the widget."""
    return read("page.css")


def read(name):
    """The text of one of the files beside this one."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
