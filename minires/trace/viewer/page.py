"""The page: one HTML file that holds its script, its style and the JSON, and asks nobody for anything else."""

import base64
import hashlib
import html
import json
from importlib.resources import files

from ...errors import RangeError
from ..report import FORMAT, VERSION

SCRIPTS = ("markup.js", "words.js", "roads.js", "block.js", "charts.js", "frame.js", "page.js")
TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; script-src {script_hash}; style-src {style_hash}">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<noscript>This page draws its numbers with JavaScript: allow it for this file. It sends nothing anywhere.</noscript>
<script type="application/json" id="trace">{document}</script>
<script type="module">{script}</script>
</body>
</html>
"""
START = """
const trace = { document: JSON.parse(document.getElementById("trace").textContent) };
render({ model: { get: (name) => trace[name], set: (name, value) => (trace[name] = value) }, el: document.body });
"""


def to_html(document):
    """A self-contained HTML page, as text, of what :func:`minires.trace.report.as_dict` gives.

    Write it in UTF-8: ``Path("trace.html").write_text(to_html(document), encoding="utf-8")``. The page makes no
    request, and its content security policy forbids any. Raises RangeError for another document.
    """
    require_trace(document)
    script, style = module() + START, "html, body { margin: 0; height: 100%; }\n" + stylesheet()
    return TEMPLATE.format(
        title=html.escape(f"{document['model']}: the gradient, block by block"),
        style=style,
        style_hash=_hash(style),
        # "<" would let a name such as "</script>" end the element
        document=json.dumps(document, allow_nan=False).replace("<", "\\u003c"),
        script=script,
        script_hash=_hash(script),
    )


def require_trace(document):
    """Raise RangeError unless ``document`` is a trace of the version that the page can show."""
    found = (document.get("format"), document.get("version"))
    if found != (FORMAT, VERSION):
        raise RangeError(
            f"document is {found[0]!r} version {found[1]!r}, expected {FORMAT!r} version {VERSION}: "
            "pass the dict of minires.trace.report.as_dict"
        )


def module():
    """The scripts as one ES module with the default export ``{ render }``, which is what a notebook loads."""
    return "\n".join(map(_read, SCRIPTS))


def stylesheet():
    """The style of the page and of the widget."""
    return _read("page.css")


def _read(name):
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text):
    """How a content security policy names the one script, or style, that it allows."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
