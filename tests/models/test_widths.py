"""Small networks of other widths: ``build("resnet20", widths=(8, 16, 32))``."""

import numpy as np
import pytest

from minires import train, weights
from minires.errors import RangeError
from minires.layers import Conv2d
from minires.models import build, certify, find, options_of
from minires.trace import trace

X = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
NAMES = ("resnet8", "preact_resnet8", "plain8", "highway8", "ho_resnet8_euler", "seresnet8", "digits_resnet8")
NAMES += ("digits_plain8",)


@pytest.mark.parametrize("name", NAMES)
def test_stages_have_these_channels(name):
    widths = (4, 6, 10)
    model = build(name, in_channels=3, widths=widths, rng=0)
    assert model["stem"](X).shape[1] == 4
    assert tuple(certify(name, widths=widths).stages[f"stage{s}"][0] for s in (1, 2, 3)) == widths
    assert model(X).shape == (2, 10)


@pytest.mark.parametrize("name", NAMES)
def test_the_default_is_the_network_of_the_paper(name):
    """Bit by bit: saying the widths that a network has changes no number."""
    widths = options_of(find(name)[0])["widths"]
    assert widths == ((8, 16, 32) if "digits" in name else (16, 32, 64))
    one, other = (build(name, rng=0, **options) for options in ({}, {"widths": list(widths)}))
    assert [p.data.tobytes() for _, p in one.params()] == [p.data.tobytes() for _, p in other.params()]


def test_resnet20_of_half_the_width_by_hand():
    """Stem 9 * 3 * 8 + 16; per block 18 C^2 + 4 C, two of them with half of the inputs; classes 33 * 10."""
    blocks = 3 * sum(18 * c * c + 4 * c for c in (8, 16, 32)) - 9 * 8 * 16 - 9 * 16 * 32
    assert certify("resnet20", widths=(8, 16, 32)).params == 9 * 3 * 8 + 16 + blocks + 330


def test_bottlenecks_end_in_four_times_the_channels():
    found = certify("resnet11", widths=(4, 8, 8), shortcut="B")
    assert [found.stages[f"stage{s}"][0] for s in (1, 2, 3)] == [16, 32, 32]
    convs = [layer for _, layer in build("resnet11", widths=(4, 8, 8), rng=0).walk() if isinstance(layer, Conv2d)]
    assert {conv.out_channels for conv in convs if conv.kernel == (3, 3)} == {4, 8}


@pytest.mark.parametrize(
    "widths", [(8, 16), (8, 16, 32, 64), (8, 0, 32), (8, True, 32), (8, 16.0, 32), 16, "abc", None]
)
@pytest.mark.parametrize("name", ["resnet8", "plain8", "highway8", "digits_resnet8", "ho_resnet8_euler", "seresnet8"])
def test_other_widths_are_refused(name, widths):
    with pytest.raises(RangeError, match=f"{name}: widths is .*, expected three integers from 1 to 2,048, such as"):
        build(name, widths=widths, rng=0)
    with pytest.raises(RangeError, match="widths is"):
        certify(name, widths=(8, 16, 2049))


def test_widths_that_fall_need_a_shortcut_with_weights():
    words = "resnet8: shortcut 'A' appends zero channels, but 32 channels become 16: widths must not fall, except with"
    with pytest.raises(RangeError, match=words):
        build("resnet8", widths=(32, 16, 16), rng=0)
    assert build("resnet8", widths=(32, 16, 8), shortcut="B", rng=0)(X).shape == (2, 10)


def test_traced_saved_loaded(tmp_path):
    model = build("resnet8", widths=(4, 8, 16), shortcut="A-both", rng=0)
    assert len(trace(model, X, np.array([1, 2])).forks) == 3
    weights.save_weights(tmp_path / "w.safetensors", model, layout="akamaster")
    other, origin = weights.build_with_weights("resnet8", tmp_path / "w.safetensors", widths=(4, 8, 16))
    assert origin.words() == "names of akamaster"
    np.testing.assert_array_equal(other(X), model(X))


def test_a_run_of_narrow_networks_is_built_again(tmp_path):
    config = train.TrainConfig(
        model="digits_resnet8", data="digits", option=("widths=2,4,8",), epochs=1, batch_size=256, run_dir=str(tmp_path)
    )
    train.fit(config)
    found = train.load_checkpoint(tmp_path)
    assert found.config.option == ("widths=2,4,8",)
    assert found.build_model()["stage3"](np.zeros((1, 4, 4, 4), np.float32)).shape == (1, 8, 2, 2)
    assert train.resume(tmp_path).epochs == 1
