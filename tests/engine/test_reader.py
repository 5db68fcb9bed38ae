"""What the reader makes of the layers, in the three modes."""

import pytest

from minires import layers as L
from minires.engine.operations import Foreign, Join
from minires.engine.reader import Reader
from minires.engine.values import Unsuited
from minires.models.blocks import basic_block


def kinds(model, mode="train", shape=(2, 4, 8, 8)):
    return [type(operation).__name__ for operation in Reader(shape, mode).read(model).operations]


def joins(model, mode="train", shape=(2, 4, 8, 8)):
    """For each join: the affine maps of its terms (None: the value itself), and whether a ReLU follows."""
    found = []
    for operation in Reader(shape, mode).read(model).operations:
        if isinstance(operation, Join):
            found.append(([t.affine and type(t.affine).__name__ for t in operation.terms], operation.relu))
    return found


def conv(c=4, **settings):
    return L.Conv2d(c, 4, 3, padding=1, rng=0, **settings)


def v1():
    branch = L.Sequential(conv(), L.BatchNorm2d(4), L.ReLU(), conv(), L.BatchNorm2d(4))
    return L.Sequential(L.Residual(branch), L.ReLU())


def v2():
    return L.Residual(L.Sequential(L.BatchNorm2d(4), L.ReLU(), conv(), L.BatchNorm2d(4), L.ReLU(), conv()))


def test_a_block_of_v1_is_two_convolutions_and_two_joins():
    assert kinds(v1()) == ["Load", "Convolution", "Join", "Convolution", "Join", "Store"]
    assert joins(v1()) == [(["BatchNorm"], True), (["BatchNorm", None], True)]
    assert joins(v1(), "eval") == [(["RunningNorm"], True), (["RunningNorm", None], True)]
    assert joins(v1(), "infer") == [(["FoldedNorm"], True), (["FoldedNorm", None], True)]


def test_a_block_of_v2():
    assert kinds(v2()) == ["Load", "Join", "Convolution", "Join", "Convolution", "Join", "Store"]
    assert joins(v2()) == [(["BatchNorm"], True), (["BatchNorm"], True), ([None, None], False)]
    assert joins(v2(), "infer") == [(["RunningNorm"], True), (["FoldedNorm"], True), ([None, None], False)]


def test_option_a_is_a_term_of_the_sum():
    block = basic_block(4, 8, 2, "A", rng=0)
    (join, *_) = [o for o in Reader((2, 4, 8, 8), "train").read(block).operations if len(o.inputs) == 2]
    term = next(t for t in join.terms if t.affine is None)
    assert (term.step, term.before, term.after) == (2, 0, 4)
    assert term.size == (4, 4) and term.channels == 8


@pytest.mark.parametrize("mode", ["train", "eval", "infer"])
def test_a_bias_is_a_term_and_goes_into_a_batch_norm_in_inference(mode):
    assert joins(L.Sequential(conv(bias=True), L.ReLU()), mode) == [(["Bias"], True)]
    found = joins(L.Sequential(conv(bias=True), L.BatchNorm2d(4)), mode)
    norm = {"train": "BatchNorm", "eval": "RunningNorm"}
    assert found == ([(["FoldedNorm"], False)] if mode == "infer" else [(["Bias"], False), ([norm[mode]], False)])


def test_a_batch_norm_is_not_folded_where_others_read_the_convolution():
    model = L.Sequential(conv(), L.Residual(L.BatchNorm2d(4)))
    assert joins(model, "infer") == [(["RunningNorm", None], False)]


def test_a_convolution_of_a_convolution_reads_a_copy():
    """Tiles of the first may reach beyond the image, where the second needs zeros."""
    assert kinds(L.Sequential(conv(), conv())) == ["Load", "Convolution", "Join", "Convolution", "Store"]
    assert joins(L.Sequential(conv(), conv())) == [([None], False)]


def test_what_no_rule_fits_stays_whole():
    class Own(L.ReLU):
        def forward(self, x, train=False):
            return super().forward(x, train)

    model = L.Sequential(conv(), L.GroupNorm(2, 4), conv(), Own(), L.Dropout(0.5, rng=0), L.Flatten())
    assert kinds(model) == ["Load", "Convolution", "Store", "Foreign", "Load", "Convolution", "Store", *["Foreign"] * 3]
    paths = [o.path for o in Reader((2, 4, 8, 8), "train").read(model).operations if isinstance(o, Foreign)]
    assert paths == ["1", "3", "4", "5"]


def test_a_subclass_runs_fast_until_it_overrides_a_method(monkeypatch):
    class Named(L.ReLU):
        """Another name."""

    class Stem(L.Sequential):
        def __init__(self):
            super().__init__(conv(), Named())

    assert kinds(Stem()) == ["Load", "Convolution", "Join", "Store"]
    monkeypatch.setattr(Named, "backward", lambda self, dy, cache: 2 * dy, raising=False)
    assert kinds(Stem()) == ["Load", "Convolution", "Store", "Foreign"]
    monkeypatch.setattr(Stem, "forward", L.Sequential.forward, raising=False)
    assert kinds(Stem()) == ["Load", "Convolution", "Store", "Foreign"], "the very same method"
    monkeypatch.setattr(Stem, "forward", lambda self, x, train=False: L.Sequential.forward(self, x, train))
    assert kinds(Stem()) == ["Foreign"]


def test_layers_are_probed_where_their_parameters_are(xp, device):
    """A layer without a rule is asked for its shape: on the device of its parameters."""
    model = L.Sequential(conv(), L.GroupNorm(2, 4), L.Flatten(), L.Linear(256, 3, rng=0)).to(device=device)
    operations = Reader((2, 4, 8, 8), "train").read(model).operations
    assert [type(o).__name__ for o in operations] == ["Load", "Convolution", "Store", *["Foreign"] * 3]
    assert operations[-1].y.shape == (3,)


def test_reading_changes_nothing():
    model = L.Sequential(conv(), L.Dropout(0.5, rng=0), L.BatchNorm2d(4))
    before = [t.data.tobytes() for _, t in model.tensors()], [g.bit_generator.state for _, g in model.generators()]
    Reader((2, 4, 8, 8), "train").read(model)
    assert before == (
        [t.data.tobytes() for _, t in model.tensors()],
        [g.bit_generator.state for _, g in model.generators()],
    )


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (conv(), (2, 3, 8, 8)),
        (conv(), (2, 4)),
        (L.Conv2d(4, 4, 5, rng=0), (2, 4, 4, 4)),
        (L.Sequential(conv(), L.BatchNorm2d(3)), (2, 4, 8, 8)),
        (L.Sequential(conv(), L.BatchNorm2d(4)), (1, 4, 1, 1)),
        (L.Residual(L.Conv2d(4, 5, 1, rng=0)), (2, 4, 8, 8)),
        (L.Sequential(L.Flatten(), L.Linear(3, 4, rng=0)), (2, 4, 8, 8)),
    ],
)
def test_input_that_does_not_fit_is_for_the_definition(model, shape):
    with pytest.raises(Unsuited):
        Reader(shape, "train").read(model)


def test_a_watched_layer_is_for_the_definition():
    model = v1()
    model.at("1").forward = model.at("1").forward
    with pytest.raises(Unsuited):
        Reader((2, 4, 8, 8), "train").read(model)
