"""Everything between two convolutions: batch norm, addition, ReLU, in one pass over memory; one for the gradient."""

import numpy as np

from ..affine import sum_rows
from ..assembly import Assembly, part_of, place_of
from ..crew import dealt


class JoinStep:
    """y = relu(sum of terms), each behind its affine map; one pass over memory."""

    def __init__(self, operation, forward):
        self.relu, self.y = operation.relu, operation.y
        self.affine = [t for t in operation.terms if t.affine is not None]
        self.plain = [t for t in operation.terms if t.plain]
        self.strided = [t for t in operation.terms if t.strided]

    def forward(self, frame, i, workspace):
        y, n = frame.chunk(self.y, i, workspace), frame.sizes[i]
        scaled = [(frame.chunk(t.value, i, workspace), frame.states[t.affine]) for t in self.affine]
        plain = [frame.chunk(t.value, i, workspace) for t in self.plain]
        strided = [(part_of(t, frame.chunk(t.value, i, workspace).image), t) for t in self.strided]
        for band, area in dealt(frame.bands(y), workspace):
            for block in band:
                self._join(y, n, block, scaled, plain, strided, area)

    def _join(self, y, n, block, scaled, plain, strided, workspace):
        out = y.rows[block]
        begun = False
        for value, state in scaled:
            part = workspace.array("addend", out.shape) if begun else out
            scale, shift, _ = state.tiles[n]
            if state.scale is not None:
                workspace.do(np.multiply, value.rows[block], scale, part)
                workspace.do(np.add, part, shift, part)
            else:
                workspace.do(np.add, value.rows[block], shift, part)
            if begun:
                workspace.do(np.add, out, part, out)
            begun = True
        for value in plain:
            if begun:
                workspace.do(np.add, out, value.rows[block], out)
            else:
                workspace.do(np.copyto, out, value.rows[block])
            begun = True
        for image, term in strided:
            if not begun:
                workspace.do(out.fill, 0)
                begun = True
            kept = place_of(term, y.image[block])
            workspace.do(np.add, kept, image[block], kept)
        if self.relu:
            workspace.do(np.clip, out, 0, np.inf, out)  # half the time of np.maximum


class JoinGradient:
    """Z = dy where the ReLU was open, in place, and its sums for each affine map; near: a share of dy"""

    def __init__(self, record, near=None):
        join, self.dy = record.operation, record.dy
        mask = _Mask(join.y) if join.relu else None
        sums = [_Sums(affine, k) for k, affine in enumerate(join.maps)]
        self.assembly = Assembly(record.parts, record.based, near, mask, sums)

    def __call__(self, frame, i, workspace):
        self.assembly(frame, i, frame.gradient(self.dy, i), workspace)


class _Mask:
    """Z = 0 where the ReLU was closed."""

    def __init__(self, y):
        self.y = y

    def __call__(self, frame, i, block, z, workspace):
        y = frame.forward.chunk(self.y, i, workspace).rows[block]
        open_ = workspace.mask(z.shape)
        workspace.do(np.greater, y, 0, open_)
        workspace.do(np.multiply, z, open_, z)


class _Sums:
    """S1 = sum Z and, where there is a scale, S2 = sum Z (y - mean), block by block; see :class:`..affine.Slopes`.

    k: which of the maps of its join
    """

    def __init__(self, affine, k):
        self.affine, self.name = affine, ("sums", k)

    def totals(self, bands, z, workspace):
        """Room for the sums of the rows of so many bands of Z."""
        return workspace.array(self.name, (bands, 1 + self.affine.scales, *z.rows.shape[1:]))

    def add(self, frame, i, block, z, totals, first, workspace):
        affine, n, state = self.affine, frame.sizes[i], frame.forward.states[self.affine]
        sum_rows(z, None, totals[0], first, workspace)
        if affine.scales:
            y = frame.forward.chunk(affine.y, i, workspace).rows[block]
            if not state.near:
                apart = workspace.array("addend", z.shape)
                workspace.do(np.subtract, y, state.tiles[n][2], apart)
                y = apart
            sum_rows(z, y, totals[1], first, workspace)

    def take(self, frame, i, totals, workspace):
        frame.slopes[self.affine].take(i, frame.sizes[i], totals, workspace)
