"""Lists of calls as bytes, for a process that has the same arena, see :mod:`.helper`."""

import io
import pickle
from types import FunctionType

import numpy as np

from ..values import Unsuited
from . import calls


class _Pickler(pickle.Pickler):
    """Arrays of the arena go as their places, read-only ones as they are; others would not be seen to change."""

    def __init__(self, file, arena, places):
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._arena, self._places = arena, places

    def persistent_id(self, value):
        if type(value) is not np.ndarray:
            return None
        if id(value) not in self._places:
            (offset,) = self._arena.where([value])
            self._places[id(value)] = offset
        offset = self._places[id(value)]
        if offset is not None:
            return offset, value.shape, value.dtype.str, value.strides
        if value.flags.writeable:
            raise Unsuited("it calls what holds arrays of its own")
        return None

    def reducer_override(self, value):
        ours = getattr(value, "__module__", None) == calls.__name__
        if isinstance(value, (type, FunctionType)) and not ours and value.__module__.split(".")[0] != "numpy":
            raise Unsuited(f"it calls {value.__qualname__}")
        return NotImplemented


def packed(tasks, arena):
    """The bytes of [(spent, [[calls of each step] of each chunk]), ...]. Raises Unsuited, and what pickle does."""
    arrays = [
        array
        for _, chunks in tasks
        for lists in chunks
        for each in lists
        for _, arguments in each
        for array in arguments
        if type(array) is np.ndarray
    ]
    file = io.BytesIO()
    _Pickler(file, arena, dict(zip(map(id, arrays), arena.where(arrays)))).dump(tasks)
    return file.getvalue()
