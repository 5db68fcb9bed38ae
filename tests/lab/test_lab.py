"""Requests and answers of the laboratory, without any server."""

import json
import subprocess
import sys

import numpy as np
import pytest

from minires import models
from minires.lab import Lab
from minires.lab.choices import CHOICES, NORMS, Choice
from minires.lab.learner import Learner
from minires.lab.pictures import Pictures
from minires.losses import SoftmaxCrossEntropy
from minires.trace import audit, trace
from minires.train import SGD, train_step

SMALL = [{"block": "original", "depth": 8}, {"block": "full_preact", "depth": 8}]


def made(**request):
    lab = Lab()
    answer = lab.respond({"do": "make", "nets": SMALL, **request})
    assert "error" not in answer, answer
    return lab, answer


def test_what_it_answers_depends_on_what_it_was_asked_alone():
    asked = [{"do": "make", "nets": SMALL, "seed": 3}, {"do": "step", "steps": 2}, {"do": "step", "steps": 1}]
    first, second = Lab(), Lab()
    for request in asked:
        assert first.respond(request) == second.respond(request)
    others = [lab.respond({"do": "make", "nets": SMALL, "seed": seed}) for lab, seed in ((first, 3), (second, 4))]
    assert others[0]["nets"] != others[1]["nets"]


def test_steps_in_one_request_are_steps_in_several():
    (one, _), (several, _) = made(), made()
    together = one.respond({"do": "step", "steps": 4})
    parts = [several.respond({"do": "step", "steps": steps}) for steps in (1, 3)]
    assert together["losses"] == parts[0]["losses"] + parts[1]["losses"]
    assert together["nets"] == parts[1]["nets"] and together["step"] == parts[1]["step"] == 4


def test_it_learns():
    lab, before = made(nets=[{"depth": 8}, {"block": "plain", "depth": 8}])
    losses = np.array(lab.respond({"do": "step", "steps": 60})["losses"])
    after = lab.respond({"do": "step"})
    assert (losses[-10:].mean(0) < 0.6 * losses[:5].mean(0)).all()
    for old, new in zip(before["nets"], after["nets"]):
        assert new["loss"] < 0.6 * old["loss"] and new["right"] > 0.6 and old["right"] is None


def test_the_numbers_are_those_of_the_trace():
    _, answer = made(seed=5)
    x, labels = Pictures("digits", 5).probe
    for choice, net in zip(SMALL, answer["nets"]):
        ledger = trace(models.build("digits_resnet8", rng=5, block=choice["block"]), x, labels)
        found = audit(ledger)
        assert net["loss"] == ledger.loss
        assert net["audit"]["good"] == sum(v.holds for v in found.verdicts)
        assert net["audit"]["alone"] == found.verdict(0, len(ledger.blocks)).ratio
        for block, record in zip(net["blocks"], ledger.blocks):
            assert block["before"] == pytest.approx(np.linalg.norm(record.outgoing.ravel().astype(float)))
            assert sum(term["share"] for term in block["terms"].values()) == pytest.approx(1, abs=1e-5)
            for name, term in record.terms.items():
                assert block["terms"][name]["norm"] == pytest.approx(np.linalg.norm(term.ravel().astype(float)))
        convs = [one.params["weight"] for one in ledger.depth if one.kind == "Conv2d"]
        assert net["first_to_last"] == convs[0] / convs[-1]
        assert len(net["depth"]) == len(convs) + 1


def test_it_trains_as_a_loop_of_its_own_would():
    lab, _ = made()
    losses = lab.respond({"do": "step", "steps": 3})["losses"]
    for side, choice in enumerate(SMALL):
        model, pictures = models.build("digits_resnet8", rng=0, block=choice["block"]), Pictures("digits", 0)
        optimizer = SGD(model.params(), 0.1, weight_decay=1e-4)
        for step in range(3):
            loss, _ = train_step(model, SoftmaxCrossEntropy(), optimizer, *pictures.batch(), 0.1 * (step + 1) / 10)
            assert losses[step][side] == pytest.approx(float(loss), rel=1e-3)


def test_original_and_full_preact_get_other_verdicts():
    _, answer = made(nets=[{"block": "original", "depth": 20}, {"block": "full_preact", "depth": 20}])
    original, preact = (net["audit"] for net in answer["nets"])
    assert (original["good"], preact["good"], original["pairs"]) == (0, 12, 45)
    assert {"kind": "ReLU", "place": "post", "blocks": list(range(9))} in original["breaks"]
    assert [(b["kind"], b["blocks"]) for b in preact["breaks"]] == [("Subsample", [3, 6]), ("PadChannels", [3, 6])]


def test_plain_against_residual_shows_the_ratio_of_gradients():
    _, answer = made(nets=[{"block": "plain", "depth": 56}, {"block": "original", "depth": 56}])
    plain, residual = answer["nets"]
    assert plain["first_to_last"] > 300 and residual["first_to_last"] < 30
    assert answer["compared"] == plain["first_to_last"] / residual["first_to_last"]
    assert all(set(block["terms"]) == {"branch"} for block in plain["blocks"])


def valid():
    for block in CHOICES["block"]:
        for shortcut in CHOICES["shortcut"]:
            for norm in CHOICES["norm"]:
                if block != "plain" or (shortcut, norm) == ("A", "batch"):
                    yield {"block": block, "shortcut": shortcut, "depth": 8, "norm": norm}


@pytest.mark.slow
def test_every_choice_gives_a_network_that_learns_or_a_sentence():
    refused, choices = 0, list(valid())
    for choice in choices:
        lab = Lab()
        answer = lab.respond({"do": "make", "nets": [choice, choice]})
        if "error" in answer:
            assert "gate" in choice["shortcut"] and NORMS[choice["norm"]].get("init"), answer
            refused += 1
            continue
        after = lab.respond({"do": "step", "steps": 3})
        json.dumps(after, allow_nan=False)
        assert after["nets"][0] == after["nets"][1] and after["step"] == 3
        code = answer["nets"][0]["command"]
        assert [p.data.shape for _, p in eval(code, {"minires": sys.modules["minires"]}).params()] == [
            p.data.shape for _, p in Choice.of(choice).build(0).params()
        ]
    assert 0 < refused < len(choices) / 4


@pytest.mark.parametrize("data", ["digits", "clothes"])
def test_pictures(data):
    lab, answer = made(data=data)
    side = {"digits": 8, "clothes": 14}[data]
    assert answer["pictures"]["shape"] == [side, side] and len(set(answer["pictures"]["names"])) == 10
    assert len(lab.respond({"do": "step"})["losses"]) == 1
    x, labels = Pictures(data, 0).probe
    assert x.shape == (32, 1, side, side) and set(labels.tolist()) == set(range(10))


def test_a_network_that_diverges_says_so_and_keeps_its_last_numbers():
    bad, good = {"block": "original", "norm": "none", "depth": 56}, {"depth": 8}
    lab, _ = made(nets=[bad, good])
    answers = [lab.respond({"do": "step", "steps": 1}) for _ in range(6)]
    lost = answers[-1]["nets"][0]["lost"]
    assert lost is not None and 1 < lost < 6 and answers[-1]["nets"][1]["lost"] is None
    gone = [row["losses"][0][0] is None for row in answers]  # the step after which it is lost may have had a loss yet
    assert gone == sorted(gone) and gone[lost:] == [True] * (6 - lost) and not any(gone[: lost - 1])
    assert answers[lost - 1]["nets"][0]["blocks"] == answers[lost - 2]["nets"][0]["blocks"]
    assert all(row["losses"][0][1] is not None for row in answers)
    json.dumps(answers, allow_nan=False)
    assert answers[-1]["nets"][0]["blocks"], "what was seen last is still there"
    assert lab.respond({"do": "make", "nets": [bad, good]})["nets"][0]["lost"] is None


NETS = [{"block": "plain"}, {"block": "plain"}]
WRONG = [
    (None, "the request is None"),
    ([], "the request is"),
    ({}, "the request is"),
    ({"do": "eval"}, "the request is"),
    ({"do": ["make"]}, "the request is"),
    ({"do": "make", "nets": NETS[:1]}, "expected a list of two"),
    ({"do": "make", "nets": "ab"}, "expected a list of two"),
    ({"do": "make", "nets": [1, 2]}, "a network is 1, expected an object"),
    ({"do": "make", "nets": [{"bloc": "plain"}, {}]}, "a network has 'bloc', expected only block, shortcut"),
    ({"do": "make", "nets": [{"block": "x" * 1000}, {}]}, "block is 'xxx"),
    ({"do": "make", "nets": [{"depth": 57}, {}]}, "depth is 57, expected one of 8, 20"),
    ({"do": "make", "nets": [{"depth": "8"}, {}]}, "depth is '8'"),
    ({"do": "make", "nets": [{"depth": 8.0}, {}]}, "depth is 8.0"),
    ({"do": "make", "nets": [{"norm": ["batch"]}, {}]}, "norm is"),
    ({"do": "make", "nets": [{"block": "plain", "shortcut": "B"}, {}]}, "a plain network has no shortcut"),
    ({"do": "make", "nets": [{"shortcut": "exclusive-gate", "norm": "fixup"}, {}]}, "gates do not add the branch"),
    ({"do": "make", "lr": 0}, "lr is 0, expected a number above 0"),
    ({"do": "make", "lr": float("nan")}, "lr is nan"),
    ({"do": "make", "lr": True}, "lr is True"),
    ({"do": "make", "lr": 11}, "lr is 11"),
    ({"do": "make", "seed": -1}, "seed is -1, expected an integer from 0"),
    ({"do": "make", "seed": 1.5}, "seed is 1.5"),
    ({"do": "make", "data": "../digits"}, "data is '../digits', expected one of digits, clothes"),
    ({"do": "make", "more": 1}, "the request has 'more'"),
    ({"do": "step", "steps": 0}, "steps is 0, expected an integer from 1 to 100"),
    ({"do": "step", "steps": 10**9}, "steps is 1000000000"),
    ({"do": "step", "steps": True}, "steps is True"),
]


def test_what_cannot_be_is_a_sentence_and_changes_nothing():
    (lab, _), (other, _) = made(), made()
    for request, words in WRONG:
        answer = lab.respond(request)
        assert answer.keys() == {"error"} and words in answer["error"] and len(answer["error"]) < 400, request
    assert lab.respond({"do": "step"}) == other.respond({"do": "step"})


def test_a_step_needs_networks():
    assert "ask {'do': 'make'} first" in Lab().respond({"do": "step"})["error"]


def test_fixup_trains_its_numbers_at_a_tenth():
    assert Learner(Choice(norm="fixup", depth=8), 0.1, 0)._optimizer.scalar_rate == 0.1
    assert Learner(Choice(depth=8), 0.1, 0)._optimizer.scalar_rate == 1


WITHOUT = """
import sys
for name in ("socketserver", "http.server", "fcntl", "tyro", "tqdm"):
    sys.modules[name] = None
import socket, threading
socket.socket.__init__ = threading.Thread.start = None
from minires.lab import Lab
lab = Lab()
lab.respond({"do": "make", "nets": [{"depth": 8}, {"depth": 8, "block": "plain"}]})
print(lab.respond({"do": "step"})["step"])
"""


def test_it_answers_without_sockets_and_threads():
    """As in the browser, where Python has neither."""
    found = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "1\n"), found.stderr
