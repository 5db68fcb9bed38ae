"""The API pages: every public name with its shapes, and every reference leads to one."""

import re

import pytest
from staging.api import Links, kind, members, pages, public, signature

from minires import layers, trace
from minires.layers import BatchNorm2d, Linear

MODULES = public()
PAGES = pages("en")
LINKS = Links(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_its_place(module):
    page = PAGES[f"api/{module}.md"]
    for name, value in MODULES[module].items():
        if kind(value) != "module":
            assert re.search(rf"^::::{{py:\w+}} {name}\b|^\* {{py:obj}}`{name} <", page, re.M), name


def test_shapes_and_errors_are_rendered():
    page = PAGES["api/minires.layers.md"]
    assert "* x, y: (N, C, H, W)" in page
    assert "{py:exc}`ShapeError <minires.errors.ShapeError>`" in page


def test_fences_close_in_order():
    for name, page in PAGES.items():
        open_fences = []
        for line in page.splitlines():
            if match := re.match(r"(:{3,}|`{3,})", line):
                open_fences.pop() if line == match[1] and match[1] in open_fences[-1:] else open_fences.append(match[1])
        assert not open_fences, name


@pytest.mark.parametrize(
    ("name", "module", "owner", "full"),
    [
        ("minires.layers.Param", "minires.trace", "", "minires.layers.Param"),
        ("Param", "minires.layers", "", "minires.layers.Param"),
        ("params", "minires.layers", "minires.layers.Layer", "minires.layers.Layer.params"),
        ("gradcheck", "minires.layers", "", "minires.gradcheck"),
        ("ShapeError", "minires.layers", "", "minires.errors.ShapeError"),
        ("no_such_name", "minires.layers", "", None),
    ],
)
def test_references(name, module, owner, full):
    assert LINKS.find(name, module, owner) == full


def test_signatures_are_short():
    assert signature(Linear) == "(in_features: int, out_features: int, *, bias: bool = True, rng: int | Generator)"
    assert "." not in signature(trace.trace).replace("...", "").replace("0.", "")
    assert not [name for name in layers.__all__ if "<" in signature(getattr(layers, name))]


def test_members_are_those_with_words_of_their_own():
    assert "forward" not in members(BatchNorm2d)
