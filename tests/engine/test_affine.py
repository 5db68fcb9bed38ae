"""What affine maps mean, on every device; against the layers see cpu/test_affine.py."""

import numpy as np

from minires import layers as L
from minires.backend import to_device, to_numpy
from minires.engine.affine import BatchNorm, RunningNorm
from minires.engine.values import Value


def test_affine_maps_mean_the_same_on_every_device(xp, device):
    """Coefficients, gradients, slopes and running statistics, without a word from the other device."""
    rng, y = np.random.default_rng(0), Value(0, 3, (2, 2))
    mean, var, s1, s2 = rng.uniform(0.5, 1.5, (4, 3))
    answers = []
    for place in ("cpu", device):
        norm = L.BatchNorm2d(3).to(dtype=np.float64, device=place)
        over, at = BatchNorm(0, norm, y), [to_device(a, place) for a in (mean, var, s1, s2)]
        of = over.coefficients(*at[:2])
        over.track(*at[:2])
        found = [*of, *over.slopes(*at[2:], of, 8), *RunningNorm(1, norm, y).coefficients()]
        found += [grad for _, grad in over.gradients(*at[2:], of.istd)] + [norm.running_var.data]
        answers.append([to_numpy(a) for a in found])
    assert all(np.array_equal(a, b) for a, b in zip(*answers, strict=True))
