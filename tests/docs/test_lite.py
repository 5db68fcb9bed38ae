"""JupyterLite in a browser: notebooks run to their end, the widget steps, and no request leaves localhost.

Needs ``make lite MINIRES_PYODIDE=DIR`` (docs/lite/pyodide_folder.py makes DIR), node, playwright-core and Chromium.
"""

import hashlib
import http.server
import json
import shutil
import subprocess
import threading
import zipfile
from functools import partial
from pathlib import Path

import pytest
from lite.notebooks import CHECK
from lite.pyodide_folder import gather

from minires.classroom import assignments

ROOT = Path(__file__).parents[2]
LITE = ROOT / "docs" / "_build" / "lite"
BROWSER = Path(__file__).parent / "browser"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address():
    """Where the built site is served."""
    if not (LITE / "static" / "pyodide" / "pyodide-lock.json").exists():
        pytest.skip("needs make lite MINIRES_PYODIDE=DIR, with DIR a folder of docs/lite/pyodide_folder.py")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(LITE))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


TUTORIALS = sorted(path.stem for path in (ROOT / "tutorials").glob("[0-9][0-9]_*.py"))
ASSIGNMENTS = {f"assignments/{each.folder.name}": each for each in assignments().values()}
MOST = 120  # seconds of the processor that a tutorial may take


@pytest.mark.slow
@pytest.mark.parametrize("notebook", [*TUTORIALS, "step_through", "laboratory", *ASSIGNMENTS])
def test_runs_to_its_end_in_a_browser(address, notebook, tmp_path):
    node = shutil.which("node")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not node or not chromium:
        pytest.skip("needs node and chromium")
    if subprocess.run([node, "-e", "require.resolve('playwright-core')"], cwd=BROWSER, capture_output=True).returncode:
        pytest.skip("needs playwright-core: npm install playwright-core, and NODE_PATH set to its node_modules")
    command = [node, BROWSER / "check_lite.mjs", chromium, address, f"{notebook}.ipynb", tmp_path / "page.png"]
    if notebook in ASSIGNMENTS:
        (tmp_path / "mine.py").write_text(ASSIGNMENTS[notebook].solution(), encoding="utf-8")
        command.append(tmp_path / "mine.py")
    ran = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert ran.returncode == 0, f"{ran.stdout}{ran.stderr}"
    assert 0 < json.loads(ran.stdout.splitlines()[-1])["seconds"] < MOST


@pytest.mark.parametrize(("language", "words"), [("en", "All outputs are right."), ("zh", "全部输出正确。")])
@pytest.mark.parametrize(
    "each", [each for each in assignments().values() if not each.files], ids=lambda each: each.name
)
def test_the_last_cell_of_an_assignment_checks_what_stands_above_it(each, language, words, capsys):
    space = {}
    for cell in (each.solution(), CHECK.format(name=each.name, language=language)):
        exec(cell, space)
    assert capsys.readouterr().out.split("\n\n") == [words] * (len(each.exercises) - 1) + [f"{words}\n"]


@pytest.mark.parametrize("changed", [False, True])
def test_a_wheel_is_taken_only_with_the_bytes_of_the_lock_file(tmp_path, changed):
    npm, wheel = tmp_path / "npm", tmp_path / "app.whl"
    npm.mkdir()
    names = {name: {"file_name": f"{name}.whl", "sha256": hashlib.sha256(name.encode()).hexdigest()} for name in "ab"}
    lock = {"packages": names, "info": {"python": "3.14.0"}}
    (npm / "pyodide-lock.json").write_text(json.dumps(lock))
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("app/pyodide/a.whl", b"other" if changed else b"a")
        archive.writestr("app/pyodide/unknown.whl", b"unknown")
    if changed:
        with pytest.raises(ValueError, match="a.whl has the SHA-256"):
            gather(npm, wheel, tmp_path / "folder")
        assert not (tmp_path / "folder" / "a.whl").exists()
    else:
        assert gather(npm, wheel, tmp_path / "folder") == ["a.whl"]
        assert not (tmp_path / "folder" / "unknown.whl").exists()
        written = json.loads((tmp_path / "folder" / "pyodide-lock.json").read_text())
        assert written == lock | {"packages": {"a": names["a"]}}, "what is not there is not promised"
