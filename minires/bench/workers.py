"""The processes of the systems, as the parent sees them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import minires

from ..errors import StateError

SYSTEMS = ("reference", "engine", "engine frozen", "torch", "torch channels_last", "torch frozen", "chainer", "dezero")
OWN = ("reference", "engine", "engine frozen")
FOLDER = Path(__file__).with_name("worker")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# Threads that wait for work must not take a core from the system whose turn is next. OpenBLAS lets them wait 100 ms by
# default; 2^22 cycles are 2 ms, at no cost to the reference layers. OpenMP's stop within the pause between turns: with
# OMP_WAIT_POLICY=passive they would stop at once, but PyTorch's training steps took a quarter longer.
IDLE = {"OPENBLAS_THREAD_TIMEOUT": "22"}


class Worker:
    """A process of one system with one number of threads. ``absent``: why it cannot run here, else None."""

    def __init__(self, system, threads, python=None):
        self.system, self.threads = system, threads
        environment = {**os.environ, **IDLE, **dict.fromkeys(THREADS, str(threads))}
        if system in OWN:  # the minires that runs here
            root = str(Path(minires.__file__).parents[1])
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        command = [python or sys.executable, "-B", str(FOLDER), system, str(threads)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.versions, self.process = {}, None
        try:
            self.process = subprocess.Popen(command, env=environment, text=True, **pipes)
            hello = self._answer()
        except (OSError, StateError) as error:
            hello = {"absent": str(error)}
        self.absent = hello.get("absent")
        self.versions = hello.get("versions", {})

    def ask(self, do, **request):
        """The answer to one request. Raises StateError where the system fails, or its process ends."""
        try:
            print(json.dumps({"do": do} | request), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass
        answer = self._answer()
        if "error" in answer:
            raise StateError(f"{self.system}: {answer['error']}")
        return answer

    @property
    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def close(self):
        """End the process, at once if it does not listen."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise StateError(f"{self.system}: its process ended with code {code}: is there enough memory?")
        return json.loads(line)
