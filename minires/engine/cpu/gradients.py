"""Gradients on their way: a value that several operations read collects one contribution from each.

Most contributions need no memory of their own. The gradient of a sum is the same array for each of its terms, that of
a batch norm is affine in what stands already there; both are kept as descriptions (:class:`Alias`, :class:`Strided`,
:class:`Scaled`) and computed where the sum is wanted, block by block while it is in the cache.
"""

import numpy as np

from .memory import Chunk

BLOCK = 262_144  # numbers of a block of rows: few calls, as two threads wait for each other's interpreter lock


def blocks_of(rows, length):
    """Slices of ``rows`` rows of ``length`` numbers."""
    many = max(1, BLOCK // length)
    return [slice(r, min(r + many, rows)) for r in range(0, rows, many)]


class Buffer:
    """Memory for the gradient of values of one form. ``readers``: the contributions that still refer to it."""

    def __init__(self, channels, size, extent):
        self.form = channels, size, extent
        self.readers = 0
        self.place = None  # which array of this form


class Alias:
    """The array itself."""

    def __init__(self, buffer):
        self.buffer = buffer
        self.slopes = None

    def add(self, frame, i, block, out, first, workspace):
        z = frame.gradient(self.buffer, i).rows[block]
        if first:
            np.copyto(out, z)
        else:
            np.add(out, z, out=out)


class Scaled:
    """Through an affine map: scale (Z + slope y + level), see :mod:`~minires.engine.cpu.affine`.

    With ``scaled=False`` the factor is left to the filters of the convolution that y comes from.
    """

    def __init__(self, buffer, affine, value):
        self.buffer, self.affine, self.value, self.scaled = buffer, affine, value, affine.scales
        self.slopes = affine if affine.over_batch else None

    def add(self, frame, i, block, out, first, workspace):
        z = frame.gradient(self.buffer, i).rows[block]
        if not first:
            self.add(frame, i, block, workspace.array("addend", out.shape), True, workspace)
            np.add(out, workspace.array("addend", out.shape), out=out)
            return
        n = frame.sizes[i]
        if self.slopes is not None:
            y = frame.forward.chunk(self.value, i, workspace)
            slope, level = frame.slopes[self.affine].tiles[n]
            np.multiply(y.rows[block], slope, out=out)
            np.add(out, level, out=out)
            np.add(out, z, out=out)
            if self.scaled:
                np.multiply(out, frame.forward.states[self.affine].tiles[n][0], out=out)
        elif self.scaled:
            np.multiply(z, frame.forward.states[self.affine].tiles[n][0], out=out)
        else:
            np.copyto(out, z)


class Strided:
    """From every step-th pixel and some of the channels: the transpose of subsampling and of zero channels."""

    def __init__(self, buffer, term):
        self.buffer, self.term, self.slopes = buffer, term, None

    def add_image(self, frame, i, image, first):
        z = self.term.place(frame.gradient(self.buffer, i).image)
        if first:
            image[...] = 0
        kept = self.term.part(image)
        np.add(kept, z, out=kept)


class Pending:
    """What the gradient of one value is made of so far: what operations have written, and what is only described."""

    def __init__(self):
        self.written, self.described = None, []

    def waits(self):
        return {c.slopes for c in self.described if c.slopes is not None}


class Assembly:
    """Writes the sum of a value's contributions into a chunk, block by block, and lets others join each block.

    based: whether the target holds a part of the sum already   then: functions that see each block while it is there
    """

    def __init__(self, contributions, based, size, then=()):
        self.strided = [c for c in contributions if isinstance(c, Strided)]
        self.others = [c for c in contributions if not isinstance(c, Strided)]
        self.based, self.then = based, then
        self.size = size

    def __call__(self, frame, i, target, workspace):
        started = self.based
        for c in self.strided:
            c.add_image(frame, i, target.image, not started)
            started = True
        for block in frame.blocks(self.size, target):
            out = target.rows[block]
            begun = started
            for c in self.others:
                c.add(frame, i, block, out, not begun, workspace)
                begun = True
            for each in self.then:
                each(frame, i, block, out, workspace)


def spare(workspace, form, n, border=0, name="spare"):
    """A chunk of the work area, zero around its image."""
    channels, size, extent = form
    key = name, form, n, border

    def make():
        flat = workspace.flat(key, Chunk.numbers(n, channels, extent, border))
        return Chunk(flat, n, channels, size, extent, border)

    return workspace.views(("chunk", *key), make)


def place_of(frame, i, workspace, target, k=0):
    """Where the k-th share of a gradient is written: its buffer, or the work area if that holds others already."""
    if target is None:
        return None
    buffer, adds = target
    return spare(workspace, buffer.form, frame.sizes[i], 0, ("share", k)) if adds else frame.gradient(buffer, i)


def share_in(frame, i, target, share):
    """Add a share that was written to the work area."""
    if target is not None and target[1]:
        total = frame.gradient(target[0], i).rows
        np.add(total, share.rows, out=total)
