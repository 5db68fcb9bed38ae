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
    assert not list(broken(site))


@pytest.mark.slow
def test_every_public_name_has_an_anchor(site):
    for module, names in public().items():
        page = (site / "en" / "api" / f"{module}.html").read_text(encoding="utf-8")
        for name, value in names.items():
            if kind(value) != "module":
                assert re.search(rf'(id="{module}|#minires(\.\w+)?)\.{name}"', page), f"{module}.{name}"
