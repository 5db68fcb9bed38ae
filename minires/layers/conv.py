"""Convolution as a matrix product (im2col), and its transpose (col2im)."""

from typing import Any

from ..backend import Array
from ..errors import RangeError
from ..initializers import Rng, he_normal, zeros
from ..ops import col2im, crop, im2col, out_sizes, pad_images
from .base import Layer, Param
from .checks import Border, Pair, as_gradient, as_input, border, pair, positive


class Conv2d(Layer):
    """2-D convolution (a cross-correlation, as everywhere in deep learning), as one matrix product.

    x: (N, C, H, W)   weight: (M, C/G, KH, KW)   bias: (M,)   y: (N, M, OH, OW)
    OH = floor((H + 2 PH - DH (KH - 1) - 1) / SH) + 1, OW likewise; P padding, S stride, D dilation, G groups
    ``padding``: an integer, (PH, PW), or ((top, bottom), (left, right)); then top + bottom stands for 2 PH

        y[n, m, r, s] = bias[m] + sum_{c, i, j} weight[m, c, i, j] x[n, c, r SH + i DH - PH, s SW + j DW - PW]

    With W = weight as (M, C KH KW) and col = im2col(x), one column for each of the N OH OW output pixels:

        y = W col + bias      dW = dy col^T      dx = col2im(W^T dy)      dbias = sum_{n, r, s} dy

    G groups are G such products on C/G input and M/G output channels each; G = C is a depthwise convolution.
    The cache holds the padded x, not col, which is KH KW times larger; backward builds col again.
    ``weight`` starts from :func:`~minires.initializers.he_normal` with fan-in C/G KH KW, ``bias`` from zero.
    im2col: Chellapilla et al. 2006, "High Performance Convolutional Neural Networks for Document Processing".
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Pair,
        *,
        stride: Pair = 1,
        padding: Border = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = False,
        rng: Rng,
    ) -> None:
        self.in_channels = positive(self, in_channels=in_channels)
        self.out_channels = positive(self, out_channels=out_channels)
        self.kernel = pair(self, kernel=kernel)
        self.stride = pair(self, stride=stride)
        self.padding = border(self, padding)
        self.dilation = pair(self, dilation=dilation)
        self.groups = positive(self, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise RangeError(
                f"groups={groups} does not divide both in_channels={in_channels} and out_channels={out_channels}: "
                "choose a common divisor",
                layer="Conv2d",
            )
        shape = (out_channels, in_channels // groups, *self.kernel)
        self.weight = Param(he_normal(shape, in_channels // groups * self.kernel[0] * self.kernel[1], rng))
        self.bias = Param(zeros(out_channels)) if bias else None

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, "NCHW", like=self.weight.data, C=self.in_channels)
        n, _, *size = x.shape
        out = out_sizes(size, self.kernel, self.stride, self.padding, self.dilation, layer="Conv2d")
        x = pad_images(x, self.padding)
        y = self._grouped(self._weight_rows()) @ self._grouped(self._im2col(x, out))
        y = y.reshape(self.out_channels, n, *out).transpose(1, 0, 2, 3)
        if self.bias is not None:
            y = y + self.bias.data[:, None, None]
        return y, (x, size, out)

    def backward(self, dy: Array, cache: Any) -> Array:
        x, size, out = cache
        dy = as_gradient(self, dy, (len(x), self.out_channels, *out), like=x)
        dy = dy.transpose(1, 0, 2, 3).reshape(self.out_channels, -1)
        if self.bias is not None and not self.bias.frozen:
            self.bias.add_grad(dy.sum(axis=1))
        dy = self._grouped(dy)
        if not self.weight.frozen:
            dweight = dy @ self._grouped(self._im2col(x, out)).swapaxes(-1, -2)
            self.weight.add_grad(dweight.reshape(self.weight.data.shape))
        dcol = self._grouped(self._weight_rows()).swapaxes(-1, -2) @ dy
        return crop(col2im(dcol, x.shape, self.kernel, self.stride, self.dilation, out), self.padding, size)

    def _weight_rows(self):
        """weight as a matrix: (M, C/G KH KW)."""
        return self.weight.data.reshape(self.out_channels, -1)

    def _im2col(self, x, out):
        return im2col(x, self.kernel, self.stride, self.dilation, out)

    def _grouped(self, matrix):
        """(G R, S) -> (G, R, S): the rows of each group; one group stays a plain matrix."""
        return matrix if self.groups == 1 else matrix.reshape(self.groups, -1, matrix.shape[-1])
