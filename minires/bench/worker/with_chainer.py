"""Chainer 7.8, under NumPy below 2."""


def load(system):
    import chainer

    return {"chainer": chainer.__version__}


def prepare(system, facts, arrays, threads):
    import chainer

    if "nodes" not in facts:
        return _convolution(facts, arrays)
    x, model = arrays["x"], chainer.Link()
    with model.init_scope():
        for path in _parameters(facts["nodes"]):
            setattr(model, path, chainer.Parameter(arrays[path]))
    tensors = {path: arrays[path] for path in _tensors(facts["nodes"])} | dict(vars(model))
    if facts["task"] == "infer":

        def infer():
            with chainer.no_backprop_mode(), chainer.using_config("train", False):
                return run(facts["nodes"], tensors, chainer.Variable(x)).array

        return infer, infer, None
    labels, sgd = arrays["labels"].astype("int32"), facts["sgd"]
    optimizer = chainer.optimizers.MomentumSGD(sgd["lr"], sgd["momentum"]).setup(model)
    optimizer.add_hook(chainer.optimizer_hooks.WeightDecay(sgd["weight_decay"]))

    def step():
        loss = chainer.functions.softmax_cross_entropy(run(facts["nodes"], tensors, chainer.Variable(x)), labels)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss.array

    return (lambda: [float(step()), float(step())]), step, None


def _convolution(facts, arrays):
    import chainer

    x, weight, dy = (chainer.Variable(arrays[name]) for name in ("x", "weight", "dy"))
    settings = {"stride": facts["stride"], "pad": facts["padding"]}
    if facts["task"] == "forward":

        def step():
            with chainer.no_backprop_mode():
                return chainer.functions.convolution_2d(x, weight, **settings)

    else:
        y, wanted = chainer.functions.convolution_2d(x, weight, **settings), x if facts["task"] == "dx" else weight

        def step():
            return chainer.grad([y], [wanted], [dy])[0]

    return (lambda: step().array), step, None


def run(nodes, tensors, x):
    """y of the nodes of :mod:`minires.bench.subject`; ``tensors``: parameters and running statistics by path."""
    import chainer
    import chainer.functions as F

    def norm(x, gamma, beta, running_mean, running_var, eps, momentum):
        gamma, beta, mean, var = (tensors[path] for path in (gamma, beta, running_mean, running_var))
        if chainer.config.train:
            return F.batch_normalization(
                x, gamma, beta, eps=eps, running_mean=mean, running_var=var, decay=1 - momentum
            )
        return F.fixed_batch_normalization(x, gamma, beta, mean, var, eps)

    def conv(x, weight, stride, padding, dilation, groups, bias=None):
        return F.convolution_2d(x, tensors[weight], tensors.get(bias), stride, padding, dilate=dilation, groups=groups)

    def residual(x, shortcut, branch):
        return run(branch, tensors, x) + run(shortcut, tensors, x)

    functions = {
        "conv": conv,
        "bn": norm,
        "relu": F.relu,
        "residual": residual,
        "max_pool": lambda x, kernel, stride, padding, ceil_mode: F.max_pooling_2d(
            x, kernel, stride, padding, cover_all=ceil_mode
        ),
        "global_pool": lambda x: F.average_pooling_2d(x, x.shape[2:]),
        "flatten": lambda x: F.reshape(x, (len(x), -1)),
        "linear": lambda x, weight, bias: F.linear(x, tensors[weight], tensors[bias]),
        "subsample": lambda x, stride: x[:, :, ::stride, ::stride],
        "pad_channels": lambda x, before, after: F.pad(x, ((0, 0), (before, after), (0, 0), (0, 0)), "constant"),
    }
    for kind, settings in nodes:
        x = functions[kind](x, **settings)
    return x


def _parameters(nodes):
    return [path for path in _tensors(nodes) if not path.rpartition(".")[2].startswith("running")]


def _tensors(nodes):
    for kind, settings in nodes:
        if kind == "residual":
            for way in settings.values():
                yield from _tensors(way)
        else:
            yield from (path for path in settings.values() if isinstance(path, str))
