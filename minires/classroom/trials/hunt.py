"""The trial of tests: each silent bug of a block alone must be found, and no right block refused."""

from dataclasses import dataclass, field

import numpy as np

from ...mutants.language import LANGUAGES
from ..observe import raised
from ..words import stopped
from .blocks import CRASHES, RIGHT, SILENT, opaque
from .hunt_words import CRITERIA, IDEAS, LINES
from .trial import Trial, Verdict

ROUNDS = [[*RIGHT, *SILENT, *crash] for crash in ([CRASHES[0]], [CRASHES[1]], [])]  # each with other weights
ENOUGH = 2  # rounds without an error: a coin has four chances in a million
MOST = 64, 64, 4  # channels in and out, stride
CRASHING = {make.__name__ for make in CRASHES}
FOR_SHAPES = "behind_pool", "pool_for_stride"  # what shows only where the images shrink


@dataclass
class Asked:
    """One block put to the tests. refused: they raise   said: what   ended: the submission gives no answer at all
    strides: of the blocks that were built   used: names of the methods of these blocks that were"""

    kind: str
    refused: bool = False
    said: str = ""
    ended: bool = False
    strides: set = field(default_factory=set)
    used: set = field(default_factory=set)

    @property
    def is_right(self):
        return self.kind in CRASHING or not self.ended and self.refused != _is_right(self.kind)


def judge(functions: dict, seed: int) -> Verdict:
    """See :data:`HUNT`. The order of the blocks and their weights come from ``seed``. A bug counts as found if it is
    found in all rounds; in each round every kind is asked about, so that one shows who finds nothing."""
    rng = np.random.default_rng([seed, 9])
    asked: list[Asked] = []
    for number, makers in enumerate(ROUNDS):
        if number == ENOUGH and all(each.is_right for each in asked):
            break
        for i in rng.permutation(len(makers)):
            if not _settled(makers[i].__name__, asked):
                asked.append(ask(functions["test_block"], makers[i], rng))
    refused = [each for each in asked if _is_right(each.kind) and each.refused]
    missed = [kind for kind in CRITERIA if any(each.kind == kind and not each.refused for each in asked)]
    right = () if refused else tuple(kind for kind in CRITERIA if kind not in missed)
    if not missed and not refused:
        return Verdict(right)
    names = tuple(f"BugHunt.{name}" for name in _ideas(asked, refused, missed))
    remarks = []
    if ended := next((each.said for each in asked if each.ended), None):
        remarks.append(tuple(w.format(stopped(ended, to) or ended) for w, to in zip(LINES["ended"], LANGUAGES)))
    elif refused:
        remarks.append(tuple(words.format(refused[0].said) for words in LINES["refused"]))
    if crash := sum(each.kind in CRASHING and not each.refused and not each.ended for each in asked):
        remarks.append(tuple(words.format(crash) for words in LINES["crashes"]))
    if any(each.said and not each.refused and not each.ended for each in asked):
        remarks.append(LINES["returns"])
    return Verdict(right, names, tuple(remarks))


def ask(test, make, rng):
    """Put a block to the tests of a submission."""
    asked = Asked(make.__name__)

    def build(in_channels, out_channels, stride):
        sizes = [int(size) for size in (in_channels, out_channels, stride)]
        if not all(1 <= size <= most for size, most in zip(sizes, MOST)):
            raise ValueError(f"build got {', '.join(map(str, sizes))}, expected at least 1 and at most {MOST}")
        asked.strides.add(sizes[2])
        block = make(*sizes, rng)
        block.watch = asked.used.add
        return block if getattr(test, "apart", False) else opaque(block)

    try:
        found = test(build)
        asked.said = "" if found is None else f"{found!r:.60}"
    except Exception as error:  # whatever a student's code raises is an observation
        asked.ended = getattr(error, "kind", "raised") != "raised"
        asked.refused, asked.said = not asked.ended, str(error) if hasattr(error, "kind") else raised(error)
    return asked


HUNT = Trial("bug_hunt", ("test_block",), CRITERIA, IDEAS, judge, (8, "The same in minires"))


def _is_right(kind):
    return kind in {make.__name__ for make in RIGHT}


def _settled(kind, asked):
    """Whether no answer on a further block of this kind changes the verdict."""
    refused = {each.kind for each in asked if each.refused and _is_right(each.kind)}
    accepted = {each.kind for each in asked if not each.refused}
    if refused and accepted and not _are_trained(refused, accepted):
        return kind not in CRASHING
    return kind in accepted and (kind in CRITERIA or _is_right(kind) and accepted >= CRITERIA.keys())


def _are_trained(refused, accepted):
    """Whether the right blocks that are refused are those whose parameters have left their first values, and all of
    these: what refuses by chance does not do so."""
    return all("trained" in kind for kind in refused) and not any("trained" in kind for kind in accepted)


def _ideas(asked, refused, missed):
    if any(each.ended for each in asked):
        return
    if all(each.refused for each in asked):
        yield "AlwaysRefuses"
        return
    if not any("forward" in each.used for each in asked):
        yield "NeverRuns"
        return
    if refused:
        accepted = {each.kind for each in asked if not each.refused}
        yield "InitialValues" if _are_trained({each.kind for each in refused}, accepted) else "RefusesRight"
        return
    if len(missed) == len(CRITERIA):
        yield "OnlyShapes"
        return
    small = {1} >= set().union(*(each.strides for each in asked))
    if small:
        yield "StrideOne"
    for kind in missed:
        if not (small and kind in FOR_SHAPES):
            yield NAMES[kind]


NAMES = {
    "not_added": "ShortcutNotAdded",
    "no_relu": "NoFinalReLU",
    "behind_pool": "ShortcutBehindPool",
    "pool_for_stride": "PoolForStride",
    "relu_before_add": "ReLUBeforeAdd",
}
