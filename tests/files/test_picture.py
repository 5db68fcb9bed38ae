"""Pictures in a shell whose backend of matplotlib is not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DRAW = """
import os
from minires.files.picture import new_figure, png
figure = new_figure(figsize=(2, 1))
figure.subplots().plot([1, 2])
assert png(figure).startswith(b"\\x89PNG")
import matplotlib
print(os.environ.get("MPLBACKEND"), matplotlib.rcParams._get("backend") == os.environ.get("MPLBACKEND"))
"""


@pytest.mark.parametrize(
    ("backend", "kept"),
    [("foo", False), ("module://matplotlib_inline.backend_inline", None), ("svg", True), (None, None)],
)
def test_a_foreign_backend(backend, kept):
    """What matplotlib knows is in force afterwards, as it would have been."""
    pytest.importorskip("matplotlib")
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    environment |= {"PYTHONPATH": str(ROOT)} | ({} if backend is None else {"MPLBACKEND": backend})
    found = subprocess.run([sys.executable, "-c", DRAW], env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    name, in_force = found.stdout.split()
    assert name == str(backend) and (kept is None or in_force == str(kept))
