"""Terminals as people have them: narrow, without colours, of an old encoding, closed, or interrupted in a hurry."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from test_cli import SMALL_RUN, call, start

from minires import cli
from minires.cli.terminal import sane_terminal, width
from minires.train import load_checkpoint

ROOT = Path(__file__).parents[2]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("columns", ["1", "-7", "x", "100000000"])
@pytest.mark.parametrize("command", ["", *cli.COMMANDS])
def test_help_at_any_width(command, columns, monkeypatch):
    """With one column, tyro's layout would never end and eat all memory."""
    monkeypatch.setenv("COLUMNS", columns)
    began = time.monotonic()
    code, out, err = call(*command.split(), "--help")
    assert (code, err) == (0, "") and time.monotonic() - began < 5
    boxes = [line for line in out.splitlines() if line.startswith("│")]  # older versions of tyro fold nothing else
    assert "minires" in out and boxes and max(map(len, boxes)) <= 200
    assert os.environ["COLUMNS"] == columns


@pytest.mark.parametrize("columns", ["1", "5"])
def test_a_mistake_at_any_width(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    code, out, err = call("train", "--mdoel", "resnet20")
    assert (code, out) == (2, "") and "mdoel" in err


@pytest.mark.parametrize(("columns", "found"), [("60", 60), ("100", 80), ("1", 40), ("0", 80), ("x", 80), (None, 80)])
def test_width(columns, found, monkeypatch):
    monkeypatch.setattr(os, "get_terminal_size", lambda *args: (_ for _ in ()).throw(OSError()))
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    assert width(80) == found


def test_the_environment_comes_back(monkeypatch):
    for columns, no_color, term in ((None, None, None), ("3", "1", None), ("3", "1", "xterm"), ("80", "", "xterm")):
        for name, value in (("COLUMNS", columns), ("NO_COLOR", no_color), ("TERM", term)):
            monkeypatch.delenv(name, raising=False)
            if value is not None:
                monkeypatch.setenv(name, value)
        before = dict(os.environ)
        with sane_terminal():
            assert (os.environ.get("TERM") == "dumb") is bool(no_color)
        assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("columns", "options"),
    [(60, "--shortcut B"), (79, "--block full_preact"), (80, "--model plain8"), (60, "--model highway8"), (100, "")],
)
def test_a_trace_fits_the_terminal(options, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, err = call("trace", "--model", "resnet8", "--batch-size", "2", *options.split())
    assert code == 0, err
    assert max(map(len, out.splitlines())) <= columns
    assert "stage1.0" in out and "cosine" in out and "first image: ankle boot, " in out


def on_a_terminal(*argv, **environment):
    """What a command prints on a terminal of its own."""
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (24, 80))
    env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    env |= {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color"} | environment
    command = [sys.executable, "-m", "minires", *argv]
    process = subprocess.Popen(command, env=env, stdin=child, stdout=child, stderr=child)
    os.close(child)
    text = b""
    try:
        while data := os.read(parent, 1 << 16):
            text += data
    except OSError:  # Linux's way to say that the other side is closed
        pass
    os.close(parent)
    return process.wait(60), text.decode(errors="replace")


@pytest.mark.parametrize(
    ("argv", "environment", "coloured"),
    [
        (("train", "--help"), {"NO_COLOR": ""}, True),  # as no-color.org has it: set and not empty, it asks for none
        (("train", "--help"), {"NO_COLOR": "1"}, False),
        (("train", "--mdoel", "x"), {"NO_COLOR": "1"}, False),
        pytest.param(("train", "--mdoel", "x"), {}, True, marks=pytest.mark.slow),
        pytest.param(("train", "--help"), {"TERM": "dumb"}, False, marks=pytest.mark.slow),
        pytest.param(SMALL_RUN, {"NO_COLOR": "1"}, False, marks=pytest.mark.slow),
    ],
)
def test_colours(argv, environment, coloured):
    code, text = on_a_terminal(*argv, **environment)
    assert code == (2 if "--mdoel" in argv else 0) and bool(COLOUR.search(text)) is coloured, text


@pytest.mark.parametrize(
    ("encoding", "as_json"), [("cp1252", False), pytest.param("ascii", True, marks=pytest.mark.slow)]
)
def test_names_that_standard_output_lacks(encoding, as_json, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    process = start(*SMALL_RUN, "--run-dir", "Käfer 日本", *(["--json"] if as_json else []), encoding=encoding)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    if as_json:
        assert json.loads(out)["run_dir"] == "Käfer 日本"
    else:
        assert "Käfer \\u65e5" in out


# what a shell does: (redirections, exit code, words on standard error)
SHELLS = [
    ("<&- >&- 2>&-", 0, ""),
    ("2>/dev/full", 0, ""),
    (">/dev/full", 1, "minires: standard output cannot be written: No space left on device"),
    pytest.param(">&-", 0, "epoch 1/1", marks=pytest.mark.slow),
    pytest.param("2>&-", 0, "", marks=pytest.mark.slow),
    pytest.param(">/dev/full 2>/dev/full", 1, "", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("redirections", "code", "words"), SHELLS)
def test_a_training_survives_its_streams(redirections, code, words):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    script = f'"$0" -m minires "$@" {redirections}'
    command = ["sh", "-c", script, sys.executable, *SMALL_RUN, "--run-dir", "run"]
    found = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert found.returncode == code and words in found.stderr
    assert "Traceback" not in found.stderr and "Exception ignored" not in found.stderr
    assert {"checkpoint.safetensors", "config.json", "metrics.jsonl"} <= set(os.listdir("run"))
    assert load_checkpoint("run").position.epoch == 1


@pytest.mark.parametrize("redirection", ["<&-", "< bytes"])
def test_step_reads_what_there_is(redirection):
    Path("bytes").write_bytes(b"n\n\xff\xfe\x00\nq\n")
    command = ["sh", "-c", f'"$0" -m minires step --model resnet8 --batch-size 2 {redirection}', sys.executable]
    found = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")
    assert ("there is no command" in found.stdout) == ("bytes" in redirection)


@pytest.mark.slow
def test_a_backend_that_is_not_there(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("MPLBACKEND", "foo")
    process = start(*SMALL_RUN, "--run-dir", "run")
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 0, err
    assert Path("run/curves.png").read_bytes().startswith(b"\x89PNG")


AT_ONCE = """
import signal, sys
import minires_command
real = signal.signal
signal.signal = lambda *args: (real(*args), print("up", flush=True))[0]
sys.exit(minires_command.main())
"""


@pytest.mark.parametrize("delay", [0, 0.2, *(pytest.param(n / 10, marks=pytest.mark.slow) for n in (1, 3, 4, 6, 8))])
def test_ctrl_c_in_the_first_moment(delay):
    """From the first line of main on; while Python itself starts, nobody can help."""
    argv = ("train", "--limit-train", "2000", "--run-dir", "run")
    command = [sys.executable, "-c", AT_ONCE, *argv]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err and "Exception ignored" not in err
    assert process.returncode == 130, err


def test_the_command_needs_next_to_nothing():
    code = "import sys; import minires_command; print({'numpy', 'tyro', 'minires', 'tqdm'} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True) == "set()\n"


def ignore(number):
    return lambda: signal.signal(number, signal.SIG_IGN)


@pytest.mark.parametrize(
    ("number", "ignored", "code"),
    [
        (signal.SIGHUP, False, 129),
        (signal.SIGHUP, True, 0),
        pytest.param(signal.SIGINT, True, 0, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, False, 143, marks=pytest.mark.slow),
    ],
)
def test_signals(number, ignored, code):
    """Saved and named; what nohup or & ignores does not stop a training."""
    settings = "--model resnet8 --batch-size 16 --epochs 2 --limit-train 192 --limit-test 32 --log-every 1".split()
    process = start("train", *settings, "--run-dir", "run", preexec_fn=ignore(number) if ignored else None)
    metrics = Path("run/metrics.jsonl")
    while not (metrics.exists() and metrics.stat().st_size):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code and "Traceback" not in err, err
    steps = load_checkpoint("run").position.step
    assert steps == 24 if ignored else 0 < steps < 24
    if not ignored:
        assert f"stopped by {number.name} after step {steps} " in err


def test_bench_wants_a_python_that_is_there(monkeypatch):
    monkeypatch.setattr("minires.cli.benchmarks.run_benchmark", lambda *args, **kwargs: pytest.fail("it has begun"))
    for path in ("/nope", ".", __file__):
        code, out, err = call("bench", "cpu", "--python", f"chainer={path}")
        assert (code, out) == (2, "") and err.count("\n") == 1
        assert f"minires: python of chainer is '{path}', expected a program" in err
