"""The page of one student: the feedback on each exercise, to be read in a browser."""

from ..files import self_contained
from .escape import for_page, for_terminal

STYLE = """
:root { color-scheme: light dark; --line: #8885 }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
body { overflow-wrap: anywhere }
h1 { font-size: 1.4rem } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid var(--line) }
p { margin: .6rem 0 } ul { margin: .3rem 0; padding-left: 1.3rem } li { margin: .3rem 0 }
pre { font-size: .85rem; padding: .6rem .8rem; border: 1px solid var(--line); white-space: pre-wrap }
"""


def feedback_page(title: str, about: list[str], sections: list[tuple[str, str]], language: str) -> str:
    """title: of the assignment   about: ["ada", "linear: 6 of 8 points"]
    sections: [(name of an exercise, or "", HTML), ...]"""
    parts = [f"<h1>{for_page(title)}</h1>", *(f"<p>{for_page(line)}</p>" for line in about)]
    parts += [f"<h2>{for_page(name)}</h2>\n{inner}" if name else inner for name, inner in sections]
    return self_contained(for_terminal(title), STYLE, "\n".join(parts), language=language)
