"""minires experiment: what is listed, said, written and shown."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from cli.test_terminal import on_a_terminal
from experiments import fast

from minires import cli
from minires.experiments import ERRORS, EXPERIMENTS, Check, Verdict
from minires.experiments.cards import TRACES
from minires.experiments.errors import Error

TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_report_stands_beside_the_numbers(monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(Error, "output", "printed")  # the errors take a while
    assert cli.main("experiment run ode_order --seeds 0 --out found".split()) == 0
    capsys.readouterr()
    assert cli.main("experiment report --out found --json".split()) == 0
    (path,) = json.loads(capsys.readouterr().out).values()
    text = Path(path).read_text(encoding="utf-8")
    assert path == "found/report.html" and 'id="ode_order"' in text and 'id="error-24"' in text


def test_errors_are_shown_with_what_they_print(capsys):
    assert cli.main("experiment errors 9 19".split()) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for number in (9, 19):
        error = ERRORS[number - 1]
        assert f"{number}. {error.article}" in shown and error.says in shown and error.right in shown
    assert " ".join(ERRORS[18].output.split()) in shown and f"cannot be run: {ERRORS[8].because}" in shown


def test_errors_as_json(capsys):
    assert cli.main("experiment errors 9 19 --json".split()) == 0
    told, ran = json.loads(capsys.readouterr().out)["errors"]
    assert told.keys() == {"number", "article", "says", "right", "because"}
    assert ran["code"] == ERRORS[18].code and ran["output"] == ERRORS[18].output


@pytest.mark.parametrize("command", TRACES.values())
def test_the_commands_for_a_trace_are_understood(command, monkeypatch):
    class Understood(Exception):
        pass

    def load(*args, **kwargs):
        raise Understood

    monkeypatch.setattr("minires.cli.gradients.Subject.load", load)
    with pytest.raises(Understood):
        cli.main(command.split()[1:])


@pytest.fixture
def known(monkeypatch):
    """Experiments of no time, in this process and in those that measure."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    for name, one in fast.ALL.items():
        monkeypatch.setitem(EXPERIMENTS, name, one)


def test_the_list_has_every_claim(capsys):
    assert cli.main(["experiment", "list"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert cli.main(["experiment", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["experiments"]
    assert list(found) == list(EXPERIMENTS)
    for name, facts in found.items():
        assert facts["sentence"] == EXPERIMENTS[name].claim.sentence and facts["sentence"] in text
        assert f"{name} {facts['expected']}" in text


def test_a_run_says_what_it_found(known, capsys):
    assert cli.main("experiment run ode_order --seeds 0 --out x".split()) == 0
    out, err = capsys.readouterr()
    assert (
        out.startswith("ode_order                HOLDS\n    order of euler: 0.998")
        and "criterion from 0.85 to 1.15" in out
    )
    assert re.fullmatch(r"1/1 ode_order at seed 0: \d+\.\d s\n", err)
    assert cli.main("experiment run ode_order --seeds 0 --out x --json".split()) == 0
    out, err = capsys.readouterr()
    facts = json.loads(out)["experiments"]["ode_order"]
    assert err == "" and facts["verdict"] == facts["expected"] == "HOLDS" and facts["errors"] == {}
    assert facts["checks"][0]["what"] == "order of euler" and facts["checks"][0]["holds"] is True


def test_another_verdict_is_a_failure(known, monkeypatch, capsys):
    missed = replace(fast.STEADY, verdict=lambda numbers: Verdict((Check("one", (1.0,), at_least=2.0),)))
    monkeypatch.setitem(EXPERIMENTS, "steady", missed)
    assert cli.main("experiment run steady --seeds 0 --out x".split()) == 1
    out = capsys.readouterr().out
    assert out.startswith("steady                   FAILS, expected HOLDS\n    one: 1, criterion at least 2: MISSED\n")


def test_a_failure_is_named_and_the_rest_is_judged(known, capsys):
    assert cli.main("experiment run failing steady --seeds 0,1 --out x".split()) == 1
    out, err = capsys.readouterr()
    assert "minires: failing failed at seed 1: ZeroDivisionError: there is nothing to divide by (fast.py" in err
    assert out.startswith("steady                   HOLDS\n")
    assert cli.main("experiment run failing steady --seeds 0,1 --out x --json".split()) == 1
    found = json.loads(capsys.readouterr().out)["experiments"]
    assert found["failing"]["verdict"] is None and "ZeroDivisionError" in found["failing"]["errors"]["1"]
    assert cli.main("experiment run failing --seeds 0 --out x".split()) == 0


def test_a_terminal_has_a_bar():
    code, text = on_a_terminal("experiment", "run", "ode_order", "--seeds", "0,1", NO_COLOR="1")
    assert code == 0 and "2/2" in text.replace("\r", "\n") and "ode_order at seed" in text and "HOLDS" in text
