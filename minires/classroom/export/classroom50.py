"""Classroom 50: an autograder.py that writes result.json."""

import json
import os
from datetime import UTC, datetime

from ..results import Grade
from .bundle import Bundle

RESULT = "result.json"
PARTS = 100  # of a point: scores there are whole numbers
SCRIPT = '''"""Runs in the student's checkout; minires writes result.json into it."""

import os
import subprocess
import sys
import tempfile

BUNDLE = os.environ.get("CLASSROOM50_BUNDLE_DIR") or os.path.dirname(os.path.abspath(__file__))
COMMAND = {command!r}.split()
SUBMISSION = os.getcwd()

try:
    import minires
    where = None
except ImportError:
    where = tempfile.mkdtemp()
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", where, "minires=={version}"], check=True)
paths = [path for path in (where, os.environ.get("PYTHONPATH")) if path]
environment = os.environ | {{"PYTHONPATH": os.pathsep.join(paths)}}
known = {{"SUBMISSION": SUBMISSION, "STUDENT": os.environ.get("USERNAME") or "student"}}
words = [known.get(word, word) for word in COMMAND]
sys.exit(subprocess.run([sys.executable, "-P", "-m", "minires", *words], cwd=BUNDLE, env=environment).returncode)
'''
README = """# {title}: for Classroom 50

`autograder` is the folder of the assignment in the repository of the classroom, `autograders/ASSIGNMENT`;
`template` is for the template repository. Scores are hundredths of a point.

**What it promises.** Feedback, and no grade. It runs in the repository of the student, who can change what runs
there, and what grades is published for all to read: a result can be forged. So it has public checks alone, with
numbers that everybody may know. The student's code runs in a box all the same, so that one who prints or ends the
process changes nothing.
What counts is decided elsewhere: download the repositories and run `minires assign grade {name} CLONES --out
graded`.
"""


def files(bundle: Bundle) -> dict[str, str | bytes]:
    command = bundle.command("SUBMISSION", "classroom50", "--out", "SUBMISSION", "--student", "STUDENT")
    found: dict[str, str | bytes] = {f"template/{path}": text for path, text in bundle.handout.items()}
    found |= {f"autograder/{path}": text for path, text in bundle.handout.items() if path.endswith(".json")}
    return found | {
        "autograder/autograder.py": SCRIPT.format(command=command, version=bundle.version),
        "README.md": bundle.fill(README),
    }


def result(grade: Grade | None) -> str:
    """result.json, with who and what from the environment; of None that with no points."""
    names = {"classroom": "CLASSROOM", "assignment": "ASSIGNMENT", "submission": "SUBMISSION_TAG"}
    names |= {"commit": "COMMIT_URL", "release": "RELEASE_URL"}
    about = {name: os.environ.get(variable, "") for name, variable in names.items()}
    tests = _tests(grade) if grade else []
    return json.dumps(
        {"schema": "classroom50/result/v1"}
        | about
        | {
            "review": os.environ.get("REVIEW_URL") or about["commit"],
            "datetime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "score": round(PARTS * grade.total) if grade else 0,
            "max-score": round(PARTS * grade.out_of) if grade else 0,
            "tests": tests,
        }
    )


def _tests(grade):
    return [
        {
            "test-name": output,
            "passed": grade.points[output] > 0,
            "score": round(PARTS * grade.points[output]),
            "max-score": round(PARTS * most),
        }
        for output, most in grade.most().items()
    ]
