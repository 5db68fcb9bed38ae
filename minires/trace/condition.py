"""Conditions on recorded arrays, such as ``norm(shortcut) < .1 * norm(branch)``: a small language, read by ``ast``.

Nothing is ever handed to ``eval``: each node of the parsed text is one of the few below, or refused.
"""

import ast
import operator

import numpy as np

from ..errors import RangeError
from .norms import norm

LONGEST = 300  # characters: keeps nesting far from the limits of the parser, and integers below 1e308

MEASURES = {
    "norm": norm,
    "mean": lambda a: a.mean(dtype=np.float64),
    "min": lambda a: a.min(),
    "max": lambda a: a.max(),
    "std": lambda a: a.std(dtype=np.float64),
    "zeros": lambda a: (a == 0).mean(),
    "nonfinite": lambda a: np.count_nonzero(~np.isfinite(a)),
}
BINARY = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
UNARY = {ast.UAdd: operator.pos, ast.USub: operator.neg, ast.Not: operator.not_}
COMPARE = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def measure(name, array):
    """One of :data:`MEASURES` of an array, as a float.

    "norm" is Euclidean, "zeros" the fraction of exact zeros, "nonfinite" the number of NaN and infinities.
    Of an array without entries, norm and nonfinite are 0 and the others NaN.
    """
    if array.size == 0:
        return 0.0 if name in ("norm", "nonfinite") else np.nan
    with np.errstate(all="ignore"):
        return float(MEASURES[name](array))


class Condition:
    """A question about named arrays: numbers, + - * / **, comparisons, and / or / not, measures of one array each.

    >>> condition = Condition("norm(x) > 4 and zeros(x) == 0", names={"x", "y"})
    >>> condition.met({"x": np.array([3.0, 4.0])}), condition.met({"y": np.array([3.0, 4.0])})
    (True, False)

    Every value is a double in IEEE arithmetic: 1 / 0 is infinite, a comparison is 1 or 0, and what is not 0 is true.
    ``names`` are the names that may occur. Raises :class:`~minires.errors.RangeError` for any other text.
    """

    def __init__(self, text, names):
        self.text, self.names, self._allowed = text, set(), names
        if len(text) > LONGEST:
            raise RangeError(f"the condition has {len(text)} characters, expected at most {LONGEST}: shorten it")
        try:
            tree = ast.parse(text.strip(), mode="eval")
        except (SyntaxError, ValueError) as error:  # ValueError: a zero byte, or an integer of too many digits
            raise self._refuse(f"it cannot be read ({getattr(error, 'msg', error)})") from error
        self._value = self._build(tree.body)

    def met(self, arrays):
        """Whether it holds for ``arrays``: {name: NumPy array}; it does not where one of its names is missing."""
        if not self.names <= arrays.keys():
            return False
        with np.errstate(all="ignore"):
            return bool(self._value(arrays))

    def _build(self, node):
        """The function {name: array} -> float64 that computes ``node``."""
        match node:
            case ast.Constant(value=value) if type(value) in (int, float):
                number = np.float64(value)
                return lambda arrays: number
            case ast.UnaryOp(op=op, operand=operand):
                function, inner = UNARY.get(type(op)), self._build(operand)
                if function:
                    return lambda arrays: np.float64(function(inner(arrays)))
            case ast.BinOp(op=op, left=left, right=right) if type(op) in BINARY:
                function, a, b = BINARY[type(op)], self._build(left), self._build(right)
                return lambda arrays: function(a(arrays), b(arrays))
            case ast.BoolOp(op=op, values=values):
                return _either([self._build(v) for v in values], stop_at=isinstance(op, ast.Or))
            case ast.Compare(ops=ops, left=left, comparators=right) if all(type(op) in COMPARE for op in ops):
                return _chain([COMPARE[type(op)] for op in ops], [self._build(v) for v in (left, *right)])
            case ast.Call(func=ast.Name(id=function), args=[ast.Name(id=name)], keywords=[]):
                return self._measure(function, name)
            case ast.Name(id=name):
                self._require(name)
                raise self._refuse(f"{name} is an array, expected a number: take norm({name}), mean({name}), ...")
        found = ast.unparse(node)
        raise self._refuse(f"{found} is none of numbers, + - * / **, comparisons, and, or, not, and norm(x), ...")

    def _measure(self, function, name):
        if function not in MEASURES:
            raise self._refuse(f"there is no function {function}, expected one of {', '.join(MEASURES)}")
        self._require(name)
        self.names.add(name)
        return lambda arrays: np.float64(measure(function, arrays[name]))

    def _require(self, name):
        if name not in self._allowed:
            raise self._refuse(f"there is no array {name}, expected one of {', '.join(sorted(self._allowed))}")

    def _refuse(self, why):
        return RangeError(f"condition {self.text!r}: {why}")


def _either(parts, stop_at):
    """``and`` (stop_at=False) and ``or`` (True) as in Python: the first part that decides, else the last."""

    def value(arrays):
        for part in parts:
            found = part(arrays)
            if bool(found) is stop_at:
                break
        return found

    return value


def _chain(functions, parts):
    """a < b < c as in Python: every neighbouring pair must hold."""

    def value(arrays):
        values = [part(arrays) for part in parts]
        return np.float64(all(f(a, b) for f, a, b in zip(functions, values, values[1:])))

    return value
