"""Gradescope: a zip for the autograder of a programming assignment."""

import json

from ..results import Grade
from .bundle import Bundle, zipped

RESULT = "results.json"
SETUP = """#!/bin/sh
# Runs once, when the image is made: minires by pip, in an environment of its own.
set -e
cd "$(dirname "$0")/.."
python3 -m venv --without-pip minires
python3 -m pip --python minires/bin/python install --find-links source "minires=={version}"
"""
RUN = """#!/bin/sh
# Runs for each submission. The grader alone writes results/results.json, first with no points; the student's code runs
# in a box that cannot reach it.
cd "$(dirname "$0")/source" || exit 1
chmod 600 course.toml
student=$(../minires/bin/python -c "import json, sys; print(json.load(sys.stdin)['users'][0]['email'])" \\
    < ../submission_metadata.json)
exec ../minires/bin/minires {command} --out ../results --student "${{student:-student}}"
"""
README = """# {title}: for Gradescope

1. Create a programming assignment of {points:g} points. Configure autograder: upload `autograder.zip`; the base
   image needs Python 3.11 or later (Ubuntu 24.04). Where its pip cannot find minires {version}, put the wheel into
   the zip: it is looked for there first.
2. Hand out the files in `handout`. Students upload `{name}.py`, or a notebook or archive with these functions.

**What it promises.** Expected numbers, seeds and points stay with the grader; the functions of a submission run in
a box (Landlock, or bubblewrap where it is installed) from which no file, no other process and no network is
reached. results.json is there with no points before the student's code runs, and only the grader writes it: what is
killed has no points. On a machine where no box holds it writes nothing at all, and Gradescope reports that the
autograder failed.
The numbers of a student come from the file of the course, which is in the zip: keep the zip from students. They are
known by their e-mail addresses here: hand out definitions of their own with `--student ADDRESS`.
"""


def files(bundle: Bundle) -> dict[str, str | bytes]:
    command = bundle.command("../submission", "gradescope")
    scripts = {"setup.sh": bundle.fill(SETUP), "run_autograder": RUN.format(command=command)}
    found: dict[str, str | bytes] = {f"handout/{path}": text for path, text in bundle.handout.items()}
    archive = zipped(bundle.for_grader() | scripts, executable=tuple(scripts))
    return found | {"autograder.zip": archive, "README.md": bundle.fill(README)}


def result(grade: Grade | None) -> str:
    """results.json; of None that with no points."""
    if grade is None:
        return json.dumps({"score": 0, "output": "The grading has not ended.", "tests": []})
    tests = [
        {"name": output, "score": grade.points[output], "max_score": most} for output, most in grade.most().items()
    ]
    return json.dumps({"score": grade.total, "output": grade.feedback or grade.problem, "tests": tests})
