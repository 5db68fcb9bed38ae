"""Runs command lines, each in a process of its own that has imported everything: a fork of this one.

Reads one JSON object a line: argv, env, encoding, cwd, seconds; the standard streams are files in cwd/.. of the names
in, out and err. Answers with one JSON object a line: code (negative for a signal), seconds.
"""

import json
import os
import sys
import time
import traceback

MEMORY = 6 << 30


def child(request):
    """Become the command: its folder, environment and streams; never returns."""
    import resource

    from minires import cli

    os.chdir(request["cwd"])
    for number, name, flags in ((0, "in", os.O_RDONLY), (1, "out", os.O_WRONLY), (2, "err", os.O_WRONLY)):
        descriptor = os.open(f"../{name}", flags)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stdout = open(1, "w", encoding=request["encoding"], closefd=False)
    sys.stderr = open(2, "w", encoding=request["encoding"], closefd=False, errors="backslashreplace", buffering=1)
    for name, value in request["env"].items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    code = 1
    try:
        code = cli.main(request["argv"])
        sys.stdout.flush()
    except BaseException:  # noqa: B036 (this process ends here, whatever came)
        traceback.print_exc()
    finally:
        os._exit(code)


def run(request):
    began, process = time.monotonic(), os.fork()
    if process == 0:
        child(request)
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        seconds = time.monotonic() - began
        if found:
            return {"code": os.waitstatus_to_exitcode(status), "seconds": seconds}
        if seconds > request["seconds"]:
            os.kill(process, 9)
            os.waitpid(process, 0)
            return {"code": None, "seconds": seconds}
        time.sleep(0.005)


def serve():
    import importlib

    for name in ("minires.cli", "matplotlib.figure", "matplotlib.backends.backend_agg", "PIL.Image"):
        try:
            importlib.import_module(name)
        except ImportError:
            pass
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin.buffer:
        print(json.dumps(run(json.loads(line))), file=answers)


if __name__ == "__main__":
    serve()
