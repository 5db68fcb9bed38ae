"""PrairieLearn: a question that an external grader grades."""

import json
import uuid

from ..results import Grade
from .bundle import Bundle

RESULT = "results.json"
RUN = """#!/bin/sh
# Runs in the container, for each submission. The grader alone writes results.json, first with no points.
mkdir -p ${{GRADE:-/grade}}/results
cd ${{GRADE:-/grade}}/tests && chmod 600 course.toml
exec minires {command} --out ../results --student "$(cat ../data/data.json | sha256sum | cut -c 1-16)"
"""
DOCKER = """# docker build -t REGISTRY/minires:{version} .    and name it in info.json
FROM python:3.12-slim
RUN pip install "minires=={version}"
"""
HTML = """<pl-question-panel>
<markdown>
{statement}
</markdown>
</pl-question-panel>
<pl-file-editor file-name="{name}.py" source-file-name="{name}.py" ace-mode="ace/mode/python"></pl-file-editor>
<pl-submission-panel>
<pl-file-preview></pl-file-preview>
<pl-external-grader-results></pl-external-grader-results>
</pl-submission-panel>
"""
README = """# {title}: for PrairieLearn

Copy the folder `question` into `questions` of the course. Build the image in `Dockerfile`, push it to your
registry, and write its name into `question/info.json`.

**What it promises.** Expected numbers, seeds and points stay with the grader; the functions of a submission run in
a box (Landlock) inside of the container, from which results.json is not reached. It is there with no points before
the student's code runs. Where no box holds nothing is written, and PrairieLearn reports that the grading failed.
The container is not told who the student is, so that there are no definitions of a student's own here; the numbers
differ from one submission to the next.
"""


def files(bundle: Bundle) -> dict[str, str | bytes]:
    name = bundle.each.name
    info = {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"minires {name} {bundle.course}")),
        "title": bundle.each.called("en"),
        "topic": "Backpropagation",
        "type": "v3",
        "gradingMethod": "External",
        "externalGradingOptions": {
            "enabled": True,
            "image": f"REGISTRY/minires:{bundle.version}",
            "entrypoint": "/bin/sh /grade/tests/run.sh",
            "timeout": 120,
        },
    }
    inside = bundle.for_grader() | {"run.sh": RUN.format(command=bundle.command("../student", "prairielearn"))}
    found: dict[str, str | bytes] = {f"question/tests/{path}": text for path, text in inside.items()}
    return found | {
        "question/info.json": json.dumps(info, indent=4) + "\n",
        "question/question.html": HTML.format(name=name, statement=bundle.handout["README.md"]),
        f"question/{name}.py": bundle.handout[f"{name}.py"],
        "Dockerfile": bundle.fill(DOCKER),
        "README.md": bundle.fill(README),
    }


def result(grade: Grade | None) -> str:
    """results.json, where a score is a part of 1; of None that with no points."""
    if grade is None:
        return json.dumps({"gradable": True, "score": 0, "message": "The grading has not ended.", "tests": []})
    tests = [
        {"name": output, "points": grade.points[output], "max_points": most} for output, most in grade.most().items()
    ]
    text = grade.feedback or grade.problem
    return json.dumps({"gradable": True, "score": grade.total / grade.out_of, "output": text, "tests": tests})
