"""Renew the Chinese catalogues: python docs/translations.py docs/_build/gettext docs/_build/en"""

import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent
CATALOGUES = DOCS / "locale" / "zh" / "LC_MESSAGES"
# the API stays in English; what has its two languages in a source of its own needs no catalogue
WITHOUT = ("api/", "assignments/", "measurements/cpu", "glossary", "sphinx")
SAME = re.compile(  # what both languages have alike: code, formulas, where links lead, numbers
    r"``?[^`]+``?|\$\$[^$]+\$\$|\$[^$]+\$|\]\([^)]+\)|(?<![\w.])\d+(?:\.\d+)?(?![\w.]*\w)"
)


def wanted(name):
    """Is the document called ``name`` translated by a catalogue?"""
    return not name.startswith(WITHOUT)


def messages(pots, sources):
    """{document: its messages} from the templates in ``pots`` and the pages in ``sources``, without formulas."""
    found = {}
    for path in sorted(Path(pots).rglob("*.pot")):
        name = path.relative_to(pots).with_suffix("").as_posix()
        page = Path(sources) / f"{name}.md"  # a template outlives its page
        if wanted(name) and page.exists():
            text = page.read_text(encoding="utf-8")
            formulas = {" ".join(formula.split()) for formula in re.findall(r"\$\$(.+?)\$\$", text, re.S)}
            ids = [message.id for message in read(path) if message.id]
            found[name] = [text for text in ids if " ".join(text.split()) not in formulas]
    return found


def read(path):
    """The catalogue at ``path``; an empty one where there is none."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import read_po

    if not path.exists():
        return Catalog(locale="zh")
    with path.open("rb") as file:
        return read_po(file, locale="zh")


def renew(found):
    """Bring every catalogue to the messages of its document: what is like a known message is kept, marked as fuzzy."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import write_po

    for name, texts in found.items():
        path, template = CATALOGUES / f"{name}.po", Catalog()
        for text in texts:
            template.add(text)
        catalogue = read(path)
        catalogue.update(template, update_creation_date=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_po(file, catalogue, width=120, ignore_obsolete=True, omit_header=True)
    for path in CATALOGUES.rglob("*.po"):
        name = path.relative_to(CATALOGUES).with_suffix("").as_posix()
        if wanted(name) and name not in found:
            path.unlink()


def faults(texts, path):
    """Yield what is wrong with the catalogue at ``path``: no translation, a stale one, or other facts."""
    catalogue = read(path)
    for text in texts:
        message = catalogue.get(text)
        if message is None or not message.string:
            yield f"not translated: {text[:70]!r}"
        elif message.fuzzy:
            yield f"fuzzy: {text[:70]!r}"
        elif re.match(r"\d+\. ", message.string):
            yield f"begins a list, and is dropped: write '1\\. ', in {text[:70]!r}"
        elif facts(text) != facts(message.string):
            differ = sorted(set(facts(text)) ^ set(facts(message.string))) or "their number"
            yield f"code, formulas or numbers differ in {text[:70]!r}: {differ}"
    for message in catalogue:
        if message.id and message.id not in texts:
            yield f"stale: {message.id[:70]!r}"


def facts(text):
    """What must be equal in both languages, in any order."""
    return sorted(" ".join(found.strip("`").split()) for found in SAME.findall(text))


if __name__ == "__main__":
    renew(messages(*sys.argv[1:]))
