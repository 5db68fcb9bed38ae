"""Memory that other processes see as well, see :mod:`.helpers`."""

import mmap
import os
import threading
import weakref

import numpy as np


class Arena:
    """Arrays in a file that has no name and lies in memory; who gets its number (``file``) can map it.

    Raises OSError, or AttributeError, where the system has none: memfd_create is of Linux.
    """

    def __init__(self):
        self.file, self._size, self._lock = os.memfd_create("minires"), 0, threading.Lock()
        self._places = {}  # {address: (length, offset in the file)}
        weakref.finalize(self, os.close, self.file)

    def zeros(self, numbers, dtype):
        """An array of zeros. Its memory goes back to the system with the last array that shows a part of it."""
        length = -(-max(1, numbers * np.dtype(dtype).itemsize) // mmap.PAGESIZE) * mmap.PAGESIZE
        with self._lock:
            os.ftruncate(self.file, self._size + length)
            piece = _Piece(self.file, length, offset=self._size)
            array = np.frombuffer(piece, dtype, numbers)
            self._places[_address(array)] = length, self._size
            self._size += length
        weakref.finalize(piece, self._places.pop, _address(array), None)
        return array

    def where(self, arrays):
        """The offset of the first number of each array in the file, None for one that lies elsewhere."""
        places = sorted(self._places.copy().items())
        starts = np.array([address for address, _ in places], np.int64)
        addresses = np.array([_address(array) for array in arrays], np.int64)
        found = []
        for address, k in zip(addresses, np.searchsorted(starts, addresses, "right") - 1):
            start, (length, offset) = places[k] if k >= 0 else (0, (0, 0))
            found.append(int(offset + address - start) if address < start + length else None)
        return found


class _Piece(mmap.mmap):
    """A part of the file, which is cut out of it at its end; but not at that of a copy in a process that was forked."""

    def __init__(self, *_, **__):
        self._process, self._remove = os.getpid(), mmap.MADV_REMOVE

    def __del__(self, process=os.getpid):  # names are gone when Python ends
        if self._process == process():
            try:
                self.madvise(self._remove)
            except OSError:  # not everywhere: then it goes back with the file
                pass


def _address(array):
    return array.__array_interface__["data"][0]
