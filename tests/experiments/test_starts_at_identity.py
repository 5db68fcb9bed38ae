"""A plain network that starts at the identity: what the verdict turns on, and that it does start there."""

import numpy as np
import pytest
from experiments.edges import require_edge

from minires.experiments import EXPERIMENTS, starts_at_identity
from minires.files.picture import new_figure
from minires.layers import Conv2d
from minires.models import build

EXPERIMENT = EXPERIMENTS["starts_at_identity"]
NUMBERS = {
    "loss": {name: [2.0, 1.0] for name in ("He's rule", "identity", "residual")},
    "accuracy": {"He's rule": 0.3, "identity": 0.78, "residual": 0.98},
}


@pytest.mark.parametrize(
    ("name", "bound", "inside"), [("He's rule", 0.78 - 0.15, -1), ("residual", 0.95, +1), ("identity", 0.98 - 0.03, -1)]
)
def test_each_bound_turns_the_verdict(name, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, ("accuracy", name), bound, inside)


def test_a_kernel_without_noise_is_the_identity(monkeypatch):
    monkeypatch.setattr(starts_at_identity, "NOISE", 0.0)
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 5)).astype(np.float32)
    for channels in (4, 8):
        layer = Conv2d(4, channels, 3, padding=1, bias=False, rng=0)
        layer.weight.data[...] = starts_at_identity.start(layer.weight.data)
        assert (layer(x) == np.concatenate([x] * (channels // 4), axis=1)).all()


def test_the_rest_is_a_tenth_of_the_network_as_drawn():
    drawn, made = build(starts_at_identity.PLAIN, rng=3), starts_at_identity.at_the_identity(3)
    for (path, before), (_, after) in zip(drawn.params(), made.params(), strict=True):
        if path.startswith("stage") and before.data.ndim == 4:
            off = np.ones((3, 3), bool)
            off[1, 1] = False
            np.testing.assert_allclose(after.data[..., off], 0.1 * before.data[..., off], rtol=1e-6)
            assert (after.data[..., 1, 1] - 0.1 * before.data[..., 1, 1]).sum() == pytest.approx(
                len(after.data), rel=1e-5
            )
        else:
            assert (after.data == before.data).all()


def test_the_condition_says_all_three():
    condition = EXPERIMENT.verdict([NUMBERS]).condition
    assert "accuracy of 0.78, by He's rule 0.30, and with shortcuts, which keep the identity, 0.98" in condition


def test_the_picture_has_a_line_for_each_training():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS, NUMBERS], figure)
    assert len(figure.axes[0].lines) == 6
