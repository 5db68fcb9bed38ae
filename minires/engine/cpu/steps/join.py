"""Everything between two convolutions: batch norm, addition, ReLU, in one pass over memory; one for the gradient."""

import numpy as np

from ..affine import sum_rows
from ..assembly import Assembly, part_of, place_of


class JoinStep:
    """y = relu(sum of terms), each behind its affine map; one pass over memory."""

    def __init__(self, operation, forward):
        self.relu, self.y = operation.relu, operation.y
        self.affine = [t for t in operation.terms if t.affine is not None]
        self.plain = [t for t in operation.terms if t.plain]
        self.strided = [t for t in operation.terms if t.strided]

    def forward(self, frame, i, workspace):
        y, n = frame.chunk(self.y, i, workspace), frame.sizes[i]
        scaled = [
            (
                frame.chunk(t.value, i, workspace).rows,
                frame.states[t.affine].tiles[n][:2],
                frame.states[t.affine].scale is not None,
            )
            for t in self.affine
        ]
        plain = [frame.chunk(t.value, i, workspace).rows for t in self.plain]
        strided = [(part_of(t, frame.chunk(t.value, i, workspace).image), t) for t in self.strided]
        for block in frame.blocks(self.y.size, y):
            out = y.rows[block]
            begun = False
            for rows, (scale, shift), scales in scaled:
                part = workspace.array("addend", out.shape) if begun else out
                if scales:
                    workspace.do(np.multiply, rows[block], scale, part)
                    workspace.do(np.add, part, shift, part)
                else:
                    workspace.do(np.add, rows[block], shift, part)
                if begun:
                    workspace.do(np.add, out, part, out)
                begun = True
            for rows in plain:
                if begun:
                    workspace.do(np.add, out, rows[block], out)
                else:
                    workspace.do(np.copyto, out, rows[block])
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
        self.maps = join.maps
        then = [_Mask(join.y)] if join.relu else []
        then += [_Sums(affine, k) for k, affine in enumerate(self.maps)]
        self.assembly = Assembly(record.parts, record.based, join.y.size, then, near)

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

    def __call__(self, frame, i, block, z, workspace):
        affine, n, first = self.affine, frame.sizes[i], block.start == 0
        state, pair = frame.forward.states[affine], workspace.array(self.name, (1 + affine.scales, *z.shape[1:]))
        sum_rows(z, None, pair[0], first, workspace)
        if affine.scales:
            y = frame.forward.chunk(affine.y, i, workspace).rows[block]
            if not state.near:
                apart = workspace.array("addend", z.shape)
                workspace.do(np.subtract, y, state.tiles[n][2], apart)
                y = apart
            sum_rows(z, y, pair[1], first, workspace)
        if block.stop == affine.y.size[0]:
            frame.slopes[affine].take(i, n, pair, workspace)
