"""The language of conditions: it computes what Python computes, and refuses everything that is not its own."""

import math
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minires.errors import RangeError
from minires.trace.condition import LONGEST, MEASURES, Condition, measure

X = np.array([[3.0, -4.0, 0.0], [0.0, 12.0, 0.0]])
ARRAYS = {"x": X, "y": np.array([1.0, np.nan, -np.inf, 2.0], np.float32), "none": np.zeros((0, 3))}
VALUES = {"norm(x)": 13.0, "mean(x)": 11 / 6, "min(x)": -4.0, "max(x)": 12.0, "zeros(x)": 0.5, "nonfinite(y)": 2.0}
BINARY = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow}
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
COMPARE |= {"==": operator.eq, "!=": operator.ne}

# A pair (text, value by Python's own arithmetic of floats), None for the value where Python has none
numbers = st.floats(0, 1e3).map(lambda v: (repr(v), v)) | st.integers(0, 50).map(lambda v: (str(v), float(v)))
leaves = numbers | st.sampled_from(sorted(VALUES.items()))


def apply(function, *values):
    try:
        value = None if None in values else function(*values)
    except (ZeroDivisionError, OverflowError):
        return None
    return value if isinstance(value, (bool, float)) else None  # a complex root


def grow(inner):
    def binary(op, a, b):
        return f"({a[0]} {op} {b[0]})", apply(BINARY[op], a[1], b[1])

    def chain(first, op, second, op2, third):
        value = apply(lambda a, b, c: COMPARE[op](a, b) and COMPARE[op2](b, c), first[1], second[1], third[1])
        return f"({first[0]} {op} {second[0]} {op2} {third[0]})", None if value is None else float(value)

    def boolean(op, a, b):
        both = (lambda p, q: p and q) if op == "and" else (lambda p, q: p or q)
        return f"({a[0]} {op} {b[0]})", apply(both, a[1], b[1])

    def unary(op, a):
        value = apply({"-": operator.neg, "+": operator.pos, "not ": operator.not_}[op], a[1])
        return f"({op}{a[0]})", None if value is None else float(value)

    ops = st.sampled_from(sorted(COMPARE))
    return (
        st.builds(binary, st.sampled_from(sorted(BINARY)), inner, inner)
        | st.builds(chain, inner, ops, inner, ops, inner)
        | st.builds(boolean, st.sampled_from(["and", "or"]), inner, inner)
        | st.builds(unary, st.sampled_from(["-", "+", "not "]), inner)
    )


@given(st.recursive(leaves, grow, max_leaves=8))
def test_it_computes_what_python_computes(case):
    text, value = case
    if len(text) > LONGEST - 40:
        return
    condition = Condition(text, ARRAYS)
    condition.met(ARRAYS)  # whatever Python makes of it, it has an answer
    if value is not None and math.isfinite(value):
        assert condition.met(ARRAYS) is bool(value)
        margin = 1e-12 * abs(value) + 1e-300
        assert Condition(f"{value - margin!r} <= ({text}) <= {value + margin!r}", ARRAYS).met(ARRAYS)


@pytest.mark.parametrize("text", VALUES)
def test_measures_by_hand(text):
    name, _, array = text.rstrip(")").partition("(")
    assert measure(name, ARRAYS[array]) == pytest.approx(VALUES[text], rel=1e-15)


def test_measures_of_awkward_arrays():
    assert measure("std", X) == pytest.approx(math.sqrt(sum((v - 11 / 6) ** 2 for v in X.flat) / 6))
    none = {name: measure(name, ARRAYS["none"]) for name in MEASURES}
    assert none.pop("norm") == none.pop("nonfinite") == 0 and all(math.isnan(value) for value in none.values())
    assert math.isnan(measure("norm", ARRAYS["y"])) and measure("min", np.float32([2])) == 2
    large = np.full(4, 1e30, np.float32)
    assert measure("norm", large) == pytest.approx(2e30, rel=1e-6)  # its squares do not fit into float32
    assert measure("norm", np.full(4, 1e200)) == pytest.approx(2e200)  # and those not into float64


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("1 / 0 > 1e308", True),
        ("-1 / 0 < 0", True),
        ("0 / 0 == 0 / 0", False),
        ("(0 - 8) ** .5 < 1", False),
        ("9 ** 9 ** 9 ** 9 > 1", True),  # as doubles, at once
        ("10 ** 400 == 10 ** 500", True),
        ("(1 < 2) + (2 < 3) == 2", True),
        ("zeros(x)", True),
        ("nonfinite(x)", False),
        ("0 < zeros(x) < 1 and not nonfinite(x)", True),
        ("nonfinite(x) or nonfinite(y) == 2", True),
        ("  norm(x) == 13\n", True),
        ("-2 ** 2 == -4", True),
    ],
)
def test_examples(text, met):
    assert Condition(text, ARRAYS).met(ARRAYS) is met


def test_a_missing_array_means_no_whatever_the_rest_says():
    condition = Condition("1 > 0 or norm(gate) > 0", {"x", "gate"})
    assert not condition.met({"x": X}) and condition.met({"x": X, "gate": X})


HOSTILE = [
    "__import__('os').system('true')",
    "open('/etc/passwd')",
    "norm.__class__",
    "norm(x).__class__ == 1",
    "x.__class__",
    "x[0] > 1",
    "[1 for a in (1, 2)]",
    "(lambda: 1)()",
    "(y := 1)",
    "1 if 2 else 3",
    "'text' == 'text'",
    "f'{x}'",
    "True",
    "None",
    "...",
    "1j > 0",
    "b'1'",
    "~1",
    "1 // 2",
    "7 % 2",
    "1 << 3",
    "1 | 2",
    "x @ x",
    "1 is 1",
    "1 in (1, 2)",
    "(1, 2)",
    "{1: 2}",
    "norm(*x)",
    "norm(x, y)",
    "norm(a=x)",
    "norm()",
    "norm(1)",
    "norm(x + y)",
    "norm(norm(x))",
    "eval('1')",
    "norm(x); 1",
    "import os",
    "x = 1",
    "await x",
    "yield",
    "1 +",
    "",
    "  ",
    "\0",
    "\ud800",
    "(" * 250,
    "1" * 280 + "0" * 20 + "> " + "9" * 50,
    "not " * 74 + "norm(q)",
    "1e400 ** x",
    "norm(x) > y",
    "ne\u00adrm(x)",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_everything_else_is_refused(text):
    with pytest.raises(RangeError, match="condition"):
        Condition(text, ARRAYS)


def test_errors_say_what_there_is():
    for text, message in [
        ("norm(z) > 1", "there is no array z, expected one of none, x, y"),
        ("z > 1", "there is no array z, expected one of none, x, y"),
        ("x > 1", r"x is an array, expected a number: take norm\(x\), mean\(x\), ..."),
        ("size(x) > 1", "there is no function size, expected one of norm, mean, min, max, std, zeros, nonfinite"),
        ("norm(x) > len", "there is no array len"),
        ("norm(x) >", r"cannot be read \(invalid syntax\)"),
        ("norm(x) > 1" + " " * LONGEST, f"has {LONGEST + 11} characters, expected at most {LONGEST}"),
    ]:
        with pytest.raises(RangeError, match=message):
            Condition(text, ARRAYS)


def test_the_longest_texts_are_no_trouble():
    nested = "(" * 90 + "1" + ")" * 90
    for text in (nested, "9" * LONGEST, "-" * (LONGEST - 1) + "1", "1" + "+1" * 149, "1" + "<2" * 149):
        assert len(text) <= LONGEST
        assert isinstance(Condition(text, ARRAYS).met(ARRAYS), bool)
