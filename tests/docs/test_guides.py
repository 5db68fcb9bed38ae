"""The guides do what they say: their Python and their commands are run, one after the other, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDES = sorted(path for path in (ROOT / "docs" / "guides").glob("*.md") if path.stem != "index")
ELSEWHERE = ("run_a_class", "hand_in")  # tests/classroom/test_guides.py repeats them with their outputs
NOT_RUN = "<!-- not run: "  # on the line below a block, with the reason


def blocks(text):
    """(language, code) of the blocks that are run."""
    for block in re.finditer(r"^```(python|sh)\n(.*?)^```\n", text, re.M | re.S):
        if not text[block.end() :].lstrip().startswith(NOT_RUN):
            yield block[1], block[2]


@pytest.mark.parametrize(
    "path",
    [*(path for path in GUIDES if path.stem not in ELSEWHERE), ROOT / "docs" / "engine.md"],
    ids=lambda path: path.stem,
)
def test_runs(path, tmp_path, monkeypatch):
    text = path.read_text(encoding="utf-8")
    if "PIL" in text:
        pytest.importorskip("PIL", reason="needs Pillow")
    monkeypatch.chdir(tmp_path)
    space = {"__name__": "guide"}
    for language, code in blocks(text):
        if language == "python":
            exec(compile(code, path.name, "exec"), space)
        else:
            for command in code.strip().splitlines():
                run(command)


def run(command):
    words = command.split()
    assert words[0] == "minires", f"only minires is run, not {words[0]}"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, "-m", "minires", *words[1:]], capture_output=True, text=True, env=env)
    assert ran.returncode == 0, f"{command}\n{ran.stderr}"


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_is_listed(path):
    assert f"\n{path.stem}\n" in (path.parent / "index.md").read_text(encoding="utf-8")
