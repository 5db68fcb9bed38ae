"""Mistakes in pooling."""

from ..backend import xp_of
from ..layers import AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool2d, MaxPool2d
from ..layers.checks import as_gradient, as_input
from ..ops import crop, pad_images, windows
from .base import plant


class MaxPoolSteps(MaxPool2d):
    """The right backward, one method a step: each mutant below rewrites one of them."""

    def backward(self, dy, cache):
        winner, shape, size = cache
        dy = as_gradient(self, dy, winner.shape)
        dx = xp_of(dy).zeros(shape, dtype=dy.dtype)
        for k, view in self._windows(dx, winner.shape[2:]):
            self.scatter(view, dy, k, winner)
        return self.crop(dx, size)

    def scatter(self, view, dy, k, winner):
        view += dy * (winner == k)

    def crop(self, dx, size):
        return crop(dx, self.padding, size)


class GradientToEveryPixel(MaxPoolSteps):
    """The output of a window is its largest pixel: only that one gets the gradient, the others do not matter."""

    def scatter(self, view, dy, k, winner):
        view += dy


class GradientShared(MaxPoolSteps):
    """The whole gradient goes to the largest pixel: to share it among all pixels is average pooling."""

    def scatter(self, view, dy, k, winner):
        view += dy / (self.kernel[0] * self.kernel[1])


class WindowsOverwritten(MaxPoolSteps):
    """A pixel may win in several windows that overlap: add their gradients, do not overwrite them."""

    def scatter(self, view, dy, k, winner):
        view[...] = xp_of(dy).where(winner == k, dy, view)


class WinnerTransposed(MaxPoolSteps):
    """The places of a window are counted row by row, k = i KW + j: here rows and columns are exchanged."""

    def scatter(self, view, dy, k, winner):
        rows, columns = self.kernel
        view += dy * (winner == k % columns * rows + k // columns)


class PaddingNotCropped(MaxPoolSteps):
    """The border that forward added is no part of x: cut dx out from behind it, not from the corner."""

    def crop(self, dx, size):
        return dx[:, :, : size[0], : size[1]]


class PlacesSideBySide(MaxPool2d):
    """With dilation the places of a window lie apart: the gradient goes back to where forward looked."""

    def backward(self, dy, cache):
        winner, shape, size = cache
        dy = as_gradient(self, dy, winner.shape)
        dx = xp_of(dy).zeros(shape, dtype=dy.dtype)
        for k, (_, _, view) in enumerate(windows(dx, self.kernel, self.stride, (1, 1), winner.shape[2:])):
            view += dy * (winner == k)
        return crop(dx, self.padding, size)


class TiesCountedTwice(MaxPool2d):
    """Of equal pixels one is the winner: to give the gradient to each of them counts it twice."""

    def forward(self, x, train=False):
        y, (winner, shape, size) = super().forward(x, train)
        padded = pad_images(as_input(self, x), self.padding, value=float("-inf"))
        return y, ([value == y for _, value in self._windows(padded, winner.shape[2:])], shape, size)

    def backward(self, dy, cache):
        largest, shape, size = cache
        dy = as_gradient(self, dy, largest[0].shape)
        dx = xp_of(dy).zeros(shape, dtype=dy.dtype)
        for k, view in self._windows(dx, dy.shape[2:]):
            view += dy * largest[k]
        return crop(dx, self.padding, size)


class AvgPoolSteps(AvgPool2d):
    """The right backward, one method a step: each mutant below rewrites one of them."""

    def backward(self, dy, cache):
        count, shape, size = cache
        (n, c), (oh, ow) = shape[:2], count.shape
        share = self.share(as_gradient(self, dy, (n, c, oh, ow)), count)
        dx = xp_of(share).zeros(shape, dtype=share.dtype)
        for _, view in self._windows(dx, (oh, ow)):
            self.scatter(view, share)
        return crop(dx, self.padding, size)

    def share(self, dy, count):
        return dy / count

    def scatter(self, view, share):
        view += share


class NotDivided(AvgPoolSteps):
    """Each pixel entered the mean with the weight 1 / count: each gets dy / count back, not dy."""

    def share(self, dy, count):
        return dy


class DividedByStride(AvgPoolSteps):
    """The mean is over the KH KW pixels of the window; how far the windows are apart, SH SW, does not enter it."""

    def share(self, dy, count):
        return dy / (self.stride[0] * self.stride[1])


class EdgeCounted(AvgPoolSteps):
    """A window at the edge, or by ceil_mode beyond it, averages fewer pixels: divide by the count that forward took."""

    def share(self, dy, count):
        return dy / (self.kernel[0] * self.kernel[1])


class AverageOverwritten(AvgPoolSteps):
    """A pixel lies in several windows that overlap: add their gradients, do not overwrite them."""

    def scatter(self, view, share):
        view[...] = share


class GlobalNotDivided(GlobalAvgPool2d):
    """Each pixel entered the mean with the weight 1 / (H W): each gets dy / (H W) back, not dy."""

    def backward(self, dy, cache):
        h, w = cache[2:]
        return super().backward(dy, cache) * (h * w)


class GlobalDividedByImages(GlobalAvgPool2d):
    """The mean runs over the pixels of one image: the number of images does not divide it."""

    def backward(self, dy, cache):
        return super().backward(dy, cache) / cache[0]


class WindowsAlike(AdaptiveAvgPool2d):
    """The windows may differ in length: divide by that of each, not by H W / (OH OW), which need not be whole."""

    def backward(self, dy, cache):
        rows, columns, shape = cache
        alike = ((means > 0) * dy.dtype.type(means.shape[0] / means.shape[1]) for means in (rows, columns))
        return super().backward(dy, (*alike, shape))


class WeightsForgotten(AdaptiveAvgPool2d):
    """Each pixel entered the mean of its window with the weight 1 / length: it gets dy times that back, not dy."""

    def backward(self, dy, cache):
        rows, columns, shape = cache
        return super().backward(dy, ((rows > 0).astype(dy.dtype), (columns > 0).astype(dy.dtype), shape))


def _overlapping(cls, rng):
    return cls(3, stride=2, padding=1)


def _at_the_edge(cls, rng):
    return cls(3, stride=2, padding=1, count_include_pad=False, ceil_mode=True)


def _adaptive(cls, rng):
    return cls((2, 4))


def _dilated(cls, rng):
    return cls(2, stride=1, padding=1, dilation=2)


def _settled(cls, rng):
    return cls()


ROWS = (
    (MaxPool2d, GradientToEveryPixel, _overlapping),
    (MaxPool2d, GradientShared, _overlapping),
    (MaxPool2d, WindowsOverwritten, _overlapping),
    (MaxPool2d, WinnerTransposed, _overlapping),
    (MaxPool2d, PaddingNotCropped, _overlapping),
    (MaxPool2d, PlacesSideBySide, _dilated),
    (MaxPool2d, TiesCountedTwice, _overlapping),
    (AvgPool2d, NotDivided, _overlapping),
    (AvgPool2d, DividedByStride, _overlapping),
    (AvgPool2d, EdgeCounted, _at_the_edge),
    (AvgPool2d, AverageOverwritten, _overlapping),
    (AdaptiveAvgPool2d, WindowsAlike, _adaptive),
    (AdaptiveAvgPool2d, WeightsForgotten, _adaptive),
    (GlobalAvgPool2d, GlobalNotDivided, _settled),
    (GlobalAvgPool2d, GlobalDividedByImages, _settled),
)
MUTANTS = tuple(plant(right, wrong, build, (3, 4, 5, 6)) for right, wrong, build in ROWS)
