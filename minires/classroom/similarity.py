"""Who wrote alike, and what was taken from minires: by compare50, a program of its own, where it is installed."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ..errors import DataFileError, RangeError
from ..files.whole import make_folder, write_atomically
from .course import Assignment
from .handout import skeleton
from .submissions import collect

PROGRAM, PAGES = "compare50", "similarity"
PACKAGE = Path(__file__).parents[1]


def similarity(each: Assignment, submissions: str | Path, folder: str | Path) -> Path | None:
    """Compare the ``submissions`` (a folder) to an assignment with each other and with the source of minires.

    What was handed out counts for nothing. Return the first of its pages, in ``folder``/similarity, or None where
    compare50 is not installed. Raises RangeError where these pages are there, or fewer than two submissions can be
    read, and DataFileError where compare50 fails.
    """
    if (pages := Path(folder).resolve() / PAGES).exists():
        raise RangeError(f"{pages} is there: remove it, and compare again")
    found = [one for one in collect(submissions, each.name, each.functions()) if one.source]
    if len(found) < 2:
        raise RangeError(f"{submissions} has {len(found)} submissions that can be read, expected two or more")
    program = shutil.which(PROGRAM)
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        for one in found:
            _write(place / "submissions" / one.student / f"{each.name}.py", one.source)
        _write(place / "distribution" / f"{each.name}.py", skeleton(each.solution(), each.functions()))
        _write(place / "minires" / f"{each.name}.py", each.solution())
        for path in (*PACKAGE.glob("layers/*.py"), PACKAGE / "losses.py"):  # all of it would take a minute
            _write(place / "minires" / path.relative_to(PACKAGE), path.read_text(encoding="utf-8"))
        command = [program, *map(str, sorted((place / "submissions").iterdir())), "-d", str(place / "distribution")]
        command += ["-a", str(place / "minires"), "-o", str(pages)]
        # its own Python stands beside it, and is the one that knows it
        environment = os.environ | {"PATH": os.pathsep.join([str(Path(program).parent), os.environ.get("PATH", "")])}
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment)
    if ran.returncode or not (pages / "index.html").is_file():
        said = (ran.stderr or ran.stdout).strip().rpartition("\n")[2]
        raise DataFileError(f"{PROGRAM} ended with {ran.returncode} and made no pages: {said or 'it says nothing'}")
    return pages / "index.html"


def _write(path, text):
    make_folder(path.parent)
    write_atomically(path, text.encode("utf-8", "replace"))
