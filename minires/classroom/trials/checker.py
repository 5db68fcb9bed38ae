"""The trial of a gradient checker: it must refuse 20 wrong backwards and none of 10 right ones."""

import functools
import inspect
import math
from dataclasses import dataclass, field

import numpy as np

from ..box import Shown
from .checker_words import CRITERIA, DEMOS, IDEAS, LINES
from .layers import GROUPS
from .trial import Answer, Trial, Verdict, answer

ENOUGH = 200  # calls of backward in one question that are looked at
LEAST, LEAST_RIGHT = 10, 3  # questions for a criterion, and right ones: no coin passes one time in a thousand
KINDS = {
    group: [(build, kind) for build in builds for kind in build(np.random.default_rng(0))[1]]
    for group, builds in GROUPS.items()
}


def _questions():
    for group, rows in KINDS.items():
        right = sum(kind == "right" for _, kind in rows)
        rounds = max(math.ceil(LEAST / len(rows)), math.ceil(LEAST_RIGHT / right))
        yield from ((group, *row) for row in rows * rounds)


QUESTIONS = list(_questions())


@dataclass
class Asked:
    """One question to a checker. seen: [(dy, y), ...] of all calls of backward   answer: its own"""

    group: str
    build: str
    kind: str
    seen: list = field(default_factory=list)
    answer: Answer = Answer(None)

    @property
    def is_right(self):
        return self.answer.says is (self.kind == "right")


def judge(functions: dict, seed: int) -> Verdict:
    """See :data:`CHECKER`. The order of the questions and all numbers come from ``seed``."""
    rng = np.random.default_rng([seed, 2])
    asked = []
    for i in rng.permutation(len(QUESTIONS)):
        group, build, kind = QUESTIONS[i]
        x, ways = build(rng)
        forward, backward = ways[kind]
        shown = Shown(_text(forward.func), forward.func.__name__, *forward.args)
        asked.append(ask(functions["check"], x, shown, backward, rng, Asked(group, build.__name__, kind)))
    right = tuple(group for group in GROUPS if all(each.is_right for each in asked if each.group == group))
    if len(right) == len(GROUPS):
        return Verdict(right)
    names = tuple(_ideas(asked, right))
    wrong = [group for group in GROUPS if group not in right and not any(group in SHOWN_BY[name] for name in names)]
    remarks = [_counts(group, asked) for group in wrong]
    if failed := [each.answer.instead for each in asked if each.answer.says is None]:
        remarks.insert(0, tuple(words.format(failed[0], len(failed), len(asked)) for words in LINES["no answer"]))
    return Verdict(right, names, tuple(remarks), _example(functions["check"], names))


def ask(check, x, forward, backward, rng, asked):
    """Ask ``check`` about ``forward``, which is Shown, and ``backward``; keep its answer, and which dy it has used.

    Its forward runs beside it: to ask here each time would take longer than all the rest. What that hands out as its
    cache is x, so that the true one is made here.
    """
    shown = Shown(forward.text + WITH_X.format(forward.name), "shown", *forward.given)

    def watched(dy, at):
        if np.shape(at) != x.shape:
            raise ValueError("backward got a cache that is not of this forward")
        y, cache = forward(np.array(at))
        if len(asked.seen) < ENOUGH:
            asked.seen.append((np.array(dy), np.array(y)))
        return backward(dy, cache)

    asked.answer = answer(check, shown, watched, x, rng)
    return asked


WITH_X = """
def shown(*given):
    x = np.array(given[-1])
    return {}(*given)[0], x
"""


@functools.cache
def _text(function):
    return inspect.getsource(function)


CHECKER = Trial("gradcheck", ("check",), CRITERIA, IDEAS, judge, (2, "Lie 1: an upstream gradient of ones"))
SHOWN_BY = {  # the criteria that an idea explains
    "Checker.AlwaysTrue": tuple(GROUPS),
    "Checker.AlwaysFalse": tuple(GROUPS),
    "Checker.OnesAsDy": ("ones", "squares"),
    "Checker.PositiveDy": ("ones",),
    "Checker.OutputAsDy": ("squares", "ones"),
    "Checker.AbsoluteTolerance": ("scale",),
    "Checker.LooseTolerance": ("scale",),
    "Checker.ZeroByZero": ("scale",),
    "Checker.KinkRefused": ("kinks",),
    "Checker.KinkSkipped": ("kinks",),
    "Checker.SomeEntries": ("entries",),
    "Checker.DyChanged": ("alone",),
    "Checker.XChanged": ("alone",),
}


def _ideas(asked, right):
    """Names of what is behind wrong answers: by which of them are wrong, and by the dy that were used."""
    says = {each.answer.says for each in asked}
    if len(says) == 1:
        return [f"Checker.Always{each}" for each in says - {None}]
    used = [(dy, y) for each in asked for dy, y in each.seen if dy.size > 1]
    found = []
    if used and "ones" not in right and all(np.ptp(dy) == 0 for dy, _ in used):
        found.append("OnesAsDy")
    elif used and _errs(asked, "rectifier", "guided") and all(not (dy < 0).any() for dy, _ in used):
        found.append("PositiveDy")
    if used and "squares" not in right and all(_is_multiple(dy, y) for dy, y in used):
        found.append("OutputAsDy")
    if "plain" not in right:
        return [f"Checker.{name}" for name in found]
    if _errs(asked, "tiny", "twice") or _errs(asked, "large", "right"):
        found.append("AbsoluteTolerance")
    if _errs(asked, "large", "a hundredth"):
        found.append("LooseTolerance")
    if _errs(asked, "dead", "right"):
        found.append("ZeroByZero")
    kinks = [each for each in asked if each.group == "kinks" and not each.is_right]
    if any(each.kind == "right" for each in kinks):
        found.append("KinkRefused")
    if any(each.kind != "right" and each.answer.says for each in kinks):
        found.append("KinkSkipped")
    if "ones" in right and any(each.group == "entries" and each.answer.says and not each.is_right for each in asked):
        found.append("SomeEntries")
    if _errs(asked, "overwriting", "dy doubled"):
        found.append("DyChanged")
    if _errs(asked, "overwriting", "x centred"):
        found.append("XChanged")
    return [f"Checker.{name}" for name in found]


def _errs(asked, build, kind):
    return any(not each.is_right for each in asked if (each.build, each.kind) == (build, kind))


def _is_multiple(dy, y):
    """Whether dy is c y with one c, as of the loss sum(y^2), which is no accident for two numbers or more."""
    if dy.shape != y.shape:
        return False
    scale = (dy * y).sum() / max((y * y).sum(), 1e-300)
    return bool(abs(dy - scale * y).max() <= 1e-6 * abs(dy).max())


def _counts(group, asked):
    """How many mistakes of a criterion are accepted, and how many right ones refused."""
    wrong = {(each.build, each.kind) for each in asked if each.group == group and not each.is_right}
    every = {(each.build, each.kind) for each in asked if each.group == group}
    accepted, refused = (sum((kind == "right") is is_right for _, kind in wrong) for is_right in (False, True))
    of = sum(kind != "right" for _, kind in every)
    return tuple(
        words.format(name, accepted, of, refused, len(every) - of)
        for words, name in zip(LINES["counts"], CRITERIA[group])
    )


def _example(check, names):
    """The smallest layer on which the checker errs, of those that show what is named, else of all."""
    rows = [demo for demo in DEMOS if demo[0] in names] or DEMOS
    for _, forward, backward, numbers, is_right in sorted(rows, key=lambda demo: len(demo[3])):
        for number in range(3):
            ways = Shown(f"demo = {forward}\n", "demo"), eval(backward, {"np": np})
            rng = np.random.default_rng(number)
            found = ask(check, np.array(numbers), *ways, rng, Asked("", "", "right" if is_right else "wrong"))
            if not found.is_right:
                code = f"x = np.array({numbers})", f"forward = {forward}", f"backward = {backward}"
                says = found.answer.instead if found.answer.says is None else str(found.answer.says)
                said = tuple(words.format(says) for words in LINES["is right" if is_right else "is wrong"])
                return ("plain", LINES["smallest"]), *(("code", (line, line)) for line in code), ("plain", said)
    return ()
