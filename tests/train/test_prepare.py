"""What is asked of a model and its data before a training begins."""

import numpy as np
from train.tiny_training import model, spread_model

from minires.train.prepare import why_not_one


def test_asking_whether_one_image_will_do_changes_nothing():
    one, other = model(), model()
    x = np.zeros((1, 1, 4, 4), np.float32)
    assert "1 value per channel" in str(why_not_one(one, x)) and why_not_one(spread_model(), x) is None
    assert why_not_one(spread := spread_model(), x) is None
    for a, b in ((one, other), (spread, spread_model())):
        assert [t.data.tobytes() for _, t in a.tensors()] == [t.data.tobytes() for _, t in b.tensors()]
        states = [[rng.bit_generator.state for _, rng in net.generators()] for net in (a, b)]
        assert states[0] == states[1]
