"""The widget of a trace in a running JupyterLab, where jupyterlab, anywidget, node, playwright-core, Chromium are."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

BROWSER = Path(__file__).parent / "browser"
ROOT = Path(__file__).parents[2]
CELLS = (
    "import numpy as np\nfrom minires import models\nfrom minires.trace import trace",
    "x = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)\n"
    "trace(models.build('resnet8', rng=0), x, np.array([1, 2])).to_widget(name='mine')",
)


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab, with the one notebook t.ipynb."""
    if not all(map(importlib.util.find_spec, ("jupyterlab", "anywidget", "ipykernel"))):
        pytest.skip("needs jupyterlab and anywidget")
    cells = [
        {"cell_type": "code", "id": f"c{i}", "source": code, "metadata": {}, "outputs": [], "execution_count": None}
        for i, code in enumerate(CELLS)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "t.ipynb").write_text(json.dumps(notebook))
    folders = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "RUNTIME", "DATA")}
    env = os.environ | folders | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    log = tmp_path / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=out, stderr=out)
    try:
        end = time.monotonic() + 60
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", log.read_text())):
            assert server.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        yield found[0].replace("/lab?", "/lab/tree/t.ipynb?")
    finally:
        server.terminate()
        server.wait(30)


def test_the_widget_runs_in_jupyterlab(lab, tmp_path):
    node = shutil.which("node")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not node or not chromium:
        pytest.skip("needs node and chromium")
    if subprocess.run([node, "-e", "require.resolve('playwright-core')"], cwd=BROWSER, capture_output=True).returncode:
        pytest.skip("needs playwright-core: npm install playwright-core, and NODE_PATH set to its node_modules")
    script = str(BROWSER / "check_notebook.mjs")
    run = subprocess.run(
        [node, script, chromium, lab, str(tmp_path / "widget.png")], capture_output=True, text=True, timeout=200
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "the widget is there" in run.stdout
