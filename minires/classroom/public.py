"""Checks without the solution: outputs of forward on examples, and gradients as derivatives of one's own forward.

They go with a handout whose definition minires does not have: an assignment of a teacher's own, or with a twist.
"""

import copy
import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataFileError, MiniresError
from ..gradcheck import gradcheck
from ..layers.base import Buffer, Param
from .course import Assignment
from .declared import Given
from .exercises import EXERCISES, Exercise
from .feedback import Feedback
from .general import Finding
from .lab import settled
from .observe import outputs, same
from .words import FRAME, findings, say

FILE = "examples.json"
MOST = 4  # examples of an exercise in one mode


def examples(each: Assignment) -> str:
    """JSON: inputs with few digits and the right outputs of forward there."""
    found = [_examples(exercise) for exercise in each.exercises]
    return json.dumps({"assignment": each.name, "points": each.points, "exercises": found}) + "\n"


def _examples(exercise):
    rows = _rows(exercise)
    cases = []
    for number in [*range(len(rows))][:: max(1, len(rows) // MOST)]:
        build, shape = rows[number]
        layer = settled(build, [1, number])
        for _, t in layer.tensors():
            t.data = t.data.round(2) if t.data.dtype.kind == "f" else t.data
        x = np.random.default_rng([1, number]).standard_normal(shape).round(2)
        for train in (True, False) if "train" in exercise.takes else (False,):
            used = copy.deepcopy(layer)
            y, _ = used.forward(x.copy(), train)
            right = {"y": np.asarray(y).tolist()} | {name: b.data.tolist() for name, b in _buffers(used)}
            right |= {name: term.tolist() for name, term in _terms(exercise, layer, x, train).items()}
            given = {name: t.data.tolist() for name, t in layer.tensors()}
            cases.append({"row": number, "x": x.tolist(), "train": train, "given": given, "right": right})
    known = {} if exercise.of else {"takes": exercise.takes, "settings": _settings(rows[0][0](0), exercise.takes)}
    return {"name": exercise.name, "cases": cases} | known


def _settings(layer, takes):
    given = {name: getattr(layer, name) for name in takes}
    return {name: value for name, value in given.items() if not isinstance(value, Buffer)}


def _rows(exercise):
    """[(build, shape), ...], the same in a handout and where it is checked."""
    return [*islice(exercise.few(), 12), *exercise.configurations()[:1]]


def _terms(exercise, layer, x, train):
    """The terms of dx, where they are asked for; dy is the same in a handout and where it is checked."""
    if not exercise.terms:
        return {}
    y = copy.deepcopy(layer).forward(x.copy(), train)[0]
    dy = np.random.default_rng(2).standard_normal(np.shape(y)).round(2)
    found = outputs(layer, x, dy, train, terms=True)
    return {name: found.get(name) for name in ("shortcut_term", "branch_term")}


def _known(name):
    return EXERCISES.get(name) or Exercise(name, "", (), (), tuple)


def _buffers(layer):
    return [(name, b) for name, b in layer.tensors() if not isinstance(b, Param) and name != "targets"]


def check_examples(folder: str | Path, namespace: dict[str, Any], language: str = "en") -> list[Feedback]:
    """The feedback on each exercise by the examples in the folder of a handout; DataFileError where it has none."""
    return [_feedback(exercise, namespace, language) for exercise in _read(folder)["exercises"]]


def about(folder: str | Path) -> tuple[str, float, list[str]]:
    """(name of the assignment, its points, names of its functions) of the handout in a folder."""
    found = _read(folder)
    names = [exercise["name"] for exercise in found["exercises"]]
    return found["assignment"], found["points"], [function for name in names for function in _known(name).defines]


def _read(folder):
    path = Path(folder) / FILE
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataFileError(f"{path} holds no examples: {error}: take it from the handout again") from error


def _feedback(found, namespace, language):
    known = None if "takes" in found else EXERCISES[found["name"]]
    exercise = known or Exercise(found["name"], "", tuple(found["takes"]), (), tuple)
    right, sentences = {}, []
    if missing := [Finding("missing", name) for name in exercise.missing(namespace)]:
        return Feedback(exercise, language, (), ("y",), (), tuple(findings(missing, language)))
    for case in found["cases"]:
        layer = exercise.wrap(namespace)(_given(found, known, case))
        for name, is_right in _outputs(exercise, layer, case, sentences).items():
            right[name] = right.get(name, True) and is_right
    if not all(right[name] for name in found["cases"][0]["right"]):
        sentences.append(say(FRAME, "examples", language).format(FILE))
    return Feedback(
        exercise,
        language,
        tuple(name for name, is_right in right.items() if is_right),
        tuple(name for name, is_right in right.items() if not is_right),
        (),
        tuple(dict.fromkeys(sentences)),
        None,
    )


def _outputs(exercise, layer, case, sentences):
    """{output: whether it is right on a case}; what a check says is added to ``sentences``."""
    x = np.array(case["x"], float)
    used = copy.deepcopy(layer)
    gradients = ["x", *(name for name, _ in layer.params())]
    right = dict.fromkeys([*case["right"], *(f"d{name}" for name in gradients)], False)
    try:
        y, _ = used.forward(x.copy(), case["train"])
        shown = {"y": y} | {name: b.data for name, b in _buffers(used)}
        shown |= _terms(exercise, layer, x, case["train"])
        for name, value in case["right"].items():
            mine = shown[name]
            right[name] = same(np.array(value, float), mine if isinstance(mine, str) else np.asarray(mine))
        gradcheck(layer, x, train=case["train"], method="auto")
        wrong = set()
    except Exception as error:  # whatever a student's code raises
        sentences.append(str(error) if isinstance(error, MiniresError) else f"{type(error).__name__}: {error}")
        report = getattr(error, "report", None)
        wrong = {output.name for output in report.wrong} if report else set(gradients)
    return right | {f"d{name}": name not in wrong for name in gradients}


def _given(found, known, case):
    """The layer with the arrays of a case."""
    arrays = {name: np.array(value) for name, value in case["given"].items()}
    if known is None:
        return Given({name: value.astype(float) for name, value in arrays.items()}, found["settings"])
    layer = _rows(known)[case["row"]][0](np.random.default_rng(0)).to(dtype=np.float64)
    for name, t in layer.tensors():
        t.data = arrays[name].astype(t.data.dtype)
    return layer
