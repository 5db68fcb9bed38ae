"""The networks of the zoo in PyTorch, each written from its paper as a function of tensors by name.

Names are those of minires, so that one dictionary serves both; every structure is spelled out here again.
"""

from oracles.pytorch import F, torch


class Net:
    """Building blocks over ``p``, {path in minires: tensor}; ``used`` collects the names that were read."""

    def __init__(self, p, train):
        self.p, self.train, self.used = p, train, set()

    def get(self, name):
        self.used.add(name)
        return self.p[name]

    def conv(self, x, at, stride=1, groups=1):
        weight = self.get(f"{at}.weight")
        bias = self.get(f"{at}.bias") if f"{at}.bias" in self.p else None
        return F.conv2d(x, weight, bias, stride=stride, padding=weight.shape[-1] // 2, groups=groups)

    def bn(self, x, at):
        mean, var, gamma, beta = (self.get(f"{at}.{key}") for key in ("running_mean", "running_var", "gamma", "beta"))
        return F.batch_norm(x, mean, var, gamma, beta, training=self.train, momentum=0.1, eps=1e-5)

    def bn_relu(self, x, at):
        return F.relu(self.bn(x, at))

    def fc(self, x):
        return F.linear(x.mean(dim=(2, 3)), self.get("head.fc.weight"), self.get("head.fc.bias"))

    def se(self, u, at):
        s = self.conv(u.mean(dim=(2, 3), keepdim=True), f"{at}.gate.conv1")
        return torch.sigmoid(self.conv(F.relu(s), f"{at}.gate.conv2")) * u

    def imagenet_stem(self, x, preact=False):
        x = self.conv(x, "stem.conv", 2)
        return F.max_pool2d(x if preact else F.relu(self.bn(x, "stem.bn")), 3, 2, 1)


def v1_basic(net, x, at, stride, se=False):
    f = net.bn_relu(net.conv(x, f"{at}.add.branch.conv1", stride), f"{at}.add.branch.bn1")
    f = net.bn(net.conv(f, f"{at}.add.branch.conv2"), f"{at}.add.branch.bn2")
    f = net.se(f, f"{at}.add.branch.se") if se else f
    return F.relu(f + v1_shortcut(net, x, f, at, stride))


def v1_bottleneck(net, x, at, stride, on_1x1=False, groups=1, se=False):
    f = net.bn_relu(net.conv(x, f"{at}.add.branch.conv1", stride if on_1x1 else 1), f"{at}.add.branch.bn1")
    f = net.conv(f, f"{at}.add.branch.conv2", 1 if on_1x1 else stride, groups)
    f = net.bn_relu(f, f"{at}.add.branch.bn2")
    f = net.bn(net.conv(f, f"{at}.add.branch.conv3"), f"{at}.add.branch.bn3")
    f = net.se(f, f"{at}.add.branch.se") if se else f
    return F.relu(f + v1_shortcut(net, x, f, at, stride))


def v1_shortcut(net, x, f, at, stride):
    """A projection where there are weights for one, else zero channels at the end (option A)."""
    if f"{at}.add.shortcut.conv.weight" in net.p:
        return net.bn(net.conv(x, f"{at}.add.shortcut.conv", stride), f"{at}.add.shortcut.bn")
    x = x[:, :, ::stride, ::stride]
    return F.pad(x, (0, 0, 0, 0, 0, f.shape[1] - x.shape[1]))


def plain_basic(net, x, at, stride):
    f = net.bn_relu(net.conv(x, f"{at}.branch.conv1", stride), f"{at}.branch.bn1")
    return net.bn_relu(net.conv(f, f"{at}.branch.conv2"), f"{at}.branch.bn2")


def v2_basic(net, x, at, stride):
    """Pre-activation; with a projection, the first BN-ReLU feeds both ways."""
    if f"{at}.bn.gamma" in net.p:
        a, branch = net.bn_relu(x, f"{at}.bn"), f"{at}.add.branch"
        h = net.conv(a, f"{at}.add.shortcut", stride)
    else:
        branch, h = f"{at}.branch", x
        a = net.bn_relu(x, f"{branch}.bn1")
    f = net.conv(a, f"{branch}.conv1", stride)
    return h + net.conv(net.bn_relu(f, f"{branch}.bn2"), f"{branch}.conv2")


def v2_bottleneck(net, x, at, stride, on_1x1=False):
    if f"{at}.bn.gamma" in net.p:
        a, branch = net.bn_relu(x, f"{at}.bn"), f"{at}.add.branch"
        h = net.conv(a, f"{at}.add.shortcut", stride)
    else:
        branch, h = f"{at}.branch", x
        a = net.bn_relu(x, f"{branch}.bn1")
    f = net.conv(a, f"{branch}.conv1", stride if on_1x1 else 1)
    f = net.conv(net.bn_relu(f, f"{branch}.bn2"), f"{branch}.conv2", 1 if on_1x1 else stride)
    return h + net.conv(net.bn_relu(f, f"{branch}.bn3"), f"{branch}.conv3")


def resnext_paths(net, x, at, stride):
    """Form (a) of the ResNeXt block: a sum of paths, nested to the left in the names of minires."""
    total, place = 0, f"{at}.add.branch.paths"
    while True:
        last = f"{place}.branch" if f"{place}.branch.conv1.weight" in net.p else place
        f = net.bn_relu(net.conv(x, f"{last}.conv1"), f"{last}.bn1")
        f = net.bn_relu(net.conv(f, f"{last}.conv2", stride), f"{last}.bn2")
        total = total + net.conv(f, f"{last}.conv3")
        if last == place:
            break
        place = f"{place}.shortcut"
    f = net.bn(total, f"{at}.add.branch.bn3")
    return F.relu(f + v1_shortcut(net, x, f, at, stride))


def run_stages(net, x, block, counts, **settings):
    for s, count in enumerate(counts, start=1):
        for b in range(count):
            x = block(net, x, f"stage{s}.{b}", 2 if s > 1 and b == 0 else 1, **settings)
    return x


def imagenet(net, x, block, counts, preact=False, **settings):
    x = run_stages(net, net.imagenet_stem(x, preact), block, counts, **settings)
    return net.fc(net.bn_relu(x, "head.bn") if preact else x)


def small(net, x, block, n, preact=False, **settings):
    x = net.conv(x, "stem.conv")
    x = run_stages(net, x if preact else net.bn_relu(x, "stem.bn"), block, (n, n, n), **settings)
    return net.fc(net.bn_relu(x, "head.bn") if preact else x)


def torch_answer(model, function, x, dy, train):
    """y, dx, the gradient of each parameter and the value of each buffer, as :func:`oracles.run` gives them.

    ``function(net, x)`` is one of this file with its settings. It must use every tensor of the model.
    """
    p = {path: torch.tensor(tensor.data, requires_grad=hasattr(tensor, "grad")) for path, tensor in model.tensors()}
    x = torch.tensor(x, requires_grad=True)
    net = Net(p, train)
    y = function(net, x)
    y.backward(torch.tensor(dy))
    assert net.used == p.keys()
    tensors = {path: (t.grad if t.requires_grad else t).numpy() for path, t in p.items()}
    return {"y": y.detach().numpy(), "dx": x.grad.numpy(), **tensors}
