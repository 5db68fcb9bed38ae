"""otter-grader: a notebook, and tests that go with it."""

import json

from .bundle import Bundle
from .nbgrader import condition

README = """# {title}: for otter-grader

Hand out `{name}.ipynb`, with `tests` beside it for the students' own checks. `otter generate -t tests -r
requirements.txt` makes `autograder.zip`{files}; `otter run NOTEBOOK` grades one notebook with it.

**What it promises.** Feedback, and a grade that only honest students leave as it is: otter runs the tests in the
process of the student's code, which can change them. Code that ends the process or never ends gives no grade. The
tests are public checks, with numbers that everybody may know.
What counts can be decided elsewhere: `minires assign grade {name} NOTEBOOKS --out graded` takes the notebooks as
they are, finds the functions by their names, and runs them in a box.
"""


def files(bundle: Bundle) -> dict[str, str | bytes]:
    name = bundle.each.name
    more = {path: text for path, text in bundle.handout.items() if path.endswith(".json")}
    tests = {f"tests/{_title(o)}.py": _test(bundle, o, points) for o, points in bundle.outputs.items()}
    words = f", with the files {', '.join(more)} at its end" if more else ""
    return {
        f"{name}.ipynb": _with_checks(bundle),
        "requirements.txt": f"minires=={bundle.version}\n",
        "README.md": bundle.fill(README, files=words),
        **tests,
        **more,
    }


def _with_checks(bundle):
    notebook = json.loads(bundle.handout[f"{bundle.each.name}.ipynb"])
    source = "import otter\n\ngrader = otter.Notebook()\ngrader.check_all()"
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "otter",
        "metadata": {},
        "outputs": [],
        "source": source,
    }
    return json.dumps(notebook | {"cells": [*notebook["cells"], cell]}, indent=1) + "\n"


def _title(output):
    return output.replace(" ", "_").replace(".", "_")


def _test(bundle, output, points):
    silent = "with contextlib.redirect_stdout(io.StringIO()): "  # what the student prints would be a wrong result
    lines = [silent + line if "globals()" in line else line for line in condition(bundle, output).splitlines()]
    code = "\n".join(f">>> {line}" for line in ["import contextlib, io", *lines])
    case = {"code": code, "hidden": False, "locked": False}
    suite = {"cases": [case], "scored": True, "setup": "", "teardown": "", "type": "doctest"}
    test = {"name": _title(output), "points": points, "suites": [suite]}
    return f"OK_FORMAT = True\n\ntest = {test!r}\n"
