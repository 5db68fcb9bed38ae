"""Fill a folder with the sources of the site in one language: python docs/stage.py en docs/_build/en"""

import sys
from pathlib import Path

from staging import api, assignments, drawings, gallery, glossary, measurements, tutorials

DOCS = Path(__file__).parent
GENERATED = (tutorials, gallery, assignments, measurements, drawings, api, glossary)


def sources(language):
    """{name of the file: text, or bytes of a picture} of all pages: those written by hand, and those that are made."""
    by_hand = [*DOCS.glob("*.md"), *DOCS.glob("guides/*.md")]
    found = {str(path.relative_to(DOCS)): path.read_text(encoding="utf-8") for path in by_hand}
    for maker in GENERATED:
        found |= maker.pages(language)
    return found


def stage(language, folder):
    """Write what differs, and remove what is no longer a page: Sphinx then reads again only what changed."""
    wanted = sources(language)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if str(path.relative_to(folder)) not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = text if isinstance(text, bytes) else text.encode()
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)


if __name__ == "__main__":
    stage(sys.argv[1], Path(sys.argv[2]))
