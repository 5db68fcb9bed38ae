"""Feedback that teaches: what is right, which idea is wrong, a small input that shows it, and what to read."""

import re
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np

from ..errors import RangeError
from ..files.tutorials import tutorial_files
from ..mutants import MUTANTS, SILENT
from ..mutants.language import LANGUAGES, sentence
from .course import assignments
from .diagnose import Diagnosis, diagnose
from .escape import for_page, for_terminal, plain, sentence_for_page, wrapped
from .exercises import Exercise, Missing, exercise
from .functions import TERMS
from .general import Finding
from .observe import Raised
from .smallest import Failing, smallest
from .task import Task
from .task_diagnosis import diagnose_task
from .task_example import example_lines
from .trials import TRIALS, Trial, Verdict
from .words import FRAME, findings, instead_of, raises, say

BY_NAME = {mutant.name: mutant for mutant in (*MUTANTS, *SILENT)}


@dataclass(frozen=True)
class Feedback:
    """What a student reads; ``print(feedback)``. Every text is plain, escapes are put in by what shows it.

    right, wrong: names of outputs, or of criteria of a trial   names: of misconceptions
    sentences: what is behind it   failing: a small input, or None   example: the lines of one of a trial or a task
    findings: those among what is behind it that have no name   raises: those on errors of what has one
    """

    exercise: Exercise | Trial | Task
    language: str
    right: tuple
    wrong: tuple
    names: tuple
    sentences: tuple
    failing: Failing | None = None
    example: tuple = ()
    findings: tuple[Finding, ...] = ()
    raises: tuple[Finding, ...] = ()

    def lines(self) -> list[tuple[str, str]]:
        """[(kind, text)]: kind is "plain", "item", "code" or "read"."""
        if not self.wrong:
            return [("plain", self._say("all right"))]
        right, wrong = (", ".join(map(self._named, outputs)) for outputs in (self.right, self.wrong))
        found = [("plain", self._say("right", right) if self.right else self._say("nothing right"))]
        found += [("plain", self._say("wrong", wrong)), ("plain", self._say("why"))]
        found += [("item", text) for text in self.sentences]
        if self.failing:
            found += self._example(self.failing)
        found += self.example
        if self.exercise.read:
            number, heading = self.exercise.read
            found.append(("read", self._say("read", number, heading, _tutorial(number))))
        return found

    def __str__(self):
        return self.to_text()

    def to_text(self, width: int = 0) -> str:
        """The lines for a terminal. width: where prose is wrapped, 0 for not at all; code stays on one line."""
        before = {"plain": "", "item": "  * ", "code": "    ", "read": ""}
        shown = {"item": plain, "read": lambda text: text.replace("``", "`")}  # where a command begins and ends
        lines = ((kind, for_terminal(shown.get(kind, str)(text))) for kind, text in self.lines())
        return "\n".join(
            wrapped(text, width, before[kind]) if kind != "code" else before[kind] + text for kind, text in lines
        )

    def to_html(self) -> str:
        """The same as a piece of a page."""
        parts = []
        for kind, group in groupby(self.lines(), key=lambda line: line[0]):
            texts = [for_page(text) if kind in ("plain", "code") else sentence_for_page(text) for _, text in group]
            if kind == "code":
                parts.append("<pre>" + "\n".join(texts) + "</pre>")
            elif kind == "item":
                parts.append("<ul>" + "".join(f"<li>{text}</li>" for text in texts) + "</ul>")
            else:
                parts += [f"<p>{text}</p>" for text in texts]
        inner = "\n".join(parts)
        return f'<section lang="{self.language}">\n{inner}\n</section>'

    def _say(self, key, *values):
        return say(FRAME, key, self.language).format(*values)

    def _named(self, output):
        """The words for an output: its name, unless it is a criterion of a trial."""
        return say(self.exercise.criteria, output, self.language) if isinstance(self.exercise, Trial) else output

    def _example(self, failing):
        has_modes = "train" in self.exercise.takes
        mode = ("training" if failing.train else "evaluation") if has_modes else "input"
        yield "plain", self._say(mode)
        given = {"x": failing.x, "dy": failing.dy, **failing.arrays}
        for name, array in given.items():
            yield "code", f"{name} = {' '.join(np.array2string(array, separator=', ').split())}"
        if failing.between:
            yield "plain", self._say("between")
        what, _, array = failing.output.partition(" ")
        if what == "keeps":
            yield "plain", self._say("changed", array)
            if failing.changed:
                name, index, was, is_now = failing.changed
                yield "plain", self._say("entry", _entry(name, index), f"{was:.9g}", f"{is_now:.9g}")
            return
        if what == "twice":
            yield "plain", self._say("again", array)
            return
        if isinstance(failing.instead, Raised):
            is_said = any(_is_same(failing.instead, each) for each in (*self.raises, *self.findings))
            yield "plain", self._say("the same") if is_said else raises(failing.instead, self.language)
            return
        where = _entry(failing.output, failing.index)
        if failing.mine is None:
            yield "plain", instead_of(failing, self.language)
            return
        yield "plain", self._say("your number", where, f"{failing.mine:.9g}")
        if self.exercise.public:
            yield "plain", self._say("measure")
            yield "code", command(self.exercise, failing)


def _entry(name, index):
    return name + (f"[{', '.join(map(str, index))}]" if index else "")


def _is_same(text, found):
    """Whether a finding has said an error already: its kind, in the same line."""
    said = found.detail.rpartition(" on ")[0] if found.kind == "raises" else found.detail
    lines, line = (re.findall(r"\d+", each.rpartition(" (line")[2]) for each in (said, text))
    is_kind = said.partition(":")[0] == text.partition(":")[0]
    return found.kind in ("raised", "raises") and is_kind and {*line} <= {*lines}


def command(name, failing):
    """The line for a shell that measures the true number of a :class:`~minires.classroom.smallest.Failing`."""
    call = f"measure('{name}', {failing.case}, '{failing.output}', {failing.index})"
    return f'python -c "from minires.classroom import measure; {call}"'


def feedback(
    name: str | Exercise | Trial | Task,
    namespace: Any,
    language: str = "en",
    seed: int = 0,
    diagnosis: Diagnosis | None = None,
    files: dict | None = None,
    student: str = "",
) -> Feedback:
    """The :class:`Feedback` on the functions of the exercise ``name``, in English ("en") or Chinese ("zh").

    seed: of the numbers on which they are tried   diagnosis: that of these functions, if it is there already
    files: handed in beside, see :class:`~minires.classroom.submissions.Submission`   student: who hands in, or ""
    They run in this process, unless they are those of a :class:`~minires.classroom.box.Box`. It holds no expected
    number, no traceback, and nothing of this machine.
    """
    if language not in LANGUAGES:
        raise RangeError(f"language is {language!r}, expected one of {', '.join(LANGUAGES)}")
    if isinstance(name, str) and name in TRIALS:
        name = TRIALS[name]
    if isinstance(name, Trial):
        return _of_trial(name, namespace if isinstance(namespace, dict) else vars(namespace), language, seed)
    if isinstance(name, Task):
        functions = namespace if isinstance(namespace, dict) else vars(namespace)
        return _of_task(name, functions, language, seed, name.weigh(files or {}, student, seed))
    found = diagnosis or diagnose(name, namespace, seed)
    each, changed = exercise(name), tuple(f"keeps {f.output}" for f in found.findings if f.kind == "changes")
    orders = _orders(each, found)
    sentences = _behind(found, [said(idea, language) for idea in found.names], language, orders)
    failing = smallest(name, namespace, changed) if found.wrong else None
    if failing and (failing.instead.startswith(Missing.__name__) or getattr(failing.instead, "ended", False)):
        failing = None  # it shows on any input
    shown = each, language, found.right, found.wrong, found.names, tuple(sentences)
    return Feedback(*shown, failing, findings=found.findings, raises=found.raises)


def _orders(each, found):
    """The orders in which the functions return what is looked at."""
    outputs = {*found.right, *found.wrong}
    return ("dx", *(f"d{name}" for name in each.takes if f"d{name}" in outputs)), tuple(f"{n}_term" for n in TERMS)


def _behind(found, named, language, orders=()):
    """The sentences of a diagnosis: what is changed first, which is the cause of others; then those of ideas."""
    causes = [each for each in found.findings if each.kind == "changes"]
    others = [each for each in found.findings if each.kind != "changes"]
    others = findings((*found.raises, *others), language, found.names, orders)
    return [*findings(causes, language), *named, *others]


@cache
def _tutorial(number):
    """The name of its file."""
    return next(path.name for path in tutorial_files() if path.name.startswith(f"{number:02}_"))


def said(name: str, language: str = "en") -> str:
    """The sentence for the name of a misconception."""
    if name in BY_NAME:
        return sentence(BY_NAME[name], language)
    for trial in TRIALS.values():
        if name in trial.ideas:
            return say(trial.ideas, name, language)
    tasks = (part for each in assignments().values() for part in each.exercises if isinstance(part, Task))
    words = (m.misconception[language] for task in tasks for m in task.mistakes if m.name == name)
    return next(words, name)  # that of a teacher's own assignment is in its folder


def _of_task(task, functions, language, seed, unfit):
    found = diagnose_task(task, functions, seed)
    sentences = _behind(found, [task.sentence(name, language) for name in found.names], language)
    sentences += [words[language == "zh"] for words in unfit.values()]
    right = (*found.right, *(file for file in task.files if file not in unfit))
    wrong = (*found.wrong, *unfit)
    example = tuple(example_lines(task, functions, language)) if found.wrong else ()
    shown = task, language, right, wrong, found.names, tuple(sentences)
    return Feedback(*shown, example=example, findings=found.findings)


def _of_trial(trial, functions, language, seed):
    missing = [Finding("missing", name) for name in trial.defines if not callable(functions.get(name))]
    verdict = Verdict() if missing else trial.judge(functions, seed)
    sentences = [said(name, language) for name in verdict.names]
    sentences += [words[language == "zh"] for words in verdict.remarks]
    sentences += findings(missing, language)
    example = tuple((kind, words[language == "zh"]) for kind, words in verdict.example)
    wrong = tuple(name for name in trial.criteria if name not in verdict.right)
    shown = trial, language, verdict.right, wrong, verdict.names, tuple(sentences)
    return Feedback(*shown, example=example, findings=tuple(missing))
