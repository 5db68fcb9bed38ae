"""Everything between two convolutions: batch norm, addition, ReLU, in one pass over memory."""

import numpy as np


class Join:
    """y = relu(sum of terms), each behind its affine map; one pass over memory."""

    def __init__(self, operation, plan):
        self.terms, self.relu, self.y = operation.details["terms"], operation.details["relu"], operation.output
        self.affine = [t for t in self.terms if t.affine is not None]
        self.plain = [t for t in self.terms if t.plain]
        self.strided = [t for t in self.terms if t.strided]

    def keeps(self):
        return [t.value for t in self.affine if t.affine.scales] + ([self.y] if self.relu else [])

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
        strided = [(t.part(frame.chunk(t.value, i, workspace).image), t) for t in self.strided]
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
                kept = term.place(y.image[block])
                np.add(kept, image[block], out=kept)
            if self.relu:
                np.clip(out, 0, np.inf, out=out)  # half the time of np.maximum
