"""Networks in PyTorch with the names of the libraries, written from their papers; of the libraries only the names."""

from collections import OrderedDict

from oracles.pytorch import F, nn, torch


def conv(c_in, c_out, kernel, stride=1, groups=1):
    return nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)


class Excite(nn.Module):
    def __init__(self, channels, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, channels, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


class ExciteLinear(nn.Module):
    def __init__(self, channels, hidden):
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, channels, bias=False), nn.Sigmoid()
        )

    def forward(self, x):
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class Block(nn.Module):
    """kernels: of the convolutions; widths: their outputs; the 3x3 in front or in the middle has stride and groups."""

    def __init__(self, c_in, kernels, widths, stride, groups=1, shortcut="downsample", se=None):
        super().__init__()
        self.count, self.stride, self.extra = len(kernels), stride, widths[-1] - c_in
        channels, at = c_in, kernels.index(3)
        for i, (kernel, width) in enumerate(zip(kernels, widths)):
            here = (stride, groups) if i == at else (1, 1)
            setattr(self, f"conv{i + 1}", conv(channels, width, kernel, *here))
            setattr(self, f"bn{i + 1}", nn.BatchNorm2d(width))
            channels = width
        self.se = se(channels) if se else nn.Identity()
        self.name = shortcut
        if shortcut and (stride > 1 or self.extra):
            setattr(self, shortcut, nn.Sequential(conv(c_in, channels, 1, stride), nn.BatchNorm2d(channels)))

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = F.relu(y) if i < self.count else self.se(y)
        if self.name and hasattr(self, self.name):
            x = getattr(self, self.name)(x)
        elif self.extra:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.extra // 2, self.extra // 2))
        return F.relu(y + x)


class ResNet(nn.Module):
    """small: for 32 x 32 images. bottleneck: f(stage) -> (inner width, groups), or None for two 3x3."""

    def __init__(self, counts, *, small=False, bottleneck=None, classes=10, head="fc", **settings):
        super().__init__()
        base = 16 if small else 64
        self.small, self.head = small, head
        self.conv1 = conv(3, base, 3) if small else conv(3, base, 7, 2)
        self.bn1 = nn.BatchNorm2d(base)
        channels = base
        for s, count in enumerate(counts):
            planes, blocks = base * 2**s, []
            for b in range(count):
                stride = 2 if s and not b else 1
                if bottleneck:
                    width, groups = bottleneck(planes)
                    blocks.append(Block(channels, (1, 3, 1), (width, width, 4 * planes), stride, groups, **settings))
                    channels = 4 * planes
                else:
                    blocks.append(Block(channels, (3, 3), (planes, planes), stride, **settings))
                    channels = planes
            setattr(self, f"layer{s + 1}", nn.Sequential(*blocks))
        self.stages = len(counts)
        setattr(self, head, nn.Linear(channels, classes))

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = x if self.small else F.max_pool2d(x, 3, 2, 1)
        for s in range(self.stages):
            x = getattr(self, f"layer{s + 1}")(x)
        return getattr(self, self.head)(x.mean((2, 3)))


def akamaster(depth, classes=10):
    return ResNet(((depth - 2) // 6,) * 3, small=True, head="linear", shortcut="", classes=classes)


class PreActBlock(nn.Module):
    """names: what the norm and the shortcut are called."""

    def __init__(self, c_in, kernels, widths, stride, norm, shortcut, always):
        super().__init__()
        self.count, self.norm, self.shortcut = len(kernels), norm, None
        channels = c_in
        for i, (kernel, width) in enumerate(zip(kernels, widths)):
            setattr(self, f"{norm}{i + 1}", nn.BatchNorm2d(channels))
            setattr(self, f"conv{i + 1}", conv(channels, width, kernel, stride if i == kernels.index(3) else 1))
            channels = width
        if always or c_in != channels:
            inner = conv(c_in, channels, 1, stride)
            if shortcut == "downsample":
                inner = nn.Sequential(OrderedDict(conv=inner))
            setattr(self, shortcut, inner)
            self.shortcut = shortcut

    def forward(self, x):
        y = F.relu(getattr(self, f"{self.norm}1")(x))
        x = getattr(self, self.shortcut)(y) if self.shortcut else x
        for i in range(1, self.count + 1):
            y = F.relu(getattr(self, f"{self.norm}{i}")(y)) if i > 1 else y
            y = getattr(self, f"conv{i}")(y)
        return x + y


class TimmV2(nn.Module):
    def __init__(self, counts, classes=10):
        super().__init__()
        self.stem = nn.Sequential(OrderedDict(conv=conv(3, 64, 7, 2), pool=nn.MaxPool2d(3, 2, 1)))
        channels, stages = 64, []
        for s, count in enumerate(counts):
            width, blocks = 64 * 2**s, nn.Sequential()
            for b in range(count):
                first = (2 if s and not b else 1, "norm", "downsample", not b)
                blocks.append(PreActBlock(channels, (1, 3, 1), (width, width, 4 * width), *first))
                channels = 4 * width
            stages.append(nn.Sequential(OrderedDict(blocks=blocks)))
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(channels)
        self.head = nn.Sequential(OrderedDict(fc=nn.Conv2d(channels, classes, 1)))

    def forward(self, x):
        x = F.relu(self.norm(self.stages(self.stem(x))))
        return self.head(x.mean((2, 3), keepdim=True)).flatten(1)


class WideResNet(nn.Module):
    def __init__(self, depth, factor, classes=10):
        super().__init__()
        self.conv1, channels = conv(3, 16, 3), 16
        for s in range(3):
            width, blocks = 16 * factor * 2**s, []
            for b in range((depth - 4) // 6):
                stride = 2 if s and not b else 1
                blocks.append(PreActBlock(channels, (3, 3), (width, width), stride, "bn", "convShortcut", False))
                channels = width
            setattr(self, f"block{s + 1}", nn.Sequential(OrderedDict(layer=nn.Sequential(*blocks))))
        self.bn1, self.fc = nn.BatchNorm2d(channels), nn.Linear(channels, classes)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(F.relu(self.bn1(x)).mean((2, 3)))


class Unit(nn.Module):
    """A convolution and its norm, as transformers has them."""

    def __init__(self, c_in, c_out, kernel, stride=1, relu=True):
        super().__init__()
        self.convolution, self.normalization, self.relu = conv(c_in, c_out, kernel, stride), nn.BatchNorm2d(c_out), relu

    def forward(self, x):
        y = self.normalization(self.convolution(x))
        return F.relu(y) if self.relu else y


class TransformersBlock(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        same = stride == 1 and c_in == c_out
        self.shortcut = nn.Identity() if same else Unit(c_in, c_out, 1, stride, relu=False)
        self.layer = nn.Sequential(Unit(c_in, c_out, 3, stride), Unit(c_out, c_out, 3, relu=False))

    def forward(self, x):
        return F.relu(self.layer(x) + self.shortcut(x))


class TransformersResNet(nn.Module):
    """ResNetForImageClassification with basic blocks: its names, from the keys of published files."""

    def __init__(self, counts, classes=10):
        super().__init__()
        channels, stages = 64, []
        for s, count in enumerate(counts):
            blocks = []
            for b in range(count):
                blocks.append(TransformersBlock(channels, 64 * 2**s, 2 if s and not b else 1))
                channels = 64 * 2**s
            stages.append(nn.ModuleDict({"layers": nn.Sequential(*blocks)}))
        embedder = nn.ModuleDict({"embedder": Unit(3, 64, 7, 2)})
        encoder = nn.ModuleDict({"stages": nn.ModuleList(stages)})
        self.resnet = nn.ModuleDict({"embedder": embedder, "encoder": encoder})
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, x):
        x = F.max_pool2d(self.resnet["embedder"]["embedder"](x), 3, 2, 1)
        for stage in self.resnet["encoder"]["stages"]:
            x = stage["layers"](x)
        return self.classifier(x.mean((2, 3)))


def moved(net, seed=0):
    """``net`` in evaluation, with vectors and running statistics far from 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.dim() == 1:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.5 + 0.75)
    return net.eval()


def timm_hidden(channels):
    return Excite(channels, max(8, int(channels / 16 + 4) // 8 * 8))


# (name in minires, layout that is found, the network in PyTorch, rows and columns of an image)
NETWORKS = {
    "resnet18": ("torchvision", lambda: ResNet((2, 2, 2, 2)), 32),
    "resnet34": ("transformers", lambda: TransformersResNet((3, 4, 6, 3)), 32),
    "resnet50": ("torchvision", lambda: ResNet((3, 4, 6, 3), bottleneck=lambda p: (p, 1)), 32),
    "resnext50_32x4d": ("torchvision", lambda: ResNet((3, 4, 6, 3), bottleneck=lambda p: (2 * p, 32)), 32),
    "wide_resnet50_2": ("torchvision", lambda: ResNet((3, 4, 6, 3), bottleneck=lambda p: (2 * p, 1)), 32),
    "seresnet18": ("timm-seresnet", lambda: ResNet((2, 2, 2, 2), se=timm_hidden), 32),
    "resnetv2_50": ("timm-resnetv2", lambda: TimmV2((3, 4, 6, 3)), 32),
    "resnet14": ("akamaster", lambda: akamaster(14), 32),
    "resnet20": ("chenyaofo", lambda: ResNet((3, 3, 3), small=True), 32),
    "seresnet14": ("moskomule", lambda: ResNet((2, 2, 2), small=True, se=lambda c: ExciteLinear(c, c // 16)), 32),
    "wrn_16_2": ("xternalz", lambda: WideResNet(16, 2), 32),
}
