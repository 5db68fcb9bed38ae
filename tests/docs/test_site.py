"""The whole site, built without running the tutorials: no warning, no dead link, a place for every public name."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from links import broken
from staging.api import kind, public

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx", reason="the site needs pip install -e .[docs]")
    pytest.importorskip("myst_nb", reason="the site needs pip install -e .[docs]")
    folder = tmp_path_factory.mktemp("site")
    for language in ("en", "zh"):
        staged, settings = folder / f"source-{language}", {**os.environ, "DOCS_LANGUAGE": language}
        subprocess.run([sys.executable, DOCS / "stage.py", language, staged], check=True)
        options = ["-qW", "--keep-going", "-D", "nb_execution_mode=off", "-c", DOCS, staged, folder / "html" / language]
        run = subprocess.run([sys.executable, "-m", "sphinx", *options], capture_output=True, text=True, env=settings)
        assert run.returncode == 0, run.stderr
    return folder / "html"


@pytest.mark.slow
def test_no_link_is_dead(site):
    found = [each for each in broken(site) if "/mathjax/" not in each[1]]  # of npm, which `make docs` fetches
    assert not found


@pytest.mark.slow
def test_the_theme_speaks_chinese_on_chinese_pages(site):
    words = {"en": ("Next", "Previous", "Home", "On this page"), "zh": ("下一页", "上一页", "首页", "本页内容")}
    for language in ("en", "zh"):
        page = (site / language / "tutorials" / "01_a_layer_and_its_gradient.html").read_text(encoding="utf-8")
        index = (site / language / "tutorials" / "index.html").read_text(encoding="utf-8")
        for there, absent in zip(words[language], words["zh" if language == "en" else "en"]):
            assert re.search(rf">\s*{there}\s*<", page + index) and not re.search(rf">\s*{absent}\s*<", page + index)


@pytest.mark.slow
def test_every_public_name_has_an_anchor(site):
    for module, names in public().items():
        page = (site / "en" / "api" / f"{module}.html").read_text(encoding="utf-8")
        for name, value in names.items():
            if kind(value) != "module":
                assert re.search(rf'(id="{module}|#minires(\.\w+)?)\.{name}"', page), f"{module}.{name}"
