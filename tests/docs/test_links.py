"""The check of links within the site."""

import subprocess
import sys
from pathlib import Path

import pytest
from links import broken

SCRIPT = Path(__file__).parents[2] / "docs" / "links.py"


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


@pytest.mark.parametrize(
    ("built", "why"), [(None, None), ("lab/index.html", None), ("other.html", "there is no such file")]
)
def test_what_make_lite_builds_is_looked_at_where_it_is(tmp_path, built, why):
    (tmp_path / "a.html").write_text('<a href="lite/lab/index.html?path=laboratory.ipynb">x</a>')
    if built:
        (tmp_path / "lite" / "lab").mkdir(parents=True)
        (tmp_path / "lite" / built).write_text("<p>x</p>")
    assert [found[2] for found in broken(tmp_path)] == ([why] if why else [])


@pytest.mark.parametrize(("link", "code", "words"), [("a.html", 0, ""), ("c.html", 1, "c.html: there is no such file")])
def test_the_command_fails_where_a_link_is_dead(tmp_path, link, code, words):
    (tmp_path / "a.html").write_text(f'<a href="{link}">x</a>')
    ran = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True)
    assert ran.returncode == code and words in ran.stderr
