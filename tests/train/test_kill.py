"""Real processes, really killed: whatever the moment, the run goes on and ends with the same bits."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from train import tiny_training
from train.tiny_training import config, data, model, weights_of

from minires.train import fit, load_checkpoint, read_metrics

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}


def start(run_dir, *arguments):
    """A process that trains, or goes on training, in ``run_dir``; returns when it has imported everything."""
    command = [sys.executable, tiny_training.__file__, str(run_dir), *arguments]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n", process.communicate()[1]
    return process


def start_and_wait(run_dir):
    """A process with slow steps that has written its first line of metrics."""
    process = start(run_dir, "slow")
    metrics = run_dir / "metrics.jsonl"
    while not (metrics.exists() and metrics.stat().st_size):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    return process


def finish(process):
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 0, error


@pytest.fixture
def whole(tmp_path, monkeypatch):
    """A run that nobody disturbs."""
    monkeypatch.setattr("minires.train.training.draw_curves", lambda run_dir, title: None)
    began = time.monotonic()
    fit(config(tmp_path / "whole"), model=model(), data=data())
    return tmp_path / "whole", time.monotonic() - began


@pytest.mark.parametrize("kills", [6, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments(tmp_path, whole, kills):
    expected, seconds = whole
    chance = random.Random(kills)
    killed, runs = 0, 0
    while killed < kills:
        run_dir = tmp_path / f"run{runs}"
        runs += 1
        process = start(run_dir)
        while killed < kills:
            time.sleep(chance.uniform(0, seconds / 2))
            process.kill()
            process.communicate()
            if process.returncode == 0:
                break
            killed += 1
            assert set(os.listdir(run_dir) if run_dir.exists() else []) <= {
                "checkpoint.safetensors",
                "config.json",
                "metrics.jsonl",
                ".checkpoint.safetensors.tmp",
                ".config.json.tmp",
                ".metrics.jsonl.tmp",
            }
            process = start(run_dir)
        finish(process)
        assert weights_of(load_checkpoint(run_dir)) == weights_of(load_checkpoint(expected))
        rows = [[{**row, "seconds": 0} for row in read_metrics(d)] for d in (run_dir, expected)]
        assert rows[0] == rows[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop(tmp_path, whole, number):
    run_dir = tmp_path / "run"
    process = start_and_wait(run_dir)
    process.send_signal(number)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert f"Interrupted: stopped by {number.name} after step " in error
    assert f"minires train --resume {run_dir}" in error
    assert 0 < load_checkpoint(run_dir).position.step < 24
    finish(start(run_dir))
    assert weights_of(load_checkpoint(run_dir)) == weights_of(load_checkpoint(whole[0]))


def test_two_processes_in_one_folder(tmp_path):
    run_dir = tmp_path / "run"
    process = start_and_wait(run_dir)
    second = start(run_dir)
    error = second.communicate(timeout=60)[1]
    assert second.returncode == 1 and "StateError" in error and "is in use by 1 other process" in error
    finish(process)
