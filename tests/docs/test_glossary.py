"""The page of the glossary. What its entries must have is tested with the tutorials."""

import pytest
from staging.glossary import anchor, pages, terms


def test_anchors_differ():
    anchors = [anchor(term) for term in terms()]
    assert len(set(anchors)) == len(anchors) > 0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_has_every_term(language):
    page = pages(language)["glossary.md"]
    assert all(f"({anchor(term)})=" in page and term[f"meaning_{language}"] in page for term in terms())
