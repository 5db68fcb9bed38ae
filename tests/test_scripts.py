"""The scripts of the pages are JavaScript: node reads them without running them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from minires.trace.viewer.page import START, module

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path for place in ("minires", "tests") for path in (ROOT / place).rglob("*.*js"))
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in SCRIPTS}


@pytest.mark.parametrize("name", [*TEXTS, "the whole page"])
def test_node_reads_them(name, tmp_path):
    if (node := shutil.which("node")) is None:
        pytest.skip("needs node")
    text = TEXTS.get(name, module() + START)
    for script, code in ((text, 0), (text + "\n}", 1)):  # as modules, which all of them are in the page
        (tmp_path / "script.mjs").write_text(script, encoding="utf-8")
        found = subprocess.run([node, "--check", tmp_path / "script.mjs"], capture_output=True, text=True)
        assert found.returncode == code, found.stderr


def test_scripts_are_found():
    assert {"minires/trace/viewer/page.js", "minires/trace/viewer/roads.js"} <= TEXTS.keys()
