"""The networks for CIFAR in PyTorch, written from He et al. 2015, section 4.2, without a look at those of minires."""

from collections import OrderedDict

from oracles.pytorch import F, nn, torch


class Block(nn.Module):
    def __init__(self, c_in, c_out, stride, option):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.option, self.stride, self.extra, self.shortcut = option, stride, c_out - c_in, None
        if option == "C" or (option == "B" and self.extra):
            conv = nn.Conv2d(c_in, c_out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm2d(c_out)))

    def forward(self, x):
        branch = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.option == "plain":
            return F.relu(branch)
        if self.shortcut is not None:
            return F.relu(branch + self.shortcut(x))
        if self.extra:  # the last pair of F.pad is that of the channels
            front = self.extra // 2 if self.option == "A-both" else 0
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, front, self.extra - front))
        return F.relu(branch + x)


class ResNet(nn.Module):
    """x: (N, C, H, W)   y: (N, num_classes)   option: A, A-both, B, C or plain"""

    def __init__(self, depth, option, in_channels=3, num_classes=10):
        super().__init__()
        n = (depth - 2) // 6
        self.conv = nn.Conv2d(in_channels, 16, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        self.stage1 = nn.Sequential(*(Block(16, 16, 1, option) for _ in range(n)))
        self.stage2 = nn.Sequential(Block(16, 32, 2, option), *(Block(32, 32, 1, option) for _ in range(n - 1)))
        self.stage3 = nn.Sequential(Block(32, 64, 2, option), *(Block(64, 64, 1, option) for _ in range(n - 1)))
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x):
        x = self.stage3(self.stage2(self.stage1(F.relu(self.bn(self.conv(x))))))
        return self.fc(x.mean(dim=(2, 3)))


def torch_name(path):
    """ "stage2.0.add.branch.bn1.gamma" -> "stage2.0.bn1.weight": what minires calls a tensor, in :class:`ResNet`."""
    parts = [part for part in path.split(".") if part not in ("stem", "head", "add", "branch")]
    return ".".join(parts).replace("gamma", "weight").replace("beta", "bias")


def load_weights(net, tensors):
    """Copy ``{path in minires: array}`` into ``net``, which must have the same tensors, no more and no fewer."""
    state = {torch_name(path): torch.from_numpy(array.copy()) for path, array in tensors.items()}
    wanted = {name for name in net.state_dict() if not name.endswith("num_batches_tracked")}
    assert state.keys() == wanted
    net.load_state_dict(state, strict=False)
