"""Training on floats of other shapes than images: features, for networks of linear layers."""

import numpy as np
import pytest
from train.tiny_training import config, weights_of

from minires import compile
from minires.data import Dataset, Loader, Normalize
from minires.errors import DTypeError, RangeError, ShapeError
from minires.layers import BatchNorm1d, Linear, ReLU, Residual, Sequential
from minires.trace import audit, gradient_norms, path_lengths, trace
from minires.train import evaluate, fit, load_checkpoint, resume, run

CLASSES = ("same", "opposite")


def features(count=120, seed=0, dtype=np.float64, shape=(5,)):
    """The class is whether the signs of the first two differ: no linear map tells. Far from 0, in units of its own."""
    x = np.random.default_rng(seed).standard_normal((count, *shape))
    labels = (x[:, 0] * x[:, 1] < 0).reshape(count, -1)[:, 0].astype(np.int64)
    return Dataset("signs", (1000 * x + 1e6).astype(dtype), labels, CLASSES)


def pair(**settings):
    return features(seed=1, **settings), features(60, seed=2, **settings)


def network():
    branch = Sequential(Linear(16, 16, rng=1), BatchNorm1d(16), ReLU(), Linear(16, 16, rng=2))
    return Sequential(Linear(5, 16, rng=0), ReLU(), Residual(branch), Linear(16, 2, rng=3))


@pytest.mark.parametrize("engine", ["reference", "compiled"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_of_linear_layers_learns(engine, dtype):
    sets = features(400, seed=1, dtype=dtype), features(100, seed=2, dtype=dtype)
    rows = run(network(), sets, 10, lr=0.05, batch_size=20, engine=engine)
    assert rows[-1]["test_accuracy"] > 0.85 > 0.65 > rows[0]["test_accuracy"]


def test_a_run_resumes_bit_for_bit(tmp_path):
    settings = {"augment": "auto", "mixup": 0.3, "checkpoint_every": 1}
    whole = fit(config(tmp_path / "whole", **settings), model=network(), data=pair())
    half = config(tmp_path / "half", **settings)
    stopped = []

    def stop(x, train=False, forward=Sequential.forward):
        if train and len(stopped) == 20:
            raise KeyboardInterrupt
        stopped.extend([0] * train)
        return forward(model, x, train)

    model = network()
    model.forward = stop
    with pytest.raises(KeyboardInterrupt):
        fit(half, model=model, data=pair())
    assert 0 < load_checkpoint(tmp_path / "half").position.step < whole.steps
    found = resume(tmp_path / "half", model=network(), data=pair())
    assert (found.train_loss, found.test_loss) == (whole.train_loss, whole.test_loss)
    assert weights_of(load_checkpoint(tmp_path / "half")) == weights_of(load_checkpoint(tmp_path / "whole"))
    kept = load_checkpoint(tmp_path / "whole")
    assert (kept.data["channels"], len(kept.data["mean"]), kept.data["images"]) == (5, 5, 120)
    x = kept.normalize()(pair()[0].images)
    np.testing.assert_allclose([x.mean(0), x.std(0)], [[0] * 5, [1] * 5], atol=1e-5)


def test_evaluated_and_traced():
    train, test = pair()
    model, normalize = network(), Normalize.of(train)
    run(model, (train, test), 2)
    loader = Loader(test, 16, seed=0, shuffle=False, normalize=normalize)
    whole = evaluate(model, loader)
    assert whole == evaluate(model, Loader(test, 16, seed=0, shuffle=False, normalize=normalize))
    assert whole.correct == (model(normalize(test.images)).argmax(1) == test.labels).sum()
    assert evaluate(compile(model), loader).correct == whole.correct
    x = normalize(test.images[:8])
    ledger = trace(model, x, test.labels[:8])
    assert [block.path for block in ledger.blocks] == ["2"] and ledger.closure_error < 1e-5
    assert audit(ledger).holds and path_lengths(ledger).error < 1e-5 and len(gradient_norms(model, x, test.labels[:8]))
    assert "<html" in ledger.to_html()


def test_without_normalisation_floats_stay_as_they_are():
    train, _ = pair()
    ((x, _),) = Loader(train, 120, seed=0, shuffle=False, dtype=np.float64).epoch(0)
    np.testing.assert_array_equal(x, train.images)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"augment": "flip"}, r"augment is 'flip', but signs has no images, its examples have the shape \(5,\)"),
        ({"augment": "crop-flip"}, "augment is 'crop-flip', but signs has no images"),
        ({"cutmix": 1.0, "augment": "none"}, "cutmix is 1.0, but signs has no images"),
    ],
)
def test_changes_of_images_are_refused_before_the_first_step(settings, words):
    model = network()
    before = [p.data.tobytes() for _, p in model.params()]
    with pytest.raises(RangeError, match=words):
        run(model, pair(), 1, **settings)
    assert [p.data.tobytes() for _, p in model.params()] == before


@pytest.mark.parametrize(
    ("other", "error", "words"),
    [
        (features(9, shape=(6,)), ShapeError, r"the shape \(6,\) each, those for training \(5,\): convert them"),
        (features(9, shape=(5, 2)), ShapeError, r"the shape \(5, 2\) each, those for training \(5,\)"),
        (
            Dataset("bytes", np.zeros((2, 5, 4, 4), np.uint8), np.arange(2), CLASSES),
            DTypeError,
            "the test images of bytes are uint8, those for training float64: convert them, both uint8 or both floats",
        ),
    ],
)
def test_both_parts_are_of_one_kind(other, error, words):
    with pytest.raises(error, match=words):
        run(network(), (features(), other), 1)


def test_named_networks_want_images(tmp_path):
    words = r"resnet20 takes images \(N, C, H, W\), but signs has the shape \(120, 5\): give a model of your own"
    with pytest.raises(ShapeError, match=words):
        fit(config(tmp_path / "run", model="resnet20"), data=pair())
    assert not (tmp_path / "run").exists()


def test_images_of_floats_train_a_named_network(tmp_path):
    rng = np.random.default_rng(0)
    train, test = (
        Dataset("x", rng.standard_normal((16, 2, 8, 8)), np.arange(16) % 3, ("a", "b", "c")) for _ in range(2)
    )
    settings = {"model": "digits_resnet8", "epochs": 1, "augment": "auto"}
    assert np.isfinite(fit(config(tmp_path / "run", **settings), data=(train, test)).test_loss)
    assert load_checkpoint(tmp_path / "run").build_model()(train.images[:2].astype(np.float32)).shape == (2, 3)
