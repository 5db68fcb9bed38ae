"""minires lab."""

import importlib

import pytest

from minires import cli
from minires.errors import StateError

module = importlib.import_module("minires.cli.lab")  # minires.cli.lab is the command
ADDRESS = "http://127.0.0.1:1234/token/"


@pytest.fixture
def opened(monkeypatch):
    """What the browser was asked to open, with a server that is ready and then stopped."""
    found = []

    def serve(port, *, language, ready):
        found.append((port, language))
        ready(ADDRESS)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "serve", serve)
    monkeypatch.setattr(module.webbrowser, "open", found.append)
    monkeypatch.setenv("DISPLAY", ":0")
    return found


def test_it_says_where_it_is_and_opens_it(opened, capsys):
    assert cli.main(["lab"]) == 130
    out, err = capsys.readouterr()
    assert opened == [(None, "en"), ADDRESS] and ADDRESS in out and "Ctrl-C" in out and err == "minires: stopped\n"


def test_options(opened, capsys):
    assert cli.main(["lab", "--port", "80", "--no-browser", "--lang", "zh"]) == 130
    assert opened == [(80, "zh")] and ADDRESS in capsys.readouterr().out


def test_the_language_of_the_environment(opened, capsys, monkeypatch):
    monkeypatch.setenv("MINIRES_LANG", "zh")
    assert cli.main(["lab"]) == 130
    assert opened == [(None, "zh"), ADDRESS] and f"实验室的地址是 {ADDRESS}" in capsys.readouterr().out


def test_without_a_screen_no_browser_takes_the_terminal(opened, monkeypatch):
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(module.sys, "platform", "linux")
    cli.main(["lab"])
    assert opened == [(None, "en")]
    monkeypatch.setattr(module.sys, "platform", "darwin")
    cli.main(["lab"])
    assert opened[1:] == [(None, "en"), ADDRESS]


@pytest.mark.parametrize("argv", [["--port", "x"], ["--lang", "fr"], ["--port", "99999"], ["more"]])
def test_wrong_usage(argv, capsys):
    assert cli.main(["lab", *argv]) == 2
    assert capsys.readouterr().err


def test_a_port_that_is_in_use(monkeypatch, capsys):
    def serve(port, **_):
        raise StateError("port 80 is in use: take another one")

    monkeypatch.setattr(module, "serve", serve)
    assert cli.main(["lab"]) == 1
    assert capsys.readouterr().err == "minires: port 80 is in use: take another one\n"
