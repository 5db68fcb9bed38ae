"""Autolab: a Makefile and an archive for the grading machine; the last line of its output is the score."""

import json

from ...mutants.language import sentence
from ..escape import plain
from ..feedback import BY_NAME
from ..results import Grade
from .bundle import Bundle, tarred

RESULT = None  # it is what is printed
MAKE = """# Autolab runs make in a folder with autograde.tar and the file that was handed in.
all:
	@tar xf autograde.tar
	@minires {command} --student "$$(sha256sum {name}.py | cut -c 1-16)"
"""
DOCKER = """# docker build -t minires_autolab .    and choose it as the VM image
FROM autograding_image
RUN pip3 install "minires=={version}"
"""
README = """# {title}: for Autolab

Upload `autograde-Makefile` and `autograde.tar` in the settings of the autograder; the name of what is handed in is
`{name}.py`. Make one problem for each of: {problems}. The image needs Python 3.11 or later, and minires:
`Dockerfile`. Hand out the files in `handout`.

**What it promises.** Expected numbers, seeds and points stay with the grader; the functions of a submission run in
a box (Landlock, or bubblewrap) and write to nowhere: nothing of the student reaches the output, neither what the
code prints nor the text of an exception, so that the last line is the grader's. Without a line of scores, as where
no box holds, Autolab gives none.
Makefile and archive are for graders alone: the archive has the file of the course, from which the numbers come.
They differ from one submission to the next; definitions of a student's own are not for here, since the machine is
not told who the student is.
"""


def files(bundle: Bundle) -> dict[str, str | bytes]:
    name = bundle.each.name
    found: dict[str, str | bytes] = {f"handout/{path}": text for path, text in bundle.handout.items()}
    problems = ", ".join(f"`{output}` ({points:g})" for output, points in bundle.outputs.items())
    return found | {
        "autograde-Makefile": MAKE.format(name=name, command=bundle.command(f"{name}.py", "autolab")),
        "autograde.tar": tarred(bundle.for_grader()),
        "Dockerfile": bundle.fill(DOCKER),
        "README.md": bundle.fill(README, problems=problems),
    }


def result(grade: Grade | None) -> str:
    """What is right, sentences of ours, and the scores as the last line. What the student's code raised stays out."""
    if grade is None:
        return ""
    lines = ["What was handed in could not be run."] if grade.problem else []
    lines += [f"{output}: {'right' if points else 'wrong'}" for output, points in grade.points.items()]
    lines += [f"* {plain(sentence(BY_NAME[name], 'en'))}" for name in grade.names]
    return "\n".join([*lines, json.dumps({"scores": grade.points})])
