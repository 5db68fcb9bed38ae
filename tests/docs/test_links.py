"""The check of links within the site."""

import pytest
from links import broken


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("b.html", None),
        ("b.html#here", None),
        ("#top", None),
        ("https://example.org/nothing", None),
        ("c.html", "there is no such file"),
        ("b.html#there", "the page has no such anchor"),
        ("../outside.html", "there is no such file"),
    ],
)
def test_what_is_broken(tmp_path, link, why):
    (tmp_path / "outside.html").write_text("<p>not of the site</p>")
    site = tmp_path / "site"
    site.mkdir()
    (site / "a.html").write_text(f'<p id="top"></p><a href="{link}">x</a>')
    (site / "b.html").write_text('<p id="here"></p>')
    assert [found[2] for found in broken(site)] == ([why] if why else [])
