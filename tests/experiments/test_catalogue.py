"""What every experiment keeps to: pure functions of stored numbers, and public names of the other rooms alone."""

import ast
import copy
import importlib
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib import style

from minires.experiments import EXPERIMENTS, Verdict, stored
from minires.experiments.store import plain
from minires.files.picture import new_figure, svg

ROOT = Path(__file__).parents[2]
STORED = {name: found["seeds"] for name, found in stored(ROOT / "bench/results/experiments").items()}
MODULES = sorted((ROOT / "minires" / "experiments").rglob("*.py"))
ROOMS_OF_ONE_FILE = ("minires.errors", "minires.losses")
WORDS = ("HOLDS", "HOLDS WITH A CONDITION", "FAILS")


@pytest.fixture(params=STORED)
def measured(request):
    """(experiment, the numbers of each seed)."""
    return EXPERIMENTS[request.param], [STORED[request.param][seed] for seed in sorted(STORED[request.param])]


def same(a, b):
    return repr(a) == repr(b)  # NaN is itself


def filled(numbers, value):
    """The same lists and dicts with ``value`` for every number."""
    if isinstance(numbers, dict):
        return {key: filled(one, value) for key, one in numbers.items()}
    return [filled(one, value) for one in numbers] if isinstance(numbers, list) else value


def test_the_verdict_is_as_expected_and_a_pure_function(measured):
    experiment, numbers = measured
    before = copy.deepcopy(numbers)
    verdict = experiment.verdict(numbers)
    assert verdict.word == experiment.expected in WORDS
    assert same(verdict, experiment.verdict(json.loads(json.dumps(numbers)))) and same(numbers, before)
    assert same(verdict.checks, experiment.verdict(numbers).checks)
    assert all(len(check.values) == len(numbers) for check in verdict.checks)
    assert verdict.found and verdict.criterion and "nan" not in verdict.criterion


def test_one_seed_has_a_verdict_too(measured):
    experiment, numbers = measured
    for one in numbers:
        assert experiment.verdict([one]).word == experiment.expected


def test_every_check_hangs_on_the_numbers(measured):
    """Numbers that are all NaN, as of a training that diverged, meet no criterion; and raise nothing."""
    experiment, numbers = measured
    for lost in ([filled(n, math.nan) for n in numbers], [filled(numbers[0], math.nan), *numbers[1:]]):
        assert [check.what for check in experiment.verdict(lost).checks if check.holds] == []


def test_every_check_turns_at_its_bounds(measured):
    experiment, numbers = measured
    verdict = experiment.verdict(numbers)
    for i, check in enumerate(verdict.checks):
        for bound, way in ((check.at_least, -1), (check.at_most, 1)):
            if math.isfinite(bound):
                inside, outside = (
                    replace(check, values=(*check.values[:-1], value))
                    for value in (bound, math.nextafter(bound, way * math.inf))
                )
                for one in (inside, outside):
                    checks = (*verdict.checks[:i], one, *verdict.checks[i + 1 :])
                    word = Verdict(checks, verdict.condition).word
                    assert (word == verdict.word) == (one is inside or verdict.word == "FAILS"), check.what


@pytest.mark.parametrize("look", ["default", "dark_background"])
def test_the_picture_has_axes_with_names(measured, look):
    experiment, numbers = measured
    before = copy.deepcopy(numbers)
    with style.context(look):
        figure = new_figure(figsize=(5, 4), layout="constrained")
        experiment.draw(numbers, figure)
        assert figure.axes and all(axes.get_xlabel() or axes.get_ylabel() for axes in figure.axes)
        assert b"</svg>" in svg(figure) and same(numbers, before)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_claim_says_where_it_is_from(name):
    experiment = EXPERIMENTS[name]
    claim = experiment.claim
    assert experiment.name == name == experiment.measure.__module__.rpartition(".")[2] and experiment.breaks
    assert claim.sentence.endswith(".") and claim.article and any(c.isdigit() for c in claim.paper)
    assert experiment.expected in WORDS


def test_numbers_are_plain():
    for seeds in STORED.values():
        assert same(plain(list(seeds.values())), list(seeds.values()))


def taken(path):
    """Yield (room, name) for everything that a module takes from other rooms, and its modules themselves."""
    package = ("minires", *path.relative_to(ROOT / "minires").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            module = ".".join((*base, *filter(None, [node.module])))
        elif isinstance(node, ast.ImportFrom):
            module = node.module
        else:
            continue
        if module.split(".")[0] == "minires" and not module.startswith("minires.experiments"):
            yield from ((module, alias.name) for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_public_names_alone(path):
    for module, name in taken(path):
        room = importlib.import_module(module)
        own = [n for n, v in vars(room).items() if n[0] != "_" and getattr(v, "__module__", "") == module]
        public = getattr(room, "__all__", own if module in ROOMS_OF_ONE_FILE else ())
        assert name in public or (module, name) == ("minires", "__version__"), f"{module} does not show {name}"


def test_private_names_would_be_found(tmp_path):
    path = ROOT / "minires" / "experiments" / "x.py"
    source = type("Source", (), {"relative_to": path.relative_to, "read_text": lambda: SOURCE})
    assert list(taken(source)) == [("minires.layers.known", "kind_of"), ("minires", "models"), ("minires.train", "run")]


SOURCE = (
    "from ..layers.known import kind_of\nfrom .. import models\nfrom .lab import Lab\nfrom minires.train import run\n"
)
