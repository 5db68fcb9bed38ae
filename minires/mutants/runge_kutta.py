"""Mistakes in the steps of Runge-Kutta methods."""

from ..layers import Conv2d, RungeKutta, Sequential, Tanh
from .base import plant


class Parallel(RungeKutta):
    """k_j depends on k_i through the input of f_j: besides b_i dy each f_i gets a_ji v_j of all that come later."""

    def terms(self, dy, cache):
        functions = zip(self.functions.items(), self.b, cache)
        return {"shortcut": dy, **{name: f.backward(b * dy, one) for (name, f), b, one in functions}}


class StepForgotten(RungeKutta):
    """y begins with x itself: the term dy is missing from dx."""

    def terms(self, dy, cache):
        terms = super().terms(dy, cache)
        del terms["shortcut"]
        return terms


class IntoTheNextAlone(RungeKutta):
    """Each input x + sum a_ij k_j holds x: v_i belongs to dx for every i, not only for the first."""

    def terms(self, dy, cache):
        terms = super().terms(dy, cache)
        return {"shortcut": dy, "k1": terms["k1"]}


class TableauNotTransposed(RungeKutta):
    """Forward reads row i of a, what f_i takes; backward needs column i, what takes k_i."""

    def terms(self, dy, cache):
        vs = {}
        for i, (name, function) in reversed(list(enumerate(self.functions.items()))):
            u = self.b[i] * dy
            for weight, v in zip(self.a[len(self.b) - 1 - i], vs.values()):
                u = u + weight * v
            vs[name] = function.backward(u, cache[i])
        return {"shortcut": dy, **vs}


def _ralston(cls, rng):
    return cls("ralston", *_functions(2, rng))


def _kutta3(cls, rng):
    return cls("kutta3", *_functions(3, rng))


def _functions(count, rng):
    return [Sequential(Conv2d(4, 4, 3, padding=1, rng=rng), Tanh()) for _ in range(count)]


ROWS = ((Parallel, _ralston), (StepForgotten, _ralston), (IntoTheNextAlone, _ralston), (TableauNotTransposed, _kutta3))
MUTANTS = tuple(plant(RungeKutta, wrong, build, (3, 4, 5, 6)) for wrong, build in ROWS)
