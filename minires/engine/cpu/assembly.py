"""Gradients put together chunk by chunk, block by block: what :mod:`minires.engine.gradients` describes."""

import numpy as np

from ..gradients import Alias, Strided
from .affine import whole
from .crew import dealt
from .memory import spare


class Assembly:
    """Writes the sum of a value's contributions into a chunk, block by block.

    based: whether the target holds a part of the sum already   near: a share that waits in the work area
    mask: is applied to each block, and ``sums`` are taken of it while it is there
    """

    def __init__(self, contributions, based, near=None, mask=None, sums=()):
        self.strided = [c for c in contributions if isinstance(c, Strided)]
        others = [c for c in contributions if not isinstance(c, Strided)]
        self.others = [(_alias if isinstance(c, Alias) else _scaled, c) for c in others]
        self.others += [(_near, near)] if near is not None else []
        self.based, self.mask, self.sums = based, mask, sums

    def __call__(self, frame, i, target, workspace):
        started = self.based
        for c in self.strided:
            _strided(frame, i, c, target.image, not started, workspace)
            started = True
        bands = frame.bands(target)
        totals = [each.totals(len(bands), target, workspace) for each in self.sums]
        for (k, band), area in dealt(list(enumerate(bands)), workspace):
            for block in band:
                out = target.rows[block]
                begun = started
                for add, c in self.others:
                    add(frame, i, c, block, out, not begun, area)
                    begun = True
                if self.mask is not None:
                    self.mask(frame, i, block, out, area)
                for each, parts in zip(self.sums, totals):
                    each.add(frame, i, block, out, parts[k], block is band[0], area)
        for each, parts in zip(self.sums, totals):
            each.take(frame, i, whole(parts, workspace), workspace)


def _alias(frame, i, contribution, block, out, first, workspace):
    z = frame.gradient(contribution.buffer, i).rows[block]
    if first:
        workspace.do(np.copyto, out, z)
    else:
        workspace.do(np.add, out, z, out)


def _near(frame, i, share, block, out, first, workspace):
    workspace.do(np.add, out, share.place(frame, i, workspace).rows[block], out)


def _scaled(frame, i, contribution, block, out, first, workspace):
    if not first:
        addend = workspace.array("addend", out.shape)
        _scaled(frame, i, contribution, block, addend, True, workspace)
        workspace.do(np.add, out, addend, out)
        return
    affine, n = contribution.affine, frame.sizes[i]
    z = frame.gradient(contribution.buffer, i).rows[block]
    if affine.over_batch:
        y = frame.forward.chunk(affine.y, i, workspace)
        slope, level = frame.slopes[affine].tiles[n]
        workspace.do(np.multiply, y.rows[block], slope, out)
        workspace.do(np.add, out, level, out)
        workspace.do(np.add, out, z, out)
        if contribution.scaled:
            workspace.do(np.multiply, out, frame.forward.states[affine].tiles[n][0], out)
    elif contribution.scaled:
        workspace.do(np.multiply, z, frame.forward.states[affine].tiles[n][0], out)
    else:
        workspace.do(np.copyto, out, z)


def _strided(frame, i, contribution, image, first, workspace):
    z = place_of(contribution.term, frame.gradient(contribution.buffer, i).image)
    if first:
        workspace.do(image.fill, 0)
    kept = part_of(contribution.term, image)
    workspace.do(np.add, kept, z, kept)


def part_of(term, image):
    """The part of an image (H, W, n, C) of the value that stands in the sum."""
    return image[:: term.step, :: term.step, :, term.start : term.stop]


def place_of(term, image):
    """Where the part stands in an image of the sum."""
    return image[..., term.before : term.before + term.width]


class Share:
    """Where an operation writes its share of a gradient: the buffer, or the work area if that holds others already.

    form: of the buffer   k: which of the operation's shares   ``waits``: for the next step to add it
    """

    waits = False

    def __init__(self, target, form, k=0):
        self.buffer, self.adds, self.form, self.name = target.buffer, target.adds, form, ("share", k)

    def place(self, frame, i, workspace):
        if self.adds:
            return spare(workspace, self.form, frame.sizes[i], self.name)
        return frame.gradient(self.buffer, i)

    def close(self, frame, i, place, workspace):
        """Add a share that was written to the work area."""
        if self.adds and not self.waits:
            total = frame.gradient(self.buffer, i).rows
            workspace.do(np.add, total, place.rows, total)
