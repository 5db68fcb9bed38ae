"""DeZero, under NumPy below 2."""


def load(system):
    import numpy as np

    np.int = int  # DeZero asks for this name, which NumPy dropped
    import dezero.functions  # noqa: F401
    from importlib.metadata import version

    return {"dezero": version("dezero")}


def prepare(system, facts, arrays, threads):
    import dezero
    import dezero.functions as F

    if "nodes" not in facts:
        return _convolution(facts, arrays)
    x, tensors = arrays["x"], _load(facts["nodes"], arrays)
    if facts["task"] == "infer":

        def infer():
            with dezero.no_grad(), dezero.test_mode():
                return run(facts["nodes"], tensors, dezero.Variable(x)).data

        return infer, infer, None
    labels, sgd = arrays["labels"].astype("int16"), facts["sgd"]  # one-hot labels in int64 would make floats wider
    model = dezero.Layer()
    for path, tensor in tensors.items():
        setattr(model, path, tensor)
    optimizer = dezero.optimizers.MomentumSGD(sgd["lr"], sgd["momentum"]).setup(model)
    optimizer.add_hook(dezero.optimizers.WeightDecay(sgd["weight_decay"]))

    def step():
        loss = F.softmax_cross_entropy(run(facts["nodes"], tensors, dezero.Variable(x)), labels)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss.data

    return (lambda: [float(step()), float(step())]), step, None


def _load(nodes, arrays):
    """Parameters and running statistics by path; DeZero multiplies by the transpose of a linear weight."""
    import dezero

    tensors = {}
    for kind, settings in nodes:
        if kind == "residual":
            for way in settings.values():
                tensors |= _load(way, arrays)
            continue
        for name, path in settings.items():
            if isinstance(path, str):
                array = arrays[path]
                is_running = name.startswith("running")
                array = array.T.copy() if kind == "linear" and name == "weight" else array
                tensors[path] = array if is_running else dezero.Parameter(array)
    return tensors


def _convolution(facts, arrays):
    import dezero
    import dezero.functions_conv as C

    x, weight, dy = (dezero.Variable(arrays[name]) for name in ("x", "weight", "dy"))
    settings = {"stride": facts["stride"], "pad": facts["padding"]}
    conv = C.Conv2d(**settings)
    conv(x, weight, None)
    steps = {
        "forward": lambda: C.conv2d(x, weight, None, **settings),
        "dx": lambda: C.deconv2d(dy, weight, None, outsize=x.shape[2:], **settings),
        "dw": lambda: C.Conv2DGradW(conv)(x, dy),
    }

    def step():
        with dezero.no_grad():
            return steps[facts["task"]]()

    return (lambda: step().data), step, None


def run(nodes, tensors, x):
    """y of the nodes of :mod:`minires.bench.subject`."""
    import dezero.functions as F

    def conv(x, weight, stride, padding, dilation, groups, bias=None):
        if groups != 1 or tuple(dilation) != (1, 1):
            raise NotImplementedError("DeZero has no groups and no dilation")
        return F.conv2d(x, tensors[weight], tensors.get(bias), tuple(stride), tuple(padding))

    def norm(x, gamma, beta, running_mean, running_var, eps, momentum):
        names = (gamma, beta, running_mean, running_var)
        return F.batch_nrom(x, *(tensors[path] for path in names), 1 - momentum, eps)

    def max_pool(x, kernel, stride, padding, ceil_mode):
        if ceil_mode:
            raise NotImplementedError("DeZero has no ceil_mode")
        return F.pooling(x, *map(tuple, (kernel, stride, padding)))

    functions = {
        "conv": conv,
        "bn": norm,
        "relu": F.relu,
        "residual": lambda x, shortcut, branch: run(branch, tensors, x) + run(shortcut, tensors, x),
        "max_pool": max_pool,
        "global_pool": lambda x: F.average_pooling(x, x.shape[2:]),
        "flatten": lambda x: F.reshape(x, (len(x), -1)),
        "linear": lambda x, weight, bias: F.linear(x, tensors[weight], tensors[bias]),
        "subsample": lambda x, stride: _change(x, stride=stride),
        "pad_channels": lambda x, before, after: _change(x, before=before, after=after),
    }
    for kind, settings in nodes:
        x = functions[kind](x, **settings)
    return x


def _change(x, stride=1, before=0, after=0):
    """Every stride-th pixel, and zero channels around: F.get_item would add in its backward, element by element."""
    import dezero
    import numpy as np

    class Change(dezero.Function):
        def forward(self, x):
            return np.pad(x[:, :, ::stride, ::stride], ((0, 0), (before, after), (0, 0), (0, 0)))

        def backward(self, gy):
            gx = np.zeros_like(self.inputs[0].data)
            gx[:, :, ::stride, ::stride] = gy.data[:, before : gy.shape[1] - after]
            return dezero.Variable(gx)

    return Change()(x)
