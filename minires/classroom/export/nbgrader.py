"""nbgrader: the source of an assignment, a notebook with graded cells."""

import json

from .bundle import Bundle

README = """# {title}: for nbgrader

Copy the folder `{name}` into `source`, then `nbgrader generate_assignment {name}`. The kernel needs minires
{version}.

**What it promises.** Feedback, and a grade that only honest students leave as it is: nbgrader runs the tests in the
process of the student's code, which can change them. A cell that ends the process or never ends stops the
autograding of that notebook, and gives no points. The tests are public checks, with numbers that everybody may
know.
What counts can be decided elsewhere: `minires assign grade {name} NOTEBOOKS --out graded` takes the notebooks as
they are, finds the functions by their names, and runs them in a box.
"""


def files(bundle: Bundle) -> dict[str, str | bytes]:
    name = bundle.each.name
    notebook = json.loads(bundle.handout[f"{name}.ipynb"])
    *cells, _ = notebook["cells"]
    for number, cell in enumerate(cells):
        text = "".join(cell["source"])
        if cell["cell_type"] == "code" and "raise NotImplementedError" in text:
            head, _, last = text.rpartition("\n")
            indent = last[: len(last) - len(last.lstrip())]
            cell["source"] = f"{head}\n{indent}### BEGIN SOLUTION\n{last}\n{indent}### END SOLUTION"
            _mark(cell, f"solution-{number}", solution=True)
        else:
            _mark(cell, f"text-{number}", locked=True)
    cells += [_test(bundle, output, points) for output, points in bundle.outputs.items()]
    text = json.dumps(notebook | {"cells": cells}, indent=1) + "\n"
    more = {f"{name}/{path}": text for path, text in bundle.handout.items() if path.endswith(".json")}
    return {f"{name}/{name}.ipynb": text, **more, "README.md": bundle.fill(README)}


def _test(bundle, output, points):
    """A graded cell for one output."""
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": output.replace(" ", "-").replace(".", "-")[:64],
        "metadata": {},
        "outputs": [],
        "source": f"# {output}\n{condition(bundle, output)}",
    }
    _mark(cell, output.replace(" ", "-"), grade=True, locked=True, points=points)
    return cell


def condition(bundle: Bundle, output: str) -> str:
    """Code that fails, with the feedback, unless an output is right."""
    given = f"{bundle.name!r}, globals(), {bundle.language!r}"
    exercise, _, wanted = output.partition(" ")
    return (
        "from minires import classroom\n"
        f"found = {{str(each.exercise): each for each in classroom.check({given})}}[{exercise!r}]\n"
        f"assert {wanted!r} in found.right, str(found)"
    )


def _mark(cell, name, **facts):
    plain = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3, "grade_id": name}
    cell["metadata"]["nbgrader"] = plain | facts
