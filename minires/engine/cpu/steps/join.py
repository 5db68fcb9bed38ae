"""Everything between two convolutions: batch norm, addition, ReLU, in one pass over memory; one for the gradient."""

import numpy as np

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
                    np.multiply(rows[block], scale, out=part)
                    np.add(part, shift, out=part)
                else:
                    np.add(rows[block], shift, out=part)
                if begun:
                    np.add(out, part, out=out)
                begun = True
            for rows in plain:
                if begun:
                    np.add(out, rows[block], out=out)
                else:
                    np.copyto(out, rows[block])
                begun = True
            for image, term in strided:
                if not begun:
                    out[...] = 0
                    begun = True
                kept = place_of(term, y.image[block])
                np.add(kept, image[block], out=kept)
            if self.relu:
                np.clip(out, 0, np.inf, out=out)  # half the time of np.maximum


class JoinGradient:
    """Z = dy where the ReLU was open, in place, and its sums for each affine map."""

    def __init__(self, record):
        join, self.dy = record.operation, record.dy
        self.maps = join.maps
        then = [_Mask(join.y)] if join.relu else []
        self.assembly = Assembly(record.parts, record.based, join.y.size, then + [_Sums(a) for a in self.maps])

    def __call__(self, frame, i, workspace):
        for affine in self.maps:
            frame.slopes[affine].s1[i] = frame.slopes[affine].s2[i] = 0
        self.assembly(frame, i, frame.gradient(self.dy, i), workspace)


class _Mask:
    """Z = 0 where the ReLU was closed."""

    def __init__(self, y):
        self.y = y

    def __call__(self, frame, i, block, z, workspace):
        y = frame.forward.chunk(self.y, i, workspace).rows[block]
        open_ = workspace.mask(z.shape)
        np.greater(y, 0, out=open_)
        np.multiply(z, open_, out=z)


class _Sums:
    """S1 = sum Z and, where there is a scale, S2 = sum Z (y - mean) of one block."""

    def __init__(self, affine):
        self.affine = affine

    def __call__(self, frame, i, block, z, workspace):
        affine, n = self.affine, frame.sizes[i]
        state, slopes = frame.forward.states[affine], frame.slopes[affine]
        slopes.s1[i] += state.fold(np.add.reduce(z, axis=0), n)
        if affine.scales:
            y = frame.forward.chunk(affine.y, i, workspace).rows[block]
            product = workspace.array("addend", z.shape)
            np.subtract(y, state.tiles[n][2], out=product)
            np.multiply(product, z, out=product)
            slopes.s2[i] += state.fold(np.add.reduce(product, axis=0), n)
