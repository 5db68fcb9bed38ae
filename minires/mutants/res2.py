"""Mistakes in the hierarchical split."""

from ..backend import xp_of
from ..layers import Conv2d, Res2, Sequential, Tanh
from .base import plant


class GroupsApart(Res2):
    """y_{i-1} is in the input of f_i too: it gets the gradient u_i besides its own dy."""

    def backward(self, dy, cache):
        _, caches = cache
        *groups, last = self._groups(dy)
        us = [f.backward(group, one) for f, group, one in zip(self.functions.values(), groups, caches)]
        return xp_of(dy).concatenate([*us, last], axis=1)


class LastGroupForgotten(Res2):
    """The last group passes as it is: its gradient is its dy, not zero."""

    def backward(self, dy, cache):
        dx = super().backward(dy, cache)
        width = dy.shape[1] // (len(self.functions) + 1)
        return xp_of(dy).concatenate([dx[:, :-width], 0 * dx[:, -width:]], axis=1)


class FirstToLast(Res2):
    """y_{i-1} is added to group i, so the gradient runs from the last function to the first, not as forward did."""

    def backward(self, dy, cache):
        _, caches = cache
        *groups, last = self._groups(dy)
        us = []
        for f, group, one in zip(self.functions.values(), groups, caches):
            us.append(f.backward(group + us[-1] if us else group, one))
        return xp_of(dy).concatenate([*us, last], axis=1)


def _res2(cls, rng):
    return cls(*(Sequential(Conv2d(1, 1, 3, padding=1, rng=rng), Tanh()) for _ in range(3)))


MUTANTS = tuple(plant(Res2, wrong, _res2, (3, 4, 5, 6)) for wrong in (GroupsApart, LastGroupForgotten, FirstToLast))
