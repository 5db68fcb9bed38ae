"""Does every link within the site lead somewhere? python docs/links.py docs/_build/html"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# of Sphinx and of the theme: search results and what a script adds
MADE_BY_SCRIPTS = {"#"}
BESIDE = "lite"  # which make lite builds and a publisher puts beside the languages


class Page(HTMLParser):
    """The anchors of a page and what it refers to."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors |= {found[key] for key in ("id", "name") if found.get(key)}
        self.links += [found[key] for key in ("href", "src") if found.get(key)]


def broken(site):
    """Yield (page, link, what is wrong with it), links to other sites left out."""
    site = Path(site).resolve()
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    for path, page in sorted(pages.items()):
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link in MADE_BY_SCRIPTS:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            where = path.relative_to(site)
            if target.is_relative_to(site / BESIDE) and not (site / BESIDE).exists():
                continue
            if not target.is_relative_to(site) or not target.exists():
                yield where, link, "there is no such file"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield where, link, "the page has no such anchor"


if __name__ == "__main__":
    wrong = [f"{where}: {link}: {why}" for where, link, why in broken(sys.argv[1])]
    sys.exit("\n".join(wrong) or 0)
