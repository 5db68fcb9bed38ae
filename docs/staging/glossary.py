"""The glossary as a page, in one language, from docs/glossary.toml."""

import tomllib
from pathlib import Path

from .tutorials import TUTORIALS, title

SOURCE = Path(__file__).parents[1] / "glossary.toml"
WORDS = {
    "en": ("Glossary", "Each term, in English and Chinese, and the tutorial that introduces it.", "Introduced in"),
    "zh": ("术语表", "每个术语的中英文对照、含义，以及首次讲解它的教程。", "首次讲解："),
}


def terms(source=SOURCE):
    """The entries, in the order of the tutorials: each a dict of en, zh, meaning_en, meaning_zh, tutorial."""
    return tomllib.loads(source.read_text(encoding="utf-8")).get("term", [])


def pages(language):
    """{name of the file: text}"""
    heading, about, introduced = WORDS[language]
    other = {"en": "zh", "zh": "en"}[language]
    titles = {path.stem: title(path) if language == "en" else f"教程 {int(path.stem[:2])}" for path in TUTORIALS}
    lines = [f"# {heading}", "", about, ""]
    for term in sorted(terms(), key=lambda term: term["en"].lower()):
        link = f"[{titles[term['tutorial']]}](tutorials/{term['tutorial']}.md)"
        lines += [
            f"({anchor(term)})=",
            f"**{term[language]}** · <span lang=\"{other}\">{term[other]}</span>",
            f": {term[f'meaning_{language}']} {introduced} {link}.",
            "",
        ]
    return {"glossary.md": "\n".join(lines)}


def anchor(term):
    """``batch norm`` -> ``term-batch-norm``"""
    return "term-" + "".join(c if c.isalnum() else "-" for c in term["en"].lower())
