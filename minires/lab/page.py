"""The page of the laboratory: one HTML file, whose script asks only the server that it comes from."""

import json
import re
from importlib.resources import files
from typing import Any

from ..files.html import self_contained
from ..trace.viewer.page import read, stylesheet
from .choices import CHOICES, DATA, RATES

SCRIPTS = ("words.js", "charts.js", "network.js", "lab.js")
BODY = """
<noscript>This page draws its numbers with JavaScript: allow it for this address.</noscript>
<script type="application/json" id="facts">{facts}</script>"""
START = """
const facts = JSON.parse(document.getElementById("facts").textContent);
const lab = crypto.randomUUID();
render({ el: document.body, facts, ask: async (request) => {
  const body = JSON.stringify({ lab, ask: request });
  const answer = await fetch("ask", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  return answer.ok ? answer.json() : { error: await answer.text() };
} });
"""
TITLES = {"en": "minires lab: the 1 + of a residual network", "zh": "minires lab：残差网络里的“1 +”"}


def to_html(language: str = "en") -> str:
    """The page as text; it asks by POST at the address ``ask`` beside its own, as :mod:`minires.lab.server` answers."""
    return self_contained(
        title=TITLES[language],
        style="html, body { margin: 0; height: 100%; }\n" + style(),
        body=BODY.format(facts=json.dumps(facts(language)).replace("<", "\\u003c")),
        script=module() + START,
        language=language,
        connect="'self'",
    )


def facts(language: str) -> dict[str, Any]:
    """What the script needs to know: the language, and what can be chosen."""
    return {"language": language, "choices": CHOICES, "data": DATA, "rates": RATES}


def module() -> str:
    """The scripts as one ES module, with the function ``render({ el, facts, ask })``."""
    scripts = "\n".join([read("markup.js"), *map(_own, SCRIPTS)])
    return re.sub(r"(?<=[，。：；？！])\n\s+", "", scripts)  # a Chinese sentence goes on without a blank


def style() -> str:
    """The style: that of the page of a trace, and what is new here."""
    return stylesheet() + _own("lab.css")


def _own(name):
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
