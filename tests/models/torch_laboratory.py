"""The blocks and shortcuts of He et al. 2016, "Identity Mappings", in PyTorch, each spelled out."""

from oracles.pytorch import F, torch

PREACTIVATED = ("relu_before_add", "relu_only_preact", "full_preact")  # nothing follows the addition


class Net:
    """The network with 6n + 2 layers as a function of ``p``, {path in minires: tensor}."""

    def __init__(self, p, block, shortcut, n, train):
        self.p, self.block, self.shortcut, self.n, self.train = p, block, shortcut, n, train

    def conv(self, x, name, stride=1):
        weight = self.p[f"{name}.weight"]
        return F.conv2d(x, weight, self.p.get(f"{name}.bias"), stride=stride, padding=weight.shape[-1] // 2)

    def bn(self, x, name):
        p = (self.p[f"{name}.{key}"] for key in ("running_mean", "running_var", "gamma", "beta"))
        return F.batch_norm(x, *p, training=self.train)

    def branch(self, x, at, stride):
        if self.block == "original":
            f = F.relu(self.bn(self.conv(x, f"{at}.conv1", stride), f"{at}.bn1"))
            return self.bn(self.conv(f, f"{at}.conv2"), f"{at}.bn2")
        if self.block == "bn_after_add":
            f = F.relu(self.bn(self.conv(x, f"{at}.conv1", stride), f"{at}.bn1"))
            return self.conv(f, f"{at}.conv2")
        if self.block == "relu_before_add":
            f = F.relu(self.bn(self.conv(x, f"{at}.conv1", stride), f"{at}.bn1"))
            return F.relu(self.bn(self.conv(f, f"{at}.conv2"), f"{at}.bn2"))
        if self.block == "relu_only_preact":
            f = self.bn(self.conv(F.relu(x), f"{at}.conv1", stride), f"{at}.bn1")
            return self.bn(self.conv(F.relu(f), f"{at}.conv2"), f"{at}.bn2")
        f = self.conv(F.relu(self.bn(x, f"{at}.bn1")), f"{at}.conv1", stride)
        return self.conv(F.relu(self.bn(f, f"{at}.bn2")), f"{at}.conv2")

    def shared(self, x, at, stride):
        """Full pre-activation whose first BN and ReLU feed both ways."""
        a = F.relu(self.bn(x, f"{at}.bn"))
        f = F.relu(self.bn(self.conv(a, f"{at}.add.branch.conv1", stride), f"{at}.add.branch.bn2"))
        return F.conv2d(a, self.p[f"{at}.add.shortcut.weight"], stride=stride) + self.conv(f, f"{at}.add.branch.conv2")

    def add(self, x, f, at, stride):
        extra = f.shape[1] - x.shape[1]
        if self.shortcut == "C" or (self.shortcut == "B" and extra):
            return self.bn(F.conv2d(x, self.p[f"{at}.shortcut.conv.weight"], stride=stride), f"{at}.shortcut.bn") + f
        if extra:
            front = extra // 2 if self.shortcut == "A-both" else 0
            zeros = [x.new_zeros(len(x), k, *f.shape[2:]) for k in (front, extra - front)]
            return torch.cat([zeros[0], x[:, :, ::stride, ::stride], zeros[1]], dim=1) + f
        if self.shortcut == "scale":
            return x / 2 + f / 2
        if self.shortcut == "scale-shortcut":
            return x / 2 + f
        if self.shortcut == "conv1x1":
            return self.conv(x, f"{at}.shortcut") + f
        if self.shortcut in ("exclusive-gate", "shortcut-gate"):
            t = torch.sigmoid(self.conv(x, f"{at}.gate.conv"))
            return (1 - t) * x + (t * f if self.shortcut == "exclusive-gate" else f)
        assert self.shortcut in ("A", "A-both", "B") or not self.train, "dropout is compared in evaluation"
        return x + f

    def unit(self, x, at, stride):
        changes = stride == 2
        if self.block == "full_preact" and (self.shortcut == "C" or (self.shortcut == "B" and changes)):
            return self.shared(x, at, stride)
        fork = at if self.block in PREACTIVATED else f"{at}.add"
        y = self.add(x, self.branch(x, f"{fork}.branch", stride), fork, stride)
        if self.block == "original":
            return F.relu(y)
        return F.relu(self.bn(y, f"{at}.bn")) if self.block == "bn_after_add" else y

    def __call__(self, x):
        x = self.conv(x, "stem.conv")
        if self.block != "full_preact":
            x = self.bn(x, "stem.bn")
        if self.block not in ("relu_only_preact", "full_preact"):
            x = F.relu(x)
        for s in (1, 2, 3):
            for b in range(self.n):
                x = self.unit(x, f"stage{s}.{b}", 2 if s > 1 and b == 0 else 1)
        if self.block == "full_preact":
            x = self.bn(x, "head.bn")
        if self.block in ("relu_only_preact", "full_preact"):
            x = F.relu(x)
        return F.linear(x.mean(dim=(2, 3)), self.p["head.fc.weight"], self.p["head.fc.bias"])


def torch_answer(model, block, shortcut, n, x, dy, train):
    """y, dx, the gradient of each parameter and the value of each buffer, as :func:`oracles.run` gives them."""
    p = {path: torch.tensor(tensor.data, requires_grad=hasattr(tensor, "grad")) for path, tensor in model.tensors()}
    x = torch.tensor(x, requires_grad=True)
    y = Net(p, block, shortcut, n, train)(x)
    y.backward(torch.tensor(dy))
    tensors = {path: (t.grad if t.requires_grad else t).numpy() for path, t in p.items()}
    return {"y": y.detach().numpy(), "dx": x.grad.numpy(), **tensors}
