"""Processes that measure: each takes the next measurement when it is done with one."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import minires

# products in one thread: their last bits depend on the threads. The engine has threads of its own, and the same bits
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


class Team:
    """Processes that measure, each in a :class:`~minires.experiments.Lab` with the settings ``lab``.

    They end with the block, whatever they are at.
    """

    def __init__(self, size, lab):
        self.networks = tempfile.TemporaryDirectory()  # trained by one, used by all
        self.workers = [Worker(lab | {"networks": self.networks.name}) for _ in range(size)]
        self.threads = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for worker in self.workers:
            worker.stop()
        for thread in self.threads:
            thread.join()
        for worker in self.workers:
            worker.close()
        self.networks.cleanup()

    def answers(self, tasks, **settings):
        """Yield (experiment, seed, answer) for each of the ``tasks``, (experiment, seed, folder of its parts).

        They come in any order, with answers of its progress before. settings: of all measurements.
        """
        waiting, events = queue.SimpleQueue(), queue.SimpleQueue()
        for task in tasks:
            waiting.put(task)
        for worker in self.workers:
            self.threads.append(threading.Thread(target=worker.serve, args=(waiting, events, settings), daemon=True))
            self.threads[-1].start()
        open_tasks = len(tasks)
        while open_tasks:
            event = events.get()
            open_tasks -= "progress" not in event[2]
            yield event


class Worker:
    """A process of ``worker.py``, as the parent sees it; one that has died is started anew for the next measurement."""

    def __init__(self, lab):
        self.lab, self.process, self.stopped = lab, None, False
        self.stderr = tempfile.TemporaryFile()
        self._lock = threading.Lock()

    def serve(self, waiting, events, settings):
        """Measure what is waiting until nothing is, or until stopped."""
        while self._start():
            try:
                experiment, seed, parts = waiting.get_nowait()
            except queue.Empty:
                return
            request = {"module": experiment.measure.__module__, "name": experiment.name, "seed": seed, "parts": parts}
            for answer in self._ask(request | settings):
                events.put((experiment, seed, answer))

    def stop(self):
        """End the process, whatever it is at."""
        with self._lock:
            self.stopped = True
            if self.process is not None:
                self.process.kill()
                self.process.wait()

    def close(self):
        """Close what was open to the process."""
        self._close_pipes()
        self.stderr.close()

    def _ask(self, request):
        with contextlib.suppress(OSError):  # what happened to it shows below
            print(json.dumps(request), file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if not line.endswith("\n"):
                break
            answer = json.loads(line)
            yield answer
            if "progress" not in answer:
                return
        self.stderr.seek(0)
        words = self.stderr.read().decode(errors="replace").strip().split("\n")[-1]
        yield {"error": f"its process ended with code {self.process.wait()}: {words or 'is there enough memory?'}"}

    def _start(self):
        """Whether there is a process to ask."""
        with self._lock:
            if self.stopped:
                return False
            if self.process is None or self.process.poll() is not None:
                self._close_pipes()
                self.process = self._new()
            return True

    def _close_pipes(self):
        for pipe in (self.process.stdin, self.process.stdout) if self.process else ():
            with contextlib.suppress(OSError):  # what was not read is lost
                pipe.close()

    def _new(self):
        root = str(Path(minires.__file__).parents[1])
        paths = filter(None, (root, os.environ.get("PYTHONPATH")))
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(paths)}
        command = [sys.executable, "-P", "-m", "minires.experiments.worker", json.dumps(self.lab)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.stderr}
        group = {"process_group": 0} if os.name == "posix" else {}  # Ctrl-C is for the parent to hear
        return subprocess.Popen(command, env=environment, text=True, **pipes, **group)
