"""Files of weights of any kind: what is in them, told by their content and not by their name."""

import mmap
import os
import stat
from dataclasses import dataclass, replace

from ..backend import Array
from ..errors import CheckpointError, DataFileError
from ..files import StrPath
from ..files.kind import HEAD, SAFETENSORS, UNKNOWN, kind_of
from ..files.npz import is_npz, read_npz
from ..files.safetensors import read_safetensors
from ..files.zip import read_directory
from .differences import shown
from .shards import find_file, is_index, read_index
from .torch_file import read_legacy, read_zip

# The format of a training, and what the names of its weights begin with
CHECKPOINT, MODEL = "minires checkpoint 1", "model."
# What wraps a model puts its name in front of all names: DataParallel, torch.compile, Lightning
PREFIXES = ("module.", "_orig_mod.", "model.")
IGNORED = "num_batches_tracked"  # PyTorch counts training batches in each batch norm, for a momentum of None
MAX_EXPANSION = 8  # how many times the size of its file the arrays may have in memory


@dataclass(frozen=True)
class WeightFile:
    """``entries``: {name: {name: StoredTensor}}, of most files one, ""; none of them read   ``texts``: the metadata."""

    path: str
    size: int
    entries: dict
    texts: dict

    def arrays(self, entry=None):
        """{name: NumPy array} of an entry, which need not be named where there is one. Raises CheckpointError."""
        tensors = self._tensors(entry)
        size = sum(tensor.nbytes for tensor in tensors.values())
        limit = MAX_EXPANSION * self.size + 2**20
        if size > limit:
            raise CheckpointError(
                f"{self.path}: its tensors need {size} bytes in memory, expected at most {limit} for a file of "
                f"{self.size}: it names the same numbers again and again; fetch it again from its official address"
            )
        return {name: tensor.array(f"{self.path}: {name}") for name, tensor in tensors.items()}

    def _tensors(self, entry):
        if entry is None and len(self.entries) == 1:
            return next(iter(self.entries.values()))
        if entry not in self.entries:
            found = "holds several sets of weights" if entry is None else f"has no entry {entry!r}"
            raise CheckpointError(f"{self.path} {found}, expected entry to be one of {self.names()}")
        return self.entries[entry]

    def names(self):
        """Of the entries, for people."""
        return ", ".join(f"{shown(name)!r}" for name in self.entries)


def open_weights(path):
    """Return the :class:`WeightFile` of a file of PyTorch (zip or legacy), NumPy (npz), safetensors or minires.

    An index of shards stands for their tensors, a folder for the index or the only file of weights in it. Counters of
    batches are left out, and of a checkpoint of minires only the model is taken, without its prefix.
    Raises :class:`~minires.errors.CheckpointError`.
    """
    path = os.fspath(path)
    try:
        path = find_file(path)
        data = _map(path)
        file = _open_shards(path, read_index(data)) if is_index(data) else open_file(path)
    except (ValueError, OSError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path}: {error}") from error
    start = MODEL if file.texts.get("format") == CHECKPOINT else ""
    entries = {
        entry: {
            name.removeprefix(start): tensor
            for name, tensor in tensors.items()
            if name.startswith(start) and name.rpartition(".")[2] != IGNORED
        }
        for entry, tensors in file.entries.items()
    }
    return replace(file, entries=entries)


def open_file(path):
    """The :class:`WeightFile` with all that is in it, under the names of the file. Errors: see :func:`open_weights`."""
    path = os.fspath(path)
    data = _map(path)
    try:
        if data[:4] == b"PK\3\4":
            members = read_directory(data)
            entries = {"": read_npz(data, members)} if is_npz(members) else read_zip(path, data, members)
            texts = {}
        elif data[:1] == b"\x80" and data[8:9] != b"{":  # the size of a safetensors header may begin like a pickle
            entries, texts = read_legacy(path, data), {}
        else:
            entries, texts = _read_other(path, data)
    except DataFileError as error:
        raise CheckpointError(
            f"{error}; if PyTorch saved a whole model, save the weights alone: torch.save(model.state_dict(), path)"
        ) from error
    except (ValueError, TypeError, OverflowError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path}: {error}: if the file is damaged, fetch it again") from error
    return WeightFile(path, len(data), entries, texts)


def _open_shards(path, shards):
    """The tensors of all shards of an index at ``path`` as one file."""
    size, tensors = 0, {}
    for name, wanted in shards.items():
        shard = open_file(os.path.join(os.path.dirname(path), name))
        found = next(iter(shard.entries.values())) if len(shard.entries) == 1 else {}
        if found.keys() != set(wanted):
            odd = sorted(found.keys() ^ set(wanted))
            more = f"{shown(odd[0])} and {len(odd) - 1} more"
            raise ValueError(f"shard {name} has not the tensors that the index says: {more}")
        size, tensors = size + shard.size, tensors | found
    return WeightFile(path, size, {"": tensors}, {})


def read_weights(path: StrPath, *, entry: str | None = None) -> dict[str, Array]:
    """Return ``{name: NumPy array}`` of any file of weights, with the names of the file (see :func:`open_weights`).

    Names lose the prefix of a wrapper that all of them have ("module."). Where the file holds several sets of weights,
    ``entry`` says which. Types stay as they are, but for bfloat16, which comes as float32. Raises CheckpointError.
    """
    arrays = open_weights(path).arrays(entry)
    while prefix := next((p for p in PREFIXES if arrays and all(name.startswith(p) for name in arrays)), None):
        arrays = {name.removeprefix(prefix): array for name, array in arrays.items()}
    return arrays


def _map(path):
    """The bytes of a file, read where they are used."""
    try:
        with open(path, "rb", opener=_open) as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode) or facts.st_size < 10:
                kind = f"a file of {facts.st_size} bytes" if stat.S_ISREG(facts.st_mode) else "no file"
                raise CheckpointError(f"{path} is {kind}, expected a file of weights: check the path")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        reason = getattr(error, "strerror", None) or error
        message = f"{path} cannot be read ({reason}), expected a file of weights: check the path"
        raise CheckpointError(message) from error


def _open(path, flags):
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe without a writer would block for ever


def _read_other(path, data):
    what, remedy = kind_of(data[:HEAD])
    if what != SAFETENSORS and not what.startswith(UNKNOWN):
        expected = "a file of PyTorch, NumPy (npz), safetensors or minires"
        raise CheckpointError(f"{path} is {what}, expected {expected}: {remedy}")
    tensors, texts = read_safetensors(path, data)
    return {"": tensors}, texts
