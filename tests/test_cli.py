"""The command line: help and examples, exit codes, messages, JSON, and what a training leaves behind."""

import configparser
import contextlib
import dataclasses
import inspect
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import smoke
from data.test_cifar import SMALL, make_files, put

import minires
from minires import cli
from minires.data import DATASETS
from minires.data.cifar import CIFAR
from minires.layers import Dropout, ReLU
from minires.models import FAMILIES
from minires.mutants import MUTANTS, matrix
from minires.train import Interrupted, TrainConfig, load_checkpoint, load_model, read_metrics

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = list(cli.COMMANDS)
SMALL_RUN = "train --model resnet8 --batch-size 16 --epochs 1 --limit-train 64 --limit-test 32 --log-every 2".split()
CIFAR_RUN = "train --model resnet8 --batch-size 10 --epochs 1 --data cifar10 --json".split()


def call(*argv):
    """Run the command line in this process; return (exit code, standard output, standard error)."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(argv)
    return code, out.getvalue(), err.getvalue()


def call_json(*argv):
    """The object that ``--json`` prints; nothing may stand beside it."""
    code, out, err = call(*argv, "--json")
    assert code == 0, err
    assert out.count("\n") == 1 and out.endswith("\n")
    return json.loads(out)


def start(*argv, **options):
    """The command line in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}  # buffered, as users have it
    command = [sys.executable, "-m", "minires", *argv]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, text=True, **(pipes | options))


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr("minires.train.training.draw_curves", lambda run_dir, title: None)


class Trained:
    """A small training by the command line, once for all tests that only read it."""

    def __init__(self, folder):
        self.run_dir = str(folder / "a run")
        self.code, self.out, self.err = call(*SMALL_RUN, "--seed", "3", "--run-dir", self.run_dir)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return Trained(tmp_path_factory.mktemp("cli"))


# help and examples


class Parsed(Exception):
    """The arguments were understood: the work would begin."""


@pytest.fixture
def no_work(monkeypatch):
    """Every worker of the commands raises :class:`Parsed` with its arguments."""

    def worker(*args, **kwargs):
        raise Parsed(args, kwargs)

    workers = "training.fit training.resume training.load_model gradients.load_model checks.run_matrix "
    workers += "benchmarks.run_benchmark experiments.experiments.run experiments.experiments.report "
    workers += (
        "assignments.classroom.build assignments.classroom.check assignments.classroom.graded assignments.handed_in "
        "assignments.strongest"
    )
    for name in workers.split():
        monkeypatch.setattr(f"minires.cli.{name}", worker)
    monkeypatch.setattr(sys.modules["minires.cli.lab"], "serve", worker)  # minires.cli.lab is the command
    monkeypatch.setattr("minires.cli.training.require_device", lambda device: None)
    monkeypatch.setattr("minires.models.build", worker)
    for name in ("download", "load"):
        monkeypatch.setattr(f"minires.data.{name}", worker)


def assert_parses(line):
    program, *argv = shlex.split(line, comments=True)
    assert program == "minires"
    try:
        code, _, err = call(*argv)
        assert code == 0, f"{line}: {err}"
    except Parsed:
        pass


def examples_in(text):
    """What ends a paragraph of the help; older versions of tyro break its lines where they like."""
    words = " ".join(text.replace("│", " ").split())
    return re.findall(r"For example: (minires .*?) ?[•╭╰]", words)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example_that_parses(command, no_work):
    code, out, err = call(command, "--help")
    (example,) = examples_in(out)
    assert (code, err) == (0, "")
    assert example.startswith(f"minires {command}")
    assert_parses(example)


def test_help_of_training_does_not_hide_the_families(no_work):
    _, out, _ = call("train", "--help")
    text = " ".join(out.replace("\u2502", " ").split())
    assert "resnet20, preact_resnet20, wrn_16_4, densenetbc_40_12; minires models lists all families" in text


def test_help_of_the_whole_shows_every_command_with_its_example(no_work):
    code, out, err = call("--help")
    examples = examples_in(out)
    assert (code, err) == (0, "")
    assert [example.split()[1] for example in examples] == COMMANDS
    for example in examples:
        assert_parses(example)


def commands_of_readme():
    text = (ROOT / "README.md").read_text()
    found = re.findall(r"(?:^ {4}|`)(minires [^`\n]*)", text, re.M)
    return sorted({line.replace("RUN", "runs/x").replace("DIR", "data") for line in found})


@pytest.mark.parametrize("line", commands_of_readme())
def test_commands_of_the_readme_parse(line, no_work):
    assert_parses(line)


@pytest.mark.parametrize("line", [line for line in smoke.LINES.split("\n")[1:-1] if not line.startswith("--")])
def test_commands_of_the_smoke_run_parse(line, no_work):
    """They are run where minires is installed; here they are held against the options of today."""
    assert_parses(f"minires {line}")


def test_the_readme_shows_every_command():
    assert {line.split()[1] for line in commands_of_readme()} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command):
    function = cli.COMMANDS[command]
    for name in inspect.signature(function).parameters:
        assert name in ("config", "subject", "as_json") or f"\n        {name}: " in function.__doc__, name
    _, out, _ = call(command, "--help")
    for name in [field.name for field in dataclasses.fields(TrainConfig)] if command == "train" else []:
        assert f"--{name.replace('_', '-')}" in out
    assert "--given" not in out and call(command, "--given", "epochs")[0] == 2


# exit codes and messages

USAGE = {
    "train --mdoel resnet20": "Unrecognized options: --mdoel",
    "trian": "trian",
    "": "train, eval, check, models, data, trace, step, lab, bench, experiment, assign, tutorials",
    "train --model resnet19 --run-dir r": "resnet19: the depth is 19, expected 6n + 2",
    "train --model resnet8 --shortcut D --run-dir r": "shortcut is 'D', expected one of A, A-both, B, C",
    "train --model plain8 --shortcut A --run-dir r": "plain8 has no option 'shortcut'",
    "train --data cifar11 --run-dir r": "name is 'cifar11', expected one of cifar10, ",
    "train --epochs 0": "epochs is 0, expected an integer of at least 1",
    "train --epochs many": "--epochs",
    "train --lr nan": "lr is nan, expected a finite number above 0",
    "train --optimizer adam": "sgd",
    "train --limit-train 0": "limit_train is 0",
    "eval": "RUN",
    "eval x --batch-size many": "--batch-size",
    "check linear linear.py": "minires assign check linear linear.py",
    "check linear linear.py --lang zh": "minires assign check linear linear.py --lang zh",
    "grade linear in --out graded": "minires assign grade linear in --out graded",
    "build linear": "minires assign build linear",
    "check --seeds 0": "seeds is 0, expected an integer of at least 1",
    "check --seeds -3": "seeds is -3, expected an integer of at least 1",
    "models preact_resnet50": "no model is called 'preact_resnet50'",
    "models resnet50 --option stride_on=7x7": "resnet50: stride_on is '7x7', expected one of 1x1, 3x3",
    "models resnet50 --option stride_on": "option is 'stride_on', expected KEY=VALUE",
    "models resnet18 --option stride_on=1x1": "basic blocks have no 1x1 convolution",
    "models wrn_10_1 --option dropout=1": "dropout is 1, expected 0 <= dropout < 1",
    "models resnet6000002": "resnet6000002: the depth is 6000002, expected at most 2,000",
    "models resnet20 --option rng=1": "option rng is no option of a family",
    "models resnet20 --option name=vgg11": "option name is no option of a family",
    "models resnet20 --option image=8 --image 9": "option image is no option of a family",
    "models resnet20 --image 12345678901234567890123": "expected (C, H, W), each at most 2048",
    "models resnet20 --num-classes 12345678901234567890123": "expected at most 1,000,000",
    "models resnet20 --in-channels 12345678901234567890123": "expected at most 2,048",
    "models resnet12345678901234567890123": "the depth is 12345678901234567890123, expected at most 2,000",
    "models vgg16 --option hidden=12345678901234567890123": "hidden is 12345678901234567890123, expected at most",
    "models resnet20 --image 0": "image is (3, 0, 0), expected (C, H, W), three integers of at least 1",
    "models resnet20 --num-classes 0": "num_classes is 0",
    "models resnet20 --in-channels -1": "in_channels is -1",
    "models resnet20 resnet32": "resnet32",
    "models wrn_10_1 --option dropout=.1 --option dropout=.2": "option dropout is given twice, 0.1 and '.2'",
    "train --model wrn_10_1 --option droput=0.3 --run-dir r": "wrn_10_1 has no option 'droput'",
    "train --model wrn_10_1 --option dropout --run-dir r": "option is 'dropout', expected KEY=VALUE",
    "trace --model wrn_10_1 --option rng=1": "option rng is no option of a family",
    "step --model wrn_10_1 --option num_classes=1": "option num_classes is no option of a family",
    "train --class-weights 1 2 --run-dir r": "class_weights has 2 numbers, fashion_mnist_12k has 10 classes",
    "train --mixup 0.2 --cutmix 1 --run-dir r": "mixup is 0.2 and cutmix 1.0, expected one of them",
    "train --clip-norm 0": "clip_norm is 0.0, expected a finite number above 0",
    "train --accumulate 0": "accumulate is 0, expected an integer of at least 1",
    "data cifar11": "name is 'cifar11', expected one of cifar10, ",
    "data --download": "--download needs the name of a data set: minires data cifar10 --download",
    "experiment": "{list,run,report,errors}",
    "experiment report x": "report got x, expected no names",
    "experiment errors 1 25": "no error has the number '25', expected some of 1 to 24",
    "experiment run": "run needs names of experiments, or all: minires experiment run all",
    "experiment run ode": "no experiment is called 'ode', expected some of ",
    "experiment run all --seeds 0,x": "seeds is '0,x', expected integers with commas between: --seeds 0,1,2",
    "experiment run all --seeds -1": "seeds is -1, expected integers of at least 0",
    "experiment run all --jobs 0": "jobs is 0, expected at least 1",
    "assign build": "build takes NAME, got none: minires assign build NAME",
    "assign grade linear": "grade takes NAME FOLDER, got linear: minires assign grade NAME FOLDER",
    "assign build batch": "there is no assignment 'batch': choose one of linear, gradcheck, losses, ",
    "assign grade linear nowhere --trust-submissions": "nowhere is no folder, expected one with a file or folder for",
    "assign grade linear . --jobs 0": "jobs is 0, expected at least 1",
    "assign report .": ". has no results, expected some: minires assign grade NAME FOLDER --out .",
    "models resnet8 --device cuda --card t4": "T4 is of sm_75, and the engine's kernels need sm_80: it runs the layers",
    "models resnet8 --device cuda --card h1": "card is 'h1', expected one of b200, h200, h100, ",
    "models resnet8 --device cuda --batch 0": "batch is 0, expected 1 to 1,000,000 images",
    "models resnet8 --device cuda --batch 9223372036854775808": "batch is 9223372036854775808, expected 1 to 1,000,000",
    "models vgg11 --device cuda --image 2049": "image is (3, 2049, 2049), expected (C, H, W), each at most 2048",
    "models vgg11 --device cuda --in-channels 2048": "pixels of 2048 channels are more than the kernels can count",
    "models resnet8 --card l4": "--card is given, but device is cpu: add --device cuda",
    "models --device cuda": "--device cuda needs the name of a network: minires models resnet50 --device cuda",
    "data folder --download": "name is 'folder', expected one of cifar10, ",
}

FAILED = {
    "experiment report --out .": ". has no numbers of experiments, expected some: minires experiment run all",
    "assign check linear nowhere": "nowhere: No such file or directory: name the file of your functions",
    "eval nowhere": "nowhere cannot be read",
    "eval .": "checkpoint.safetensors cannot be read",
    "train --resume nowhere": "nowhere is not a folder, expected the folder of a run",
    "train --resume .": "checkpoint.safetensors cannot be read",
    "train --data cifar10 --run-dir r": "cifar10: the files of the train split are missing; looked for ",
    "data mnist": "mnist: the files of the train split are missing; looked for ",
    "data folder --data-dir nowhere": "no such folder",
    "train --device cuda --run-dir r": 'device "cuda" cannot be used: CuPy is not installed',
    "eval nowhere --device cuda": 'device "cuda" cannot be used: CuPy is not installed',
}


@pytest.mark.parametrize(("code", "line"), [(2, line) for line in USAGE] + [(1, line) for line in FAILED])
def test_exit_codes(code, line, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # as if it were not installed
    found, out, err = call(*line.split())
    assert (found, out) == (code, ""), err
    message = USAGE.get(line) or FAILED[line]
    assert message in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err


def test_a_damaged_checkpoint_fails(trained, tmp_path):
    path = tmp_path / "copy.safetensors"
    data = bytearray(Path(trained.run_dir, "checkpoint.safetensors").read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    code, out, err = call("eval", str(path))
    assert (code, out) == (1, "")
    assert f"{path} is damaged" in err


def test_a_folder_that_holds_a_run_is_not_overwritten(trained):
    before = {path: path.read_bytes() for path in Path(trained.run_dir).iterdir()}
    code, _, err = call(*SMALL_RUN, "--run-dir", trained.run_dir)
    assert code == 1 and "choose another run_dir, or go on with minires train --resume" in err
    assert {path: path.read_bytes() for path in Path(trained.run_dir).iterdir()} == before


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "stopped"),
        (MemoryError("Unable to allocate 112 GiB"), 1, "Unable to allocate 112 GiB: take a smaller batch"),
        (MemoryError(), 1, "the memory is full: take a smaller batch"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
    ],
)
def test_what_the_machine_refuses_is_a_message(error, code, message, monkeypatch):
    def fit(config):
        raise error

    monkeypatch.setattr("minires.cli.training.fit", fit)
    found, out, err = call("train")
    assert (found, out) == (code, "") and message in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_gives_128_and_the_signal(number, monkeypatch):
    def fit(config):
        error = Interrupted("stopped")
        error.signal = number
        raise error

    monkeypatch.setattr("minires.cli.training.fit", fit)
    assert call("train")[0] == 128 + number


def test_a_mistake_in_minires_itself_is_not_hidden(monkeypatch):
    monkeypatch.setattr("minires.cli.training.fit", lambda config: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call("train")


# train and eval


def test_train_leaves_everything(trained):
    pytest.importorskip("matplotlib")
    assert trained.code == 0, trained.err
    run_dir = Path(trained.run_dir)
    assert {path.name for path in run_dir.iterdir()} == {
        "config.json",
        "metrics.jsonl",
        "curves.png",
        "checkpoint.safetensors",
    }
    picture = (run_dir / "curves.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n") and len(picture) > 5000
    config = TrainConfig.from_json((run_dir / "config.json").read_text())
    assert (config.model, config.epochs, config.limit_train, config.seed) == ("resnet8", 1, 64, 3)
    steps = [row["step"] for row in read_metrics(run_dir) if row["kind"] == "step"]
    assert steps == [2, 4]
    assert [row["epoch"] for row in read_metrics(run_dir) if row["kind"] == "epoch"] == [1]


def test_train_reports_results_on_stdout_and_progress_on_stderr(trained, no_work):
    accuracy = read_metrics(trained.run_dir)[-1]["test_accuracy"]
    assert trained.out.startswith(f"test accuracy {accuracy:.2%} after 1 epochs")
    assert "epoch 1/1" in trained.err and "epoch 1/1" not in trained.out
    suggestions = re.findall(r"(minires .*?)(?:  +.*)?$", trained.out, re.M)
    assert f"minires eval '{trained.run_dir}'" in suggestions and len(suggestions) == 4
    for line in suggestions:
        assert_parses(line)


def test_train_lists_the_results_that_are_there(trained, tmp_path, monkeypatch):
    (line,) = re.findall(r"^results in .*: (.*)$", trained.out, re.M)
    assert line == "curves.png, metrics.jsonl, config.json, checkpoint.safetensors"
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    code, out, err = call(*SMALL_RUN, "--run-dir", str(tmp_path / "x"))
    assert code == 0 and "curves.png is not drawn" in err
    assert f"results in    {tmp_path / 'x'}: metrics.jsonl, config.json, checkpoint.safetensors\n" in out


def test_the_version():
    process = start("--version")
    assert (*process.communicate(), process.returncode) == (f"minires {minires.__version__}\n", "", 0)


def test_eval_gives_the_accuracy_that_train_printed(trained):
    (accuracy,) = re.findall(r"test accuracy (\S+%)", trained.out)
    for place in (trained.run_dir, str(Path(trained.run_dir, "checkpoint.safetensors"))):
        code, out, err = call("eval", place)
        assert (code, err) == (0, "")
        assert re.fullmatch(rf"accuracy {accuracy}: \d+ of 32 test images of fashion_mnist_12k are right\n", out)


def test_json_of_eval(trained):
    found = call_json("eval", trained.run_dir)
    assert found.keys() == {"accuracy", "correct", "total"}
    assert found["total"] == 32 and found["accuracy"] == found["correct"] / 32
    assert found["accuracy"] == read_metrics(trained.run_dir)[-1]["test_accuracy"]
    assert call_json("eval", trained.run_dir, "--batch-size", "5") == found
    assert call_json("eval", trained.run_dir, "--limit-test", "100")["total"] == 100


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("--batch-size 0", 2, "batch_size is 0, expected an integer of 1 or more"),
        ("--limit-test 0", 2, "limit_test is 0, expected an integer of at least 1"),
        ("--data mnist", 1, "mnist: the files of the test split are missing"),
    ],
)
def test_options_of_eval(trained, options, code, message):
    found, out, err = call("eval", trained.run_dir, *options.split())
    assert (found, out) == (code, "") and message in err


def test_json_of_train(no_pictures):
    found = call_json(*SMALL_RUN)
    assert found.keys() == {"test_accuracy", "train_loss", "epochs", "seconds", "run_dir"}
    assert found["run_dir"] == "runs/resnet8-fashion_mnist_12k-seed0" and found["epochs"] == 1
    assert found["test_accuracy"] == read_metrics(found["run_dir"])[-1]["test_accuracy"]
    assert 0 <= found["test_accuracy"] <= 1 and 0 < found["train_loss"] < 20 and found["seconds"] > 0


# resume


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ("", {}),
        ("--json", {}),
        (f"--epochs {TrainConfig().epochs}", {"epochs": TrainConfig().epochs}),
        ("--epochs=9", {"epochs": 9}),
        ("--device cpu", {"device": "cpu"}),
        (f"--data-dir {TrainConfig().data_dir} --prefetch 0", {"data_dir": TrainConfig().data_dir, "prefetch": 0}),
        ("--checkpoint_every 7", {"checkpoint_every": 7}),
        ("--no-nesterov", {"nesterov": False}),
    ],
)
def test_resume_changes_what_was_given_and_no_more(options, changes, no_work):
    """A value equal to the default of a new run may well differ from that of the run to resume."""
    with pytest.raises(Parsed) as parsed:
        call("train", "--resume", "somewhere", *options.split())
    assert parsed.value.args == (("somewhere",), changes)


@pytest.mark.parametrize("option", ["--epochs 9", f"--epochs {TrainConfig().epochs}", "--lr 0.2"])
def test_resume_refuses_other_settings(trained, option):
    before = Path(trained.run_dir, "checkpoint.safetensors").read_bytes()
    code, out, err = call("train", "--resume", trained.run_dir, *option.split())
    name = option.split()[0].removeprefix("--").replace("-", "_")
    assert (code, out) == (2, "")
    assert f"{name} cannot change when a run resumes, only device, data_dir, prefetch, checkpoint_every" in err
    assert Path(trained.run_dir, "checkpoint.safetensors").read_bytes() == before


def test_resume_refuses_another_folder(trained):
    code, out, err = call("train", "--resume", trained.run_dir, "--run-dir", "x")
    assert (code, out) == (2, "")
    assert f"run_dir is x, but the run to resume is in {trained.run_dir}: leave --run-dir out" in err


def test_resume_of_a_finished_run_repeats_its_result(trained, tmp_path, no_pictures):
    run_dir = shutil.copytree(trained.run_dir, tmp_path / "copy")
    code, out, _ = call("train", "--resume", str(run_dir), "--device", "cpu", "--prefetch", "0")
    assert code == 0 and out.splitlines()[0] == trained.out.splitlines()[0]


def test_interrupted_and_resumed(tmp_path, no_pictures):
    """Ctrl-C in a real process: 130, and the command that the message gives ends with the bits of a quiet run."""
    settings = "--model resnet8 --batch-size 16 --epochs 2 --limit-train 192 --limit-test 32 --log-every 1".split()
    process = start("train", *settings, "--run-dir", "one run", "--json")
    metrics = tmp_path / "one run" / "metrics.jsonl"
    while not (metrics.exists() and metrics.stat().st_size):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), err
    assert "stopped by SIGINT after step " in err and "Traceback" not in err
    assert 0 < load_checkpoint("one run").position.step < 24
    (command,) = re.findall(r"go on with: (minires .*)", err)
    assert command == "minires train --resume 'one run'"
    process = start(*shlex.split(command)[1:], "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    quiet = call_json("train", *settings, "--run-dir", "quiet")
    resumed = json.loads(out)
    assert {**resumed, "seconds": 0, "run_dir": 0} == {**quiet, "seconds": 0, "run_dir": 0}
    runs = [load_checkpoint(run_dir).tensors for run_dir in ("one run", "quiet")]
    assert runs[0].keys() == runs[1].keys()
    for name, tensor in runs[0].items():
        assert tensor.tobytes() == runs[1][name].tobytes(), name


# check, models, data


def test_json_of_check(monkeypatch):
    some = MUTANTS[::10]  # tests/mutants/test_matrix.py checks them all
    monkeypatch.setattr(matrix, "MUTANTS", some)
    found = call_json("check", "--seeds", "1")
    assert found.keys() == {"layers", "worst_error", "mutants_caught", "mutants", "false_alarms"}
    assert found["mutants"] == found["mutants_caught"] == len(some)
    assert (found["layers"], found["false_alarms"]) == (1, 0) and found["worst_error"] < 1e-12


def test_check_fails_where_a_mistake_escapes(monkeypatch):
    first, *_ = (mutant for mutant in MUTANTS if mutant.of == "ReLU")
    right = dataclasses.replace(first, name="ReLU.NoMistakeAtAll", make=lambda rng: ReLU())
    monkeypatch.setattr(matrix, "MUTANTS", (first,))
    assert call("check", "--seeds", "1")[0] == 0
    monkeypatch.setattr(matrix, "MUTANTS", (first, right))
    code, out, _ = call("check", "--seeds", "1")
    assert code == 1 and "MISSED  ReLU.NoMistakeAtAll" in out and "mutants caught: 1 of 2" in out
    code, out, _ = call("check", "--seeds", "1", "--json")
    assert code == 1 and json.loads(out)["mutants_caught"] == 1


def test_check_fails_where_a_right_layer_is_refused(monkeypatch):
    wrong, *_ = (mutant for mutant in MUTANTS if mutant.name == "ReLU.PassesEverything")
    monkeypatch.setattr(matrix, "MUTANTS", ())
    monkeypatch.setattr(matrix, "CASES", {"ReLU": (wrong.make, wrong.shape)})
    monkeypatch.setattr(matrix, "case", lambda name, seed: wrong.case(seed))
    code, out, _ = call("check", "--seeds", "2", "--json")
    assert code == 1 and json.loads(out)["false_alarms"] == 2


def test_models():
    code, out, err = call("models")
    assert (code, err) == (0, "")
    one_line = " ".join(out.split())
    for family in FAMILIES:
        assert family.pattern in out.splitlines() and family.about in one_line
        assert all(example in one_line for example in family.examples)
    assert max(map(len, out.splitlines())) <= 100
    assert_parses(out.splitlines()[-1].removeprefix("for example: "))
    assert call_json("models").keys() == {"families"}


def test_one_model():
    found = call_json("models", "resnet20")
    expected = {"name": "resnet20", "params": 269_722, "macs": 40_551_040, "depth": 20, "image": [3, 32, 32]}
    assert expected.items() <= found.items()
    counts = {"shape": [16, 32, 32], "params": 432, "macs": 442_368, "field": [3, 3]}
    assert found["layers"][0] == {"path": "stem.conv", "kind": "Conv2d 3x3"} | counts
    assert found["layers"][-1]["field"] == [None, None]
    options = "--image 28 --in-channels 1 --num-classes 100 --shortcut B".split()
    assert call_json("models", "resnet20", *options)["params"] == 272_474 - 2 * 144 + 90 * 65
    code, out, _ = call("models", "resnet20", *options)
    assert code == 0 and "resnet20 on 1 x 28 x 28 pixels, 100 classes" in out and "278,036" in out


def test_data_lists_what_there_is(monkeypatch):
    files, _ = make_files("cifar10", binary=True)
    put(Path(), "cifar10", True, files, "archive")
    code, out, err = call("data", "--data-dir", ".")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert (code, err) == (0, "")
    assert [name for name in lines if name in DATASETS] == list(DATASETS)
    ready = {name for name in DATASETS if lines[name].endswith(" ready")}
    assert ready == {"cifar10", "digits", "fashion_mnist_12k"}
    assert all(lines[name].endswith(" not in .") for name in set(DATASETS) - ready)
    assert_parses(out.splitlines()[-1].removeprefix("for example: "))
    found = call_json("data", "--data-dir", ".")["data_sets"]
    assert list(found) == list(DATASETS)
    assert {name for name, facts in found.items() if facts["there"]} == ready
    assert all(facts["about"] in lines[name] for name, facts in found.items())


def test_one_data_set():
    found = call_json("data", "fashion_mnist_12k")
    assert found.keys() == {"name", "classes", "image", "train", "test", "mean", "std"}
    assert (found["image"], found["train"], found["test"], len(found["classes"])) == ([1, 28, 28], 10000, 2000, 10)
    code, out, _ = call("data", "fashion_mnist_12k")
    assert code == 0 and "train    10000" in out and "image    1, 28, 28" in out and "sneaker" in out
    found = call_json("data", "digits")
    assert (found["image"], found["train"], found["test"], len(found["classes"])) == ([1, 8, 8], 1437, 360, 10)


def test_download_goes_where_train_looks(monkeypatch, no_work):
    fetched = []
    monkeypatch.setattr("minires.data.download", lambda *args: fetched.append(args))
    with pytest.raises(Parsed) as parsed:
        call("data", "cifar10", "--download")
    assert fetched == [("cifar10", TrainConfig().data_dir)]
    assert parsed.value.args[0] == ("cifar10", "train", TrainConfig().data_dir)


@pytest.fixture
def small_cifar(monkeypatch):
    """CIFAR-10 with files of four images, and three in the test file."""
    monkeypatch.setitem(CIFAR, "cifar10", SMALL["cifar10"])


def test_train_on_every_form_of_cifar10(small_cifar, no_pictures, tmp_path):
    results = []
    for binary in (True, False):
        for layout in ("official folder", "archive"):
            folder = tmp_path / f"{layout} {binary}"
            folder.mkdir()
            put(folder, "cifar10", binary, make_files("cifar10", binary)[0], layout)
            code, out, err = call(*CIFAR_RUN, "--data-dir", str(folder), "--run-dir", str(folder / "run"))
            assert code == 0, err
            results.append(json.loads(out) | {"seconds": 0, "run_dir": 0})
            assert call_json("data", "cifar10", "--data-dir", str(folder))["train"] == 20
            assert call_json("eval", str(folder / "run"))["accuracy"] == results[0]["test_accuracy"]
    assert results == results[:1] * 4


# real processes


def test_the_module_is_the_command():
    process = start("models", "resnet8", "--json")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out) == call_json("models", "resnet8")
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["options.entry_points"]["console_scripts"].strip() == "minires = minires_command:main"


def test_a_wrong_command_in_a_process():
    process = start("models", "resnet19")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "") and err.startswith("minires: resnet19: the depth is 19")


def test_a_reader_that_has_seen_enough():
    read, write = os.pipe()
    os.close(read)
    process = start("models", stdout=write)
    os.close(write)
    err = process.communicate(timeout=60)[1]
    assert (process.returncode, err) == (1, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk():
    with open("/dev/full", "w") as full:
        process = start("models", stdout=full)
    err = process.communicate(timeout=60)[1]
    assert process.returncode != 0 and "No space left on device" in err and "Traceback" not in err


# trace and step


def test_trace_shows_the_terms_and_the_audit():
    code, out, err = call("trace", "--model", "resnet8", "--batch-size", "2", "--dtype", "float64")
    assert code == 0, err
    assert out.startswith("resnet8, 2 images of fashion_mnist_12k, float64, loss ")
    assert "stage1.0" in out and "stage1.0.relu (ReLU), after the addition" in out


def test_trace_json_has_one_object_a_block():
    line = "trace --model resnet14 --block full_preact --dtype float64 --batch-size 2 --json"
    code, out, err = call(*line.split())
    assert code == 0, err
    found = json.loads(out)
    assert found["model"] == "resnet14, full_preact"
    assert [block["path"] for block in found["blocks"]] == [f"stage{s}.{b}" for s in (1, 2, 3) for b in (0, 1)]
    assert found["branch_vjps"] == 6 * 7 // 2
    assert max(found[f"{name}_error"] for name in ("closure", "telescope", "path")) <= 1e-12


def test_trace_writes_a_page(tmp_path):
    code, out, err = call("trace", "--model", "resnet8", "--batch-size", "2", "--html", str(tmp_path / "page.html"))
    assert code == 0, err
    assert f"open {tmp_path / 'page.html'} in a browser" in out
    page = (tmp_path / "page.html").read_text()
    assert page.lower().startswith("<!doctype html>") and "stage1.0" in page


def test_trace_beside_another_network(tmp_path):
    arguments = ("trace", "--model", "resnet14", "--against", "plain14", "--batch-size", "4")
    page = tmp_path / "page.html"
    code, out, _ = call(*arguments, "--html", str(page))
    ratios = re.findall(r"\|dW\| of the first convolution is (\S+) times that of the last", out)
    assert code == 0 and len(ratios) == 2 and "plain14: |dW|" in out
    assert '"against": {"model": "plain14"' in page.read_text()
    code, out, _ = call(*arguments, "--json")
    found = json.loads(out)
    for text, rows in zip(ratios, (found["depth"], found["against"]["depth"])):
        convs = [row["dw"] for row in rows if row["kind"] == "Conv2d"]
        assert text == f"{convs[0] / convs[-1]:.3g}"
    assert call("trace", "--model", "resnet14", "--against", "plian14")[0] == 2


def test_trace_of_a_trained_run(trained):
    code, out, err = call("trace", trained.run_dir, "--batch-size", "2")
    assert code == 0, err
    assert "trained for 1 epochs" in out
    code, _, err = call("trace", trained.run_dir, "--block", "full_preact")
    assert code == 2 and "block belong to a fresh network" in err


def test_options_of_a_family_reach_every_command(monkeypatch, no_pictures):
    """wrn_10_1 with dropout draws numbers in training, and has one layer more a block."""
    code, out, err = call("trace", "--model", "wrn_10_1", "--batch-size", "2", "--option", "dropout=0.5")
    assert code == 0 and out.startswith("wrn_10_1, dropout=0.5, 2 images"), err
    monkeypatch.setattr("sys.stdin", io.StringIO("n\nq\n"))
    code, out, err = call("step", "--model", "wrn_10_1", "--batch-size", "2", "--option", "dropout=0.5")
    assert code == 0, err
    sizes = "--limit-train 32 --limit-test 20 --batch-size 16 --epochs 1".split()
    options = ["--option", "dropout=0.5", "--option", "block=full_preact"]
    found = call_json("train", "--model", "wrn_10_1", *sizes, *options[:2], "--run-dir", "r")
    assert load_checkpoint("r").config.option == ("dropout=0.5",)
    assert any(isinstance(layer, Dropout) for _, layer in load_model("r")[0].walk())
    assert TrainConfig.from_json(Path("r/config.json").read_text()).option == ("dropout=0.5",)
    assert call_json("eval", "r")["accuracy"] == found["test_accuracy"]
    assert call_json("train", "--resume", "r")["train_loss"] == found["train_loss"]
    assert call("trace", "r", "--batch-size", "2")[0] == 0
    code, _, err = call("trace", "r", "--option", "dropout=0.5")
    assert code == 2 and "option belong to a fresh network" in err


def test_one_word_for_a_run_and_one_for_a_batch():
    """A run is RUN wherever one is named, a batch has a batch_size."""
    for command in ("eval", "trace", "step"):
        _, out, _ = call(command, "--help")
        assert "[RUN]" in out and "--batch-size INT" in out and "--run " not in out and "--batch " not in out
    _, out, _ = call("train", "--help")
    assert "--resume RUN" in out and "--run-dir RUN" in out and "--batch-size INT" in out


def test_every_option_of_a_training_by_the_command_line(no_pictures):
    line = "--limit-train 41 --limit-test 20 --batch-size 8 --epochs 1 --model resnet8 --run-dir r --clip-norm 2"
    weights = ["--class-weights", *map(str, range(1, 11))]
    call_json("train", *line.split(), *"--accumulate 3 --mixup 0.2 --prefetch 0".split(), *weights)
    found = load_checkpoint("r").config
    assert (found.clip_norm, found.accumulate, found.mixup, found.cutmix) == (2.0, 3, 0.2, 0.0)
    assert found.class_weights == tuple(map(float, range(1, 11))) and found.ignore_index is None
    trained = call_json("train", *line.replace(" r ", " s ").split(), "--ignore-index", "3")
    assert load_checkpoint("s").config.ignore_index == 3
    found = call_json("eval", "s")
    assert found["accuracy"] == trained["test_accuracy"] and found["total"] < 20


def test_trace_refuses_an_empty_batch():
    code, _, err = call("trace", "--batch-size", "0")
    assert code == 2 and "batch_size is 0, expected 1 to 2000" in err


def test_step_is_a_conversation(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("u stage2.0.add\nn\nq\n"))
    code, out, err = call("step", "--model", "resnet8", "--batch-size", "2")
    assert code == 0, err
    assert "forward: begin of stage2.0.add (Residual)" in out and "forward: end of stage2.0.add (Residual)" in out


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """30 JPEGs of six sizes, upright and lying, with EXIF; one RGBA PNG; the class street has no test images."""
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    sizes = [(48, 36), (36, 48), (60, 45), (45, 60), (64, 36), (40, 40)]
    for n, name in enumerate(name for name in ("beach", "forest", "street") for _ in range(10)):
        part = "test" if n % 10 >= 8 and name != "street" else "train"
        exif = image.Exif()
        exif[0x0112] = (1, 3, 6, 8)[n % 4]
        Path("photos", part, name).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (*sizes[n % 6][::-1], 3), np.uint8)
        image.fromarray(pixels).save(f"photos/{part}/{name}/IMG_{n:04}.JPG", "JPEG", exif=exif)
    image.fromarray(rng.integers(0, 256, (30, 50, 4), np.uint8)).save("photos/train/beach/logo.png")
    Path("photos/train/beach/Thumbs.db").write_bytes(b"of Windows")
    return Path("photos")


PHOTOGRAPHS = "--data folder --data-dir photos"
TRAIN_PHOTOGRAPHS = f"train {PHOTOGRAPHS} --model resnet8 --epochs 1 --batch-size 9 --run-dir run".split()


def test_own_photographs_take_one_command_each(photographs, monkeypatch):
    code, _, err = call(*TRAIN_PHOTOGRAPHS)
    assert code == 1 and "sizes (H x W), expected one" in err and "--image 64 on the command line" in err
    assert not Path("run").exists()
    result = call_json(*TRAIN_PHOTOGRAPHS, "--image", "32")
    evaluated = call_json("eval", "run")
    assert evaluated["total"] == 4 and evaluated["accuracy"] == result["test_accuracy"]
    assert call_json("trace", "run", "--batch-size", "2")["loss"] > 0
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    assert call("step", "run", "--batch-size", "2")[0] == 0
    fresh = "trace --model resnet8 --data folder --data-dir photos --image 32 --batch-size 2"
    assert call(*fresh.split())[0] == 0
    facts = call_json("data", "folder", "--data-dir", "photos", "--image", "16")
    assert facts["image"] == [3, 16, 16] and (facts["train"], facts["test"]) == (27, 4)
    assert facts["classes"] == ["beach", "forest", "street"]


def test_a_part_is_the_same_in_all_commands(photographs):
    shutil.rmtree("photos/test")
    command = [*TRAIN_PHOTOGRAPHS, "--image", "32"]
    code, _, err = call(*command)
    assert code == 1 and "--test-part 0.2" in err
    result = call_json(*command, "--test-part", "0.25")
    evaluated = call_json("eval", "run")
    assert evaluated["total"] == 6 and evaluated["accuracy"] == result["test_accuracy"]
    assert call_json("trace", "run", "--batch-size", "6")["loss"] > 0
    assert call("eval", "run", "--test-part", "0.5")[0] == 0
    code, _, err = call("eval", "run", "--data", "fashion_mnist_12k")
    assert code == 1 and "class 0 of 10 is 'T-shirt/top', expected 'beach' as class 0 of 3 of run: labels" in err
    code, _, err = call("trace", "run", "--data", "fashion_mnist_12k")
    assert code == 1 and "expected 'beach'" in err


@pytest.mark.parametrize("option", [("--image", "32"), ("--test-part", "0.2")])
@pytest.mark.parametrize("command", ["train --data mnist", "trace --data mnist --model resnet8", "data mnist"])
def test_options_of_folders_belong_to_folders(command, option):
    code, _, err = call(*command.split(), *option)
    assert code == 2 and "folder" in err and option[1] in err
