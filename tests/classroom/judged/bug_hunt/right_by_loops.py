# right
# in NumPy alone, training included
import numpy as np


def conv(x, w, stride, pad):
    x = np.pad(x.astype(float), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    k = w.shape[-1]
    rows, columns = ((size - k) // stride + 1 for size in x.shape[2:])
    y = np.zeros((len(x), len(w), rows, columns))
    for i in range(rows):
        for j in range(columns):
            patch = x[:, :, i * stride : i * stride + k, j * stride : j * stride + k]
            y[:, :, i, j] = np.tensordot(patch, w, ([1, 2, 3], [1, 2, 3]))
    return y


def bn(x, part, train):
    mean, var = (part.running_mean.data, part.running_var.data) if not train else (x.mean((0, 2, 3)), x.var((0, 2, 3)))
    mean, var, gamma, beta = (a.reshape(1, -1, 1, 1) for a in (mean, var, part.gamma.data, part.beta.data))
    return gamma * (x - mean) / np.sqrt(var + 1e-5) + beta


def test_block(build):
    rng = np.random.default_rng(11)
    for n, m, stride, train in ((3, 4, 2, False), (3, 4, 2, True), (4, 4, 1, False)):
        block, x = build(n, m, stride), rng.normal(size=(3, n, 7, 6)).astype(np.float32)
        f = bn(conv(x, block.conv1.weight.data, stride, 1), block.bn1, train)
        f = bn(conv(f * (f > 0), block.conv2.weight.data, 1, 1), block.bn2, train)
        h = bn(conv(x, block.shortcut.weight.data, stride, 0), block.shortcut_bn, train) if stride > 1 else x
        y, _ = block.forward(x, train)
        np.testing.assert_allclose(y, (h + f).clip(0), rtol=1e-3, atol=1e-4)
