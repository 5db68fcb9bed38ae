"""What ``cupyx.distributed`` makes, for ranks that are threads, on the stand-in for CuPy."""

import sys
from types import SimpleNamespace

import numpy as np


class Gpus:
    """all_reduce, all_to_all and all_gather as CuPy's NCCLBackend has them; ``calls`` counts them."""

    def __init__(self, comm):
        self.comm, self.calls = comm.Dup(), []

    def _done(self, name, request):
        self.calls.append(name)
        while not request.Test():
            pass

    def all_reduce(self, in_array, out_array, op="sum", stream=None):
        found = np.empty_like(in_array._host)
        self._done("all_reduce", self.comm.Iallreduce(in_array._host, found))
        out_array._host[...] = found

    def all_to_all(self, in_array, out_array, stream=None):
        assert in_array.shape[0] == self.comm.size
        self._done("all_to_all", self.comm.Ialltoall(in_array._host, out_array._host))

    def all_gather(self, in_array, out_array, count, stream=None):
        assert in_array.size == count and in_array.dtype == out_array.dtype
        self._done("all_gather", self.comm.Iallgather(in_array._host, out_array._host))


def join(monkeypatch, comms, gpus=8):
    """Let :func:`~minires.backend.join_gpus` give each rank a :class:`Gpus`; returns them, {rank: Gpus}."""
    made = {}

    def init_process_group(n_devices, rank, *, backend, use_mpi):
        assert (n_devices, backend, use_mpi) == (len(comms), "nccl", True)
        return made.setdefault(rank, Gpus(comms[rank]))

    monkeypatch.setitem(sys.modules, "cupyx", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "cupyx.distributed", SimpleNamespace(init_process_group=init_process_group))
    monkeypatch.setattr(sys.modules["cupy"].cuda.runtime, "getDeviceCount", lambda: gpus)
    return made
