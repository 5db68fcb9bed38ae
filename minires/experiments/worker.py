"""A process that measures: ``python -m minires.experiments.worker LAB``, started by ``run.py``.

Requests come in and answers go out as lines of JSON. It ends when nobody is there to ask, even while it measures.
"""

import importlib
import json
import os
import queue
import sys
import threading
import time
import traceback

from .experiment import Experiment
from .lab import Lab
from .store import plain


def main(settings):
    answers, sys.stdout = sys.stdout, sys.stderr  # what a measurement prints is no answer

    def answer(**content):
        print(json.dumps(content), file=answers, flush=True)

    requests = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    lab = Lab(progress=lambda words: answer(progress=words), **json.loads(settings))
    while True:
        answer(**measure(lab, **requests.get()))


def measure(lab, module, name, seed, parts, quick):
    """The numbers of the experiment ``name`` in ``module`` and the seconds it took, or the error."""
    began, lab.parts = time.monotonic(), parts
    try:
        (experiment,) = [
            value
            for value in vars(importlib.import_module(module)).values()
            if isinstance(value, Experiment) and value.name == name
        ]
        return {"numbers": plain(experiment.measure(seed, quick, lab)), "seconds": time.monotonic() - began}
    except Exception as error:  # whatever it is, the other measurements go on
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(last.filename)}, line {last.lineno}"
        return {"error": f"{type(error).__name__}: {error} ({place})"}


def _listen(requests):
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
