"""The process in the box: it runs functions of a submission on arrays that it is sent, and knows nothing else.

python worker.py SETTINGS     SETTINGS: JSON, see ``main``

Requests come by descriptor 3, answers go by 4, both as frames of ``wire``. The first answer, "ready", says that the box
is closed; all that runs before is ours. Requests: ["load", source] -> names; ["call", name, wanted, arguments] ->
[values, changed arguments]. An answer is ["ok", ...] or ["error", what kind, text].
"""

import json
import os
import resource
import struct
import sys
import types

REQUESTS, ANSWERS = 3, 4
TEXT = 500  # characters of an error that leave the box
MB = 1 << 20


def main():
    settings = json.loads(sys.argv[1])
    sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), settings["numpy"]]
    import kit
    import numpy as np
    import wire

    np.linalg.inv(np.ones((1, 1)) @ np.eye(1))  # BLAS and what NumPy reads late, as long as files can be read
    np.random.default_rng(0).standard_normal()
    close_box(settings)
    del sys.path[:2]
    sys.argv[1:] = []
    Worker(np, kit, wire).serve()


def close_box(settings):
    """Give up all that can be given up; in this order, since each step takes away what the one before needs."""
    import landlock
    import seccomp

    if settings["uid"] is not None:  # we are root: become nobody
        os.setgroups([])
        os.setresgid(*[settings["uid"]] * 3)
        os.setresuid(*[settings["uid"]] * 3)
    os.chdir("/")
    os.environ.clear()
    requests, answers = (os.dup(pipe) for pipe in settings["pipes"])  # away from the numbers that they shall get
    nothing = os.open(os.devnull, os.O_RDWR)
    for number, place in enumerate((nothing, nothing, nothing, requests, answers)):
        os.dup2(place, number)
    os.closerange(5, 256)
    limits = {
        "RLIMIT_AS": settings["memory"],
        "RLIMIT_CPU": settings["seconds"],
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": 32,
        "RLIMIT_NPROC": 0,
        "RLIMIT_CORE": 0,
        "RLIMIT_MSGQUEUE": 0,
    }
    for name, limit in limits.items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    seccomp.no_new_privileges()
    if settings["readable"] is not None:
        landlock.restrict(settings["readable"])
    if settings["filter"]:
        seccomp.restrict()


class Worker:
    def __init__(self, np, kit, wire):
        self.np, self.kit, self.wire = np, kit, wire
        self.functions, self.kept = {}, []

    def serve(self):
        self.send("ready")
        while True:
            (size,) = struct.unpack("<I", self.read(4))
            what, *arguments = self.wire.unpack(self.read(size))
            try:
                answer = ["ok", *getattr(self, what)(*arguments)]
                self.send(*answer)
            except Wrong as error:
                self.send("error", *error.args)
            except BaseException as error:  # noqa: B036 (whatever the submission raises, SystemExit too)
                self.send("error", "raised", describe(error))

    def load(self, source):
        module = types.ModuleType("submission")
        sys.modules["submission"] = module
        exec(compile(source, "submission.py", "exec"), vars(module))
        self.functions = vars(module)
        return [[name for name, value in self.functions.items() if isinstance(name, str) and callable(value)]]

    def forget(self):
        self.kept.clear()
        return []

    def call(self, name, wanted, arguments):
        function = self.functions.get(name)
        if not callable(function):
            raise Wrong("missing", f"there is no function {name}")
        given = [self.build(value) for value in arguments]
        before = [value.copy() if isinstance(value, self.np.ndarray) else None for value in given]
        result = function(*given)
        parts = [result] if len(wanted) == 1 else result
        if not isinstance(parts, (tuple, list)) or len(parts) != len(wanted):
            number = len(parts) if isinstance(parts, (tuple, list)) else "one value"
            raise Wrong("result", f"{name} returned {number}, expected {len(wanted)} values")
        values = [self.export(name, i, kind, part) for i, (kind, part) in enumerate(zip(wanted, parts), start=1)]
        return [values, [[i, a] for i, (a, b) in enumerate(zip(given, before)) if b is not None and changed(a, b)]]

    def build(self, value):
        if isinstance(value, self.wire.Handle):
            return self.kept[value.number]
        if isinstance(value, self.wire.Kit):
            return self.kit.PARTS[value.name](*value.values)
        return value

    def export(self, name, i, kind, part):
        if kind == "h":
            self.kept.append(part)
            return self.wire.Handle(len(self.kept) - 1)
        if kind == "v":
            return part
        array = self.np.array(part)
        if array.dtype.newbyteorder("<").str not in self.wire.DTYPES:
            raise Wrong("result", f"{name}: result {i} is a {type(part).__name__} of {array.dtype}, expected numbers")
        return array

    def send(self, *answer):
        try:
            data = self.wire.frame(list(answer))
        except self.wire.WireError as error:
            data = self.wire.frame(["error", "result", str(error)])
        while data:
            data = data[os.write(ANSWERS, data) :]

    def read(self, size):
        data = b""
        while len(data) < size:
            part = os.read(REQUESTS, min(size - len(data), MB))
            if not part:
                os._exit(0)  # the grader is done
            data += part
        return data


class Wrong(Exception):
    """(kind, text): what the submission gave is not what was asked for."""


def changed(a, b):
    return a.shape != b.shape or a.dtype != b.dtype or a.tobytes() != b.tobytes()


def describe(error):
    """Type, message and line of an error of the submission; its own ``__str__`` may fail."""
    try:
        text = str(error)[:TEXT]
    except BaseException:  # noqa: B036
        text = ""
    line, trace = getattr(error, "lineno", None), error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "submission.py":
            line = trace.tb_lineno
        trace = trace.tb_next
    place = f" (line {line})" if isinstance(line, int) else ""
    return f"{type(error).__name__}: {text}"[:TEXT] + place


if __name__ == "__main__":
    main()
