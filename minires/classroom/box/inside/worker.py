"""The process in the box: it runs functions of a submission on arrays that it is sent, and knows nothing else.

python worker.py SETTINGS     SETTINGS: JSON, see ``main``

Requests come by descriptor 3, answers go by 4, both as frames of ``wire``. The first answer, "ready", says that the box
is closed; all that runs before is ours. Requests: ["load", source] -> [[name, arguments by position], ...];
["call", name, arguments, their numbers] -> [result, changed arrays by number]; ["forget"]. An answer is ["ok", ...],
["error", kind, text], or, within a call, ["use", part, method, arguments], which the grader answers with ["ok", ...] or
["error", text].
"""

import json
import os
import struct
import sys
import types

REQUESTS, ANSWERS = 3, 4
TEXT = 500  # characters of an error that leave the box
MB = 1 << 20


def main():
    settings = json.loads(sys.argv[1])
    sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), settings["numpy"]]
    import closing
    import numpy as np
    import wire

    narrow = remote = None
    if settings["minires"]:  # its layers are read before the box closes, as are the folders of its modules
        sys.path.append(settings["minires"])
        import narrow

        narrow.find()
        import remote

        del sys.path[-1]
    np.linalg.inv(np.ones((1, 1)) @ np.eye(1))  # BLAS and what NumPy reads late, as long as files can be read
    np.random.default_rng(0).standard_normal()
    closing.close_box(settings)
    del sys.path[:2]
    sys.argv[1:] = []
    Worker(np, wire, narrow, remote).serve()


class Worker:
    def __init__(self, np, wire, narrow, remote):
        self.np, self.wire, self.narrow, self.remote = np, wire, narrow, remote
        self.functions, self.kept, self.arrays, self.texts = {}, [], {}, {}

    def serve(self):
        self.send("ready")
        while True:
            what, *arguments = self.receive()
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
        code = compile(source, "submission.py", "exec")
        if self.narrow is not None and self.narrow.read_for(code):
            self.remote.ask_there()
        exec(code, vars(module))
        self.functions = vars(module)
        return [[[name, taken(value)] for name, value in self.functions.items() if callable(value)]]

    def forget(self):
        self.kept.clear()
        self.arrays.clear()
        return []

    def call(self, name, arguments, numbers):
        function = self.functions.get(name)
        if not callable(function):
            raise Wrong("missing", f"there is no function {name}")
        given = [self.given(value, number) for value, number in zip(arguments, numbers)]
        before = {number: array.copy() for number, array in self.arrays.items()}
        result = function(*given)
        several = isinstance(result, tuple)
        result = [several, [self.export(part) for part in (result if several else [result])]]
        return [result, [[n, self.arrays[n]] for n, array in before.items() if changed(self.arrays[n], array)]]

    def given(self, value, number):
        return self.defined(*value) if number == self.wire.AS_TEXT else self.seen(self.build(value), number)

    def defined(self, text, name, *given):
        """The function ``name`` that a text of the grader defines; many of one text are asked for."""
        if text not in self.texts:
            self.texts[text] = {"np": self.np}
            exec(text, self.texts[text])
        function = self.texts[text][name]
        return lambda *arguments: function(*given, *arguments)

    def seen(self, value, number):
        """The array that the submission got under this number before, if there is one, with the content of now."""
        if number < 0:
            return value
        array = self.arrays.pop(number, value)
        if array.shape != value.shape or array.dtype != value.dtype or not array.flags.writeable:
            array = value
        array[...] = value
        self.arrays[number] = array
        while len(self.arrays) > self.wire.SEEN:
            del self.arrays[next(iter(self.arrays))]
        return array

    def build(self, value):
        if isinstance(value, (self.wire.Part, self.wire.Function)):
            return self.stand_in(value)
        if isinstance(value, self.wire.Seed):
            return self.np.random.default_rng(value.number)
        return self.kept[value.number] if isinstance(value, self.wire.Handle) else value

    def export(self, part):
        """Numbers, text, None and lists of them go as they are; of anything else a handle goes, and it stays here."""
        try:
            if not isinstance(part, (tuple, self.wire.Handle)):
                self.wire.pack(part)
                return part
        except self.wire.WireError:
            pass
        self.kept.append(part)
        return self.wire.Handle(len(self.kept) - 1)

    def stand_in(self, value):
        """For what the grader keeps: a function, a layer, or a cache."""
        if isinstance(value, self.wire.Function):
            return lambda *arguments: self.use(value, "call", *arguments)
        if isinstance(value, self.wire.Part):
            return StandIn(self, value) if self.remote is None else self.layer(value, *self.use(value, "tensors"))
        return Cache(value) if isinstance(value, self.wire.Handle) else value

    def layer(self, part, tensors):
        """A layer that a function of the grader's has returned, or one whose arrays have been asked for."""
        if self.remote is None:
            return StandIn(self, part)
        return self.remote.RemoteLayer(tensors, lambda *words: self.use(part, *words))

    def use(self, part, method, *arguments):
        """What the grader answers: a list of results; for a function as it returns them."""
        given = [a.handle if isinstance(a, Cache) else a for a in arguments]
        self.write(self.wire.frame(["use", part, method, given]))
        word, *found = self.receive()
        if word != "ok":
            raise RuntimeError(*found)
        if method != "call":
            return [self.stand_in(value) for value in found]
        several, values, changed = found
        for i, array in changed:
            arguments[i][...] = array
        values = [self.layer(*value) if isinstance(value, list) else self.stand_in(value) for value in values]
        return tuple(values) if several else values[0]

    def send(self, *answer):
        try:
            data = self.wire.frame(list(answer))
        except self.wire.WireError as error:
            data = self.wire.frame(["error", "result", str(error)])
        self.write(data)

    def write(self, data):
        while data:
            data = data[os.write(ANSWERS, data) :]

    def receive(self):
        (size,) = struct.unpack("<I", self.read(4))
        return self.wire.unpack(self.read(size))

    def read(self, size):
        data = b""
        while len(data) < size:
            part = os.read(REQUESTS, min(size - len(data), MB))
            if not part:
                os._exit(0)  # the grader is done
            data += part
        return data


class StandIn:
    """A layer, such as the branch of a residual block: what it computes, the grader computes."""

    def __init__(self, worker, part):
        self._worker, self._part = worker, part

    def forward(self, x, train=False):
        y, cache = self._worker.use(self._part, "forward", x, train)
        return x if isinstance(y, str) else y, cache

    def backward(self, dy, cache):
        if not isinstance(cache, Cache):
            raise TypeError(f"backward got a {type(cache).__name__} for a cache, expected what forward returned")
        (dx,) = self._worker.use(self._part, "backward", dy, cache)
        return dy if isinstance(dx, str) else dx

    def __call__(self, x):
        return self.forward(x)[0]


class Cache:
    """Of a stand-in or a function: the handle of what the grader keeps."""

    def __init__(self, handle):
        self.handle = handle


def taken(function):
    """How many arguments a function takes by position; -1 for any number, or where that is not known."""
    code = getattr(function, "__code__", None)
    return -1 if code is None or code.co_flags & 4 else code.co_argcount


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
