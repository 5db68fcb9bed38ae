"""minires experiment report and errors: what is written, and what is shown."""

import json
from pathlib import Path

import pytest

from minires import cli
from minires.experiments import ERRORS
from minires.experiments.cards import TRACES
from minires.experiments.errors import Error


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
