"""What the help says of options, against what the functions take."""

import dataclasses
import inspect
import typing

import pytest
from cli.options import Option, options_of

from minires import cli


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_all_are_found(command):
    """Nothing that a function takes is missing in the list, however it is written there."""
    names = []
    for name, parameter in inspect.signature(cli.COMMANDS[command]).parameters.items():
        kinds = [k for k in typing.get_args(parameter.annotation) if isinstance(k, type)]
        kinds = [k for k in kinds if dataclasses.is_dataclass(k)]
        names += [field.name for kind in kinds for field in dataclasses.fields(kind)] or [name]
    names = {{"as_json": "json"}.get(name, name) for name in names} - {"given"}
    found = {option.names[0].removeprefix("--").replace("-", "_") for option in options_of(command) if option.names}
    places = [option for option in options_of(command) if not option.names]
    assert len(found) + len(places) == len(names), (names - found, found - names)


def test_how_they_are_written():
    found = options_of("train")
    assert Option(("--nesterov", "--no-nesterov"), "") in found
    assert Option(("--optimizer",), "{sgd,adamw}") in found
    assert Option(("--epochs",), "INT") in found
    assert Option((), "[NAME]") in options_of("models")
    assert Option((), "{cpu,mpi,gpu}") in options_of("bench")
