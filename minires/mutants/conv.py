"""Mistakes in convolution: forward, and the gradient of the input."""

from ..backend import xp_of
from ..layers import Conv2d
from ..layers.checks import as_gradient
from ..ops import col2im, crop, sides, windows
from .base import plant


class ConvSteps(Conv2d):
    """The right backward, one method a step: each mutant below rewrites one of them.

    dy: (N, M, OH, OW)   dy as rows: (M, N OH OW)
    """

    def backward(self, dy, cache):
        x, size, out = cache
        dy = as_gradient(self, dy, (len(x), self.out_channels, *out), like=x)
        rows = self.rows(dy)
        if self.bias is not None:
            self.bias.grad += self.dbias(dy)
        self.weight.grad += self.dweight(rows, x, out)
        return self.crop(self.col2im(self.dcol(rows), x.shape, out), size)

    def rows(self, dy):
        return dy.transpose(1, 0, 2, 3).reshape(self.out_channels, -1)

    def dbias(self, dy):
        return dy.sum(axis=(0, 2, 3))

    def dweight(self, rows, x, out):
        dweight = self._grouped(rows) @ self._grouped(self._im2col(x, out)).swapaxes(-1, -2)
        return dweight.reshape(self.weight.data.shape)

    def dcol(self, rows):
        return self._grouped(self.kernels().reshape(self.out_channels, -1)).swapaxes(-1, -2) @ self._grouped(rows)

    def kernels(self):
        return self.weight.data

    def col2im(self, dcol, shape, out):
        return col2im(dcol, shape, self.kernel, self.stride, self.dilation, out)

    def crop(self, dx, size):
        return crop(dx, self.padding, size)


class KernelNotFlipped(ConvSteps):
    """dx is a convolution of dy with the flipped kernel: here the kernel is laid on dy as it was laid on x."""

    def kernels(self):
        return self.weight.data[:, :, ::-1, ::-1]


class ChannelsNotExchanged(ConvSteps):
    """dx sums over the output channels of the kernel, dx = W^T dy: input and output channels exchange their roles."""

    def kernels(self):
        return self.weight.data.swapaxes(0, 1)


class PaddingNotCropped(ConvSteps):
    """The image starts PH rows and PW columns inside the padded one: cut dx there, not at the corner."""

    def crop(self, dx, size):
        return dx[:, :, : size[0], : size[1]]


class PaddingLeftOn(ConvSteps):
    """Not cut at all."""

    def crop(self, dx, size):
        return dx


class CutAtTheEnd(ConvSteps):
    """From the other corner."""

    def crop(self, dx, size):
        return dx[:, :, -size[0] :, -size[1] :]


class PaddingOffByOne(ConvSteps):
    """The border is PH rows and PW columns wide: dx is cut at another place, one pixel beside it."""

    def crop(self, dx, size):
        h, w = (p + 1 for p in self.padding)
        return dx[:, :, h : h + size[0], w : w + size[1]]


class PaddingOneTooSmall(ConvSteps):
    """One pixel too early."""

    def crop(self, dx, size):
        h, w = (max(p - 1, 0) for p in self.padding)
        return dx[:, :, h : h + size[0], w : w + size[1]]


class CroppedFromTheOtherSide(ConvSteps):
    """Where the border is wider on one side, dx begins behind what forward added before the image: top and left."""

    def crop(self, dx, size):
        (_, bottom), (_, right) = sides(self.padding)
        return dx[:, :, bottom : bottom + size[0], right : right + size[1]]


class StrideIgnored(ConvSteps):
    """Window (r, s) starts at pixel (r SH, s SW): its gradient must go back there, not to (r, s)."""

    def col2im(self, dcol, shape, out):
        return col2im(dcol, shape, self.kernel, (1, 1), self.dilation, out)


class DilationIgnored(ConvSteps):
    """Entry (i, j) of the kernel saw pixel (i DH, j DW) of its window: its gradient must go back there."""

    def col2im(self, dcol, shape, out):
        return col2im(dcol, shape, self.kernel, self.stride, (1, 1), out)


class ColumnsOverwritten(ConvSteps):
    """Windows overlap, so a pixel takes part in several outputs: col2im adds their gradients, it does not overwrite."""

    def col2im(self, dcol, shape, out):
        n, c = shape[:2]
        dcol = dcol.reshape(c, *self.kernel, n, *out)
        dx = xp_of(dcol).zeros(shape, dtype=dcol.dtype)
        for i, j, view in windows(dx, self.kernel, self.stride, self.dilation, out):
            view[...] = dcol[:, i, j].transpose(1, 0, 2, 3)
        return dx


class GroupsMixed(ConvSteps):
    """The gradient of a group goes back to the input channels of that group, not to those of another."""

    def dcol(self, rows):
        return super().dcol(rows)[::-1]


class RowsNotTransposed(ConvSteps):
    """reshape does not move axes: bring the channels of dy to the front before the images are flattened."""

    def rows(self, dy):
        return dy.reshape(self.out_channels, -1)


class RowsNotTransposedInDx(ConvSteps):
    """In dx alone."""

    def backward(self, dy, cache):
        x, size, out = cache
        super().backward(dy, cache)
        return self.crop(self.col2im(self.dcol(dy.reshape(self.out_channels, -1)), x.shape, out), size)


class RowsNotTransposedInDweight(ConvSteps):
    """In dweight alone."""

    def dweight(self, rows, x, out):
        dy = rows.reshape(self.out_channels, len(x), -1).swapaxes(0, 1)
        return super().dweight(dy.reshape(self.out_channels, -1), x, out)


class RowsNotTransposedInForward(ConvSteps):
    """The columns of forward hold the channels first, too."""

    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        bias = 0 if self.bias is None else self.bias.data[:, None, None]
        return (y - bias).swapaxes(0, 1).reshape(y.shape) + bias, cache


class KernelFlippedInForward(ConvSteps):
    """A convolution layer lays the kernel on x as it is; the convolution of mathematics would flip it first."""

    def _weight_rows(self):
        return self.kernels().reshape(self.out_channels, -1)

    def kernels(self):
        return self.weight.data[:, :, ::-1, ::-1]

    def dweight(self, rows, x, out):
        return super().dweight(rows, x, out)[:, :, ::-1, ::-1]


def plain(cls, rng):
    return cls(4, 5, 3, padding=1, bias=True, rng=rng)


def _square(cls, rng):
    return cls(4, 4, 3, padding=1, bias=True, rng=rng)


def _grouped(cls, rng):
    return cls(4, 6, 3, stride=2, padding=1, groups=2, rng=rng)


def _lopsided(cls, rng):
    return cls(4, 3, 3, padding=((0, 1), (2, 1)), rng=rng)


def _dilated(cls, rng):
    return cls(4, 2, 3, padding=2, dilation=2, rng=rng)


ROWS = (
    (KernelNotFlipped, plain),
    (ChannelsNotExchanged, _square),
    (PaddingNotCropped, plain, PaddingLeftOn, CutAtTheEnd),
    (PaddingOffByOne, _dilated, PaddingOneTooSmall),
    (CroppedFromTheOtherSide, _lopsided),
    (StrideIgnored, _grouped),
    (DilationIgnored, _dilated),
    (ColumnsOverwritten, plain),
    (GroupsMixed, _grouped),
    (RowsNotTransposed, plain, RowsNotTransposedInDx, RowsNotTransposedInDweight, RowsNotTransposedInForward),
)
MUTANTS = tuple(plant(Conv2d, wrong, build, (3, 4, 5, 6), forms) for wrong, build, *forms in ROWS)
SILENT = (plant(Conv2d, KernelFlippedInForward, plain, (3, 4, 5, 6)),)
