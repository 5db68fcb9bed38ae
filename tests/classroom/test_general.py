"""Each finding on a mistake that no planted one explains."""

import numpy as np
import pytest

from minires.classroom import diagnose
from minires.classroom.general import Finding
from minires.classroom.words import ENTERS, FINDINGS, FRAME, TERMS, finding


def linear_forward(x, weight, bias):
    return x @ weight.T + bias, (x, weight)


def with_results(change, forward=linear_forward):
    def linear_backward(dy, cache):
        x, weight = cache
        return change(dy @ weight, dy.T @ x, dy.sum(axis=0), dy, x)

    return diagnose("linear", {"linear_forward": forward, "linear_backward": linear_backward})


# the findings for what backward returns, made of the right results, dy and x
CASES = {
    "minus": (lambda dx, dw, db, dy, x: (-dx, dw, db), Finding("factor", "dx", "-1")),
    "twice": (lambda dx, dw, db, dy, x: (dx, 2 * dw, db), Finding("factor", "dweight", "2")),
    "half": (lambda dx, dw, db, dy, x: (dx, dw, db / 2), Finding("factor", "dbias", "1/2")),
    "batch": (lambda dx, dw, db, dy, x: (dx * len(x), dw, db), Finding("factor", "dx", "N")),
    "mean": (lambda dx, dw, db, dy, x: (dx / len(x), dw, db), Finding("factor", "dx", "1/N")),
    "features": (lambda dx, dw, db, dy, x: (dx, dw * x.shape[1], db), Finding("factor", "dweight", "H W")),
    "entries": (lambda dx, dw, db, dy, x: (dx, dw, db / x.size), Finding("factor", "dbias", "1/m")),
    "constant": (lambda dx, dw, db, dy, x: (dx, dw, 0.3 * db), Finding("factor", "dbias", "0.3")),
    "none": (lambda dx, dw, db, dy, x: (dx, dw, None), Finding("kind", "dbias", "None")),
    "ragged": (lambda dx, dw, db, dy, x: (dx, dw, [[1], [1, 2]]), Finding("kind", "dbias", "list")),
    "shape": (lambda dx, dw, db, dy, x: (dx, dw, db[None]), Finding("shape", "dbias", "(1, 4) for (4,)")),
    "zeros": (lambda dx, dw, db, dy, x: (0 * dx, dw, db), Finding("zeros", "dx")),
    "nan": (lambda dx, dw, db, dy, x: (dx * np.nan, dw, db), Finding("nan", "dx")),
    "dy": (lambda dx, dw, db, dy, x: (dy, dw, db), Finding("dy", "dx")),
    "noise": (lambda dx, dw, db, dy, x: (dx + np.cos(x), dw, db), Finding("wrong", "dx")),
    "exchanged": (lambda dx, dw, db, dy, x: (dx, db, dw), Finding("exchanged", "dweight", "dbias")),
    "few": (
        lambda dx, dw, db, dy, x: (dx, dw),
        Finding(
            "raised",
            "",
            "ContractError: linear_backward: returns a tuple of 2, expected a tuple of 3: return dx, dweight, dbias",
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_finding(name):
    change, expected = CASES[name]
    found = with_results(change)
    assert found.names == () and expected in found.findings


def test_dy_changed_is_a_finding_of_its_own():
    def change(dx, dw, db, dy, x):
        dy *= 2
        return dx, dw, db

    found = with_results(change)
    assert Finding("changes", "dy") in found.findings and "dx" in found.wrong and "dweight" in found.right


def test_another_result_the_second_time_is_a_finding():
    calls = []

    def change(dx, dw, db, dy, x):
        calls.append(1)
        return dx, dw, db * (1 + (len(calls) % 2 == 0))

    assert with_results(change).findings == (Finding("twice", "dbias"),)


def test_y_that_is_a_copy():
    assert diagnose(
        "relu", {"relu_forward": lambda x: (x + 0, x), "relu_backward": lambda dy, x: dy * (x > 0)}
    ).findings[0] == Finding("copy", "y")


def test_every_kind_has_words_in_both_languages():
    kinds = {expected.kind for _, expected in CASES.values()} | {
        "changes",
        "twice",
        "copy",
        "terms",
        "missing",
        "mode",
        "unmoved",
        "unmoved inside",
        "untwisted",
        "more",
        "stopped",
        "raises",
        "both",
    }
    assert kinds == FINDINGS.keys()
    for table in (FINDINGS, FRAME, TERMS, {"enters": ENTERS}):
        for english, words in table.values():
            assert english.isascii() and any("\u4e00" <= letter <= "\u9fff" for letter in words)
            assert english.count("{") == words.count("{")


def test_terms_are_named():
    found = Finding("terms", "dx", "variance 3, scale -1")
    assert finding(found, "en") == (
        "dx is a sum of terms: the term of the variance enters with the factor 3, not 1; "
        "scale enters with the factor -1, not 1."
    )
    assert finding(found, "zh") == "dx 是几项之和：方差项的系数是 3，应为 1；scale的系数是 -1，应为 1。"
    one = Finding("terms", "dx", "mean 2")
    assert finding(one, "en").endswith(": the term of the mean enters with the factor 2, not 1.")
    assert finding(one, "zh").endswith("：均值项的系数是 2，应为 1。")
