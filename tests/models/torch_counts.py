"""What networks cost, counted on layers of PyTorch on its device "meta", which computes shapes and no numbers.

Each network is a function of images, written from its paper; of minires it knows nothing. ``tally(layer, x)`` applies
a layer and adds its parameters and, for one image, its multiply-adds.
"""

from oracles.pytorch import F, nn, torch

META = {"device": "meta"}


class Tally:
    def __init__(self):
        self.params = self.macs = 0

    def __call__(self, layer, x):
        y = layer(x)
        self.params += sum(p.numel() for p in layer.parameters())
        if isinstance(layer, nn.Conv2d):
            kh, kw = layer.kernel_size
            self.macs += y.shape[2] * y.shape[3] * kh * kw * layer.in_channels * layer.out_channels // layer.groups
        elif isinstance(layer, nn.Linear):
            self.macs += layer.in_features * layer.out_features
        return y

    def conv(self, x, channels, kernel, stride=1, groups=1, bias=False):
        settings = {"stride": stride, "padding": kernel // 2, "groups": groups, "bias": bias}
        return self(nn.Conv2d(x.shape[1], channels, kernel, **settings, **META), x)

    def bn(self, x):
        return self(nn.BatchNorm2d(x.shape[1], **META), x)

    def conv_bn(self, x, *args, **settings):
        return self.bn(self.conv(x, *args, **settings))

    def preact(self, x, *args, **settings):
        return self.conv(self.bn(x), *args, **settings)

    def linear(self, x, width):
        return self(nn.Linear(x.shape[1], width, **META), x)

    def se(self, x, hidden, bias=False, norm=False):
        s = self.conv(x.mean((2, 3), keepdim=True), hidden, 1, bias=bias)
        return x * torch.sigmoid(self.conv(self.bn(s) if norm else s, x.shape[1], 1, bias=bias))


def count(network, image, in_channels=3, **settings):
    """(parameters, multiply-adds) of ``network(tally, x, **settings)``."""
    tally = Tally()
    network(tally, torch.zeros(2, in_channels, image, image, **META), **settings)
    return tally.params, tally.macs


def option_a(x, like):
    x = x[:, :, :: x.shape[2] // like.shape[2], :: x.shape[2] // like.shape[2]]
    return F.pad(x, (0, 0, 0, 0, 0, like.shape[1] - x.shape[1]))


def shortcut(t, x, y, stride, option):
    if option == "none":
        return y
    if option == "B" and x.shape != y.shape:
        return y + t.conv_bn(x, y.shape[1], 1, stride)
    return y + (x if x.shape == y.shape else option_a(x, y))


def basic(t, x, width, stride, option="B", se=None):
    y = t.conv_bn(t.conv_bn(x, width, 3, stride), width, 3)
    return shortcut(t, x, t.se(y, width // se) if se else y, stride, option)


def bottleneck(t, x, width, stride, option="B", inner=lambda width: width, groups=1, se=False):
    y = t.conv_bn(t.conv_bn(x, inner(width), 1), inner(width), 3, stride, groups)
    y = t.conv_bn(y, 4 * width, 1)
    y = t.se(y, max(8, 8 * round(width / 32)), bias=True) if se else y  # a sixteenth of 4 width, in eights
    return shortcut(t, x, y, stride, option)


def pre_basic(t, x, width, stride, projection=True):
    a = t.bn(x)
    y = t.preact(t.conv(a, width, 3, stride), width, 3)
    if x.shape == y.shape:
        return x + y
    return y + (t.conv(a, width, 1, stride) if projection else option_a(x, y))


def pre_bottleneck(t, x, width, stride, on_1x1=False):
    a = t.bn(x)
    y = t.preact(t.conv(a, width, 1, stride if on_1x1 else 1), width, 3, 1 if on_1x1 else stride)
    y = t.preact(y, 4 * width, 1)
    return y + (x if x.shape == y.shape else t.conv(a, 4 * width, 1, stride))


def res2(t, x, planes, stride, width, scale, groups=1):
    """Gao et al. 2019: s groups of channels; those of the first block of a stage stand apart."""
    w = planes * width // 64 * groups
    parts, ys = t.conv_bn(x, w * scale, 1).chunk(scale, dim=1), []
    first = x.shape[1] != 4 * planes
    for part in parts[:-1]:
        ys.append(t.conv_bn(part if first or not ys else part + ys[-1], w, 3, stride, groups))
    ys.append(F.avg_pool2d(parts[-1], 3, stride, 1) if first else parts[-1])
    return shortcut(t, x, t.conv_bn(torch.cat(ys, 1), 4 * planes, 1), stride, "B")


def highway_layer(t, x, width, stride):
    if stride == 2:
        return t.conv(x, width, 3, stride, bias=True)
    return t.conv(x, width, 3, bias=True) * torch.sigmoid(t.conv(x, width, 3, bias=True)) + x


def step(t, x, width, stride, functions):
    """A Runge-Kutta step, which option A stands before; its functions are called once each."""
    if stride == 2:
        x = option_a(x, x[:, :1, ::2, ::2].expand(-1, width, -1, -1))
    for _ in range(functions):
        x = x + t.preact(t.preact(x, width, 3), width, 3)
    return x


def residual(t, x, block, counts, widths, classes, stem=None, preact=False, plain_head=False, **settings):
    """A stem of ``stem`` channels for small images, by default that for ImageNet; stages; mean and linear layer."""
    bare = preact or plain_head
    if stem is None:
        x = t.conv(x, 64, 7, 2)
        x = F.max_pool2d(x if bare else t.bn(x), 3, 2, 1)
    else:
        x = t.conv(x, stem, 3, bias=plain_head)
        x = x if bare else t.bn(x)
    for s, (width, blocks) in enumerate(zip(widths, counts)):
        for b in range(blocks):
            x = block(t, x, width, 2 if s and not b else 1, **settings)
    return t.linear((t.bn(x) if preact else x).mean((2, 3)), classes)


def densenet(t, x, counts, k, classes, bottleneck=True, imagenet=False, stem=None):
    x = F.max_pool2d(t.conv_bn(x, 2 * k, 7, 2), 3, 2, 1) if imagenet else t.conv(x, stem or 2 * k, 3)
    for b, layers in enumerate(counts):
        if b:
            x = F.avg_pool2d(t.preact(x, x.shape[1] // 2 if bottleneck else x.shape[1], 1), 2)
        for _ in range(layers):
            h = t.preact(x, 4 * k, 1) if bottleneck else x
            x = torch.cat([x, t.preact(h, k, 3)], dim=1)
    return t.linear(t.bn(x).mean((2, 3)), classes)


def vgg(t, x, plan, hidden, classes, norm):
    for convs, width in zip(plan, (64, 128, 256, 512, 512)):
        for _ in range(convs):
            x = t.conv(x, width, 3, bias=True)
            x = t.bn(x) if norm else x
        x = F.max_pool2d(x, 2)
    x = F.adaptive_avg_pool2d(x, 7).flatten(1)
    return t.linear(t.linear(t.linear(x, hidden), hidden), classes)


def nin(t, x, classes):
    for kernel, widths in ((5, (192, 160, 96)), (5, (192, 192, 192)), (3, (192, 192, classes))):
        for width, k in zip(widths, (kernel, 1, 1)):
            x = t.conv(x, width, k, bias=True)
        if widths[2] != classes:
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
    return x.mean((2, 3))


# 1x1 | 3x3 reduce, 3x3 | 5x5 reduce, 5x5 | behind the pool
INCEPTION = """64 96 128 16 32 32, 128 128 192 32 96 64 pool, 192 96 208 16 48 64, 160 112 224 24 64 64,
128 128 256 24 64 64, 112 144 288 32 64 64, 256 160 320 32 128 128 pool, 256 160 320 32 128 128,
384 192 384 48 128 128"""


def googlenet(t, x, classes, paper=False):
    """paper: 5x5 convolutions and biases; else 3x3 and batch norm, as torchvision."""

    def conv(x, *sizes):
        return t.conv(x, *sizes, bias=True) if paper else t.conv_bn(x, *sizes)

    def pool(x, kernel=3):
        return F.max_pool2d(x, kernel, 2, ceil_mode=True)

    x = pool(conv(conv(pool(conv(x, 64, 7, 2)), 64, 1), 192, 3))
    for i, line in enumerate(INCEPTION.split(",")):
        *widths, last = line.split() if "pool" in line else (*line.split(), "")
        a, b, c, d, e, f = map(int, widths)
        five = conv(conv(x, d, 1), e, 5 if paper else 3)
        x = torch.cat([conv(x, a, 1), conv(conv(x, b, 1), c, 3), five, conv(F.max_pool2d(x, 3, 1, 1), f, 1)], dim=1)
        if last:
            x = pool(x, 2 if i > 2 and not paper else 3)
    return t.linear(x.mean((2, 3)), classes)


def rexnet(t, x, w, classes):
    """Han et al. 2020: channels 16 w + 180 w i / 16, for w of at least 1."""
    x = t.conv_bn(x, round(32 * w), 3, 2)
    strides = {1: 2, 3: 2, 5: 2, 11: 2}
    for i in range(16):
        c, stride = round(16 * w + 180 * w * i / 16), strides.get(i, 1)
        h = t.conv_bn(x, 6 * x.shape[1], 1) if i else x
        h = t.conv_bn(h, h.shape[1], 3, stride, h.shape[1])
        h = t.se(h, h.shape[1] // 12, bias=True, norm=True) if i >= 3 else h
        y = t.conv_bn(h, c, 1)
        x = y + F.pad(x, (0, 0, 0, 0, 0, c - x.shape[1])) if stride == 1 and x.shape[1] <= c else y
    return t.linear(t.conv_bn(x, int(1280 * w), 1).mean((2, 3)), classes)
