"""PyTorch: its default layout, channels_last, and for inference TorchScript, frozen and optimised."""


def load(system):
    import torch

    layer = torch.nn.Linear(1, 1)  # a first step of SGD imports a hundred megabytes more
    layer(torch.ones(1, 1)).sum().backward()
    torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9).step()
    return {"torch": torch.__version__}


def prepare(system, facts, arrays, threads):
    import torch

    torch.set_num_threads(threads)
    layout = torch.channels_last if system == "torch channels_last" else torch.contiguous_format

    def tensor(name):
        found = torch.from_numpy(arrays[name])
        return found.contiguous(memory_format=layout) if found.ndim == 4 else found

    x = tensor("x")
    if "nodes" not in facts:
        return _convolution(x, tensor("weight"), tensor("dy"), facts)
    model = network(facts["nodes"], arrays).to(memory_format=layout)
    if facts["task"] == "train":
        return _training(model.train(), x, tensor("labels"), facts)
    model.eval()
    if system == "torch frozen":
        with torch.no_grad():
            model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x)))

    def step():
        with torch.inference_mode():
            return model(x)

    return (lambda: step().numpy()), step, None


def _training(model, x, labels, facts):
    import torch

    sgd = torch.optim.SGD(model.parameters(), **facts["sgd"])

    def step():
        sgd.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        sgd.step()
        return loss

    return (lambda: [step().item(), step().item()]), step, None


def _convolution(x, weight, dy, facts):
    import torch

    def forward():
        return torch.nn.functional.conv2d(x, weight, stride=facts["stride"], padding=facts["padding"])

    if facts["task"] == "forward":
        step = torch.no_grad()(forward)
    else:
        wanted = x if facts["task"] == "dx" else weight
        wanted.requires_grad_()
        y = forward()

        def step():
            return torch.autograd.grad(y, wanted, dy, retain_graph=True)[0]

    return (lambda: step().numpy()), step, None


def network(nodes, arrays):
    """The nodes of :mod:`minires.bench.subject` as ``torch.nn`` modules."""
    from torch import nn

    def load(module, **names):
        import torch

        for name, path in names.items():
            getattr(module, name).data.copy_(torch.from_numpy(arrays[path]))
        return module

    def conv(weight, bias=None, **settings):
        (out, inner, *kernel), groups = arrays[weight].shape, settings["groups"]
        layer = nn.Conv2d(inner * groups, out, kernel, bias=bias is not None, **settings)
        return load(layer, weight=weight) if bias is None else load(layer, weight=weight, bias=bias)

    def norm(gamma, beta, running_mean, running_var, **settings):
        layer = nn.BatchNorm2d(len(arrays[gamma]), **settings)
        return load(layer, weight=gamma, bias=beta, running_mean=running_mean, running_var=running_var)

    def linear(weight, bias):
        return load(nn.Linear(*arrays[weight].shape[::-1]), weight=weight, bias=bias)

    def module(kind, settings, first):
        make = {
            "conv": conv,
            "bn": norm,
            # a ReLU may work in place unless its input is also that of a shortcut
            "relu": lambda: nn.ReLU(inplace=not first),
            "residual": lambda shortcut, branch: _residual(network(shortcut, arrays), network(branch, arrays)),
            "max_pool": lambda kernel, **settings: nn.MaxPool2d(kernel, **settings),
            "global_pool": lambda: nn.AdaptiveAvgPool2d(1),
            "flatten": nn.Flatten,
            "linear": linear,
            "subsample": _subsample,
            "pad_channels": lambda before, after: nn.ConstantPad3d((0, 0, 0, 0, before, after), 0.0),
        }[kind]
        return make(**settings)

    return nn.Sequential(*(module(kind, settings, i == 0) for i, (kind, settings) in enumerate(nodes)))


def _residual(shortcut, branch):
    from torch import nn

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.shortcut, self.branch = shortcut, branch

        def forward(self, x):
            return self.branch(x) + self.shortcut(x)

    return Residual()


def _subsample(stride):
    from torch import nn

    class Subsample(nn.Module):
        def forward(self, x):
            return x[:, :, ::stride, ::stride]

    return Subsample()
