"""A training step against PyTorch and under the budget of a GPU; evaluation against counting by hand."""

import numpy as np
import pytest
from conftest import np_of, to_xp
from cupy_strict import budget
from train.tiny_training import dataset, model

from minires.data import Loader
from minires.errors import NumericError, StateError
from minires.layers import Flatten, Layer, Linear, Sequential
from minires.losses import MeanSquaredError, SoftmaxCrossEntropy
from minires.models import build
from minires import compile
from minires.train import SGD, accumulated_step, evaluate, evaluate_batches, train_step


def batch(xp=np):
    rng = np.random.default_rng(3)
    return to_xp(xp, rng.normal(size=(6, 1, 4, 4)).astype("float32")), to_xp(xp, rng.integers(0, 3, 6))


def test_one_step_equals_pytorch():
    torch = pytest.importorskip("torch")
    net = Sequential(flatten=Flatten(), fc=Linear(16, 3, rng=0)).to(dtype=np.float64)
    weight, bias = (torch.nn.Parameter(torch.tensor(p.data)) for _, p in net.params())
    x, labels = batch()
    x = x.astype("float64")
    loss, correct = train_step(net, SoftmaxCrossEntropy(), SGD(net.params(), 0.5, weight_decay=0.1), x, labels, 0.5)
    logits = torch.nn.functional.linear(torch.tensor(x).flatten(1), weight, bias)
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(labels))
    expected.backward()
    torch.optim.SGD([weight, bias], 0.5, momentum=0.9, weight_decay=0.1).step()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    assert int(correct) == int((logits.argmax(1).numpy() == labels).sum())
    np.testing.assert_allclose(net["fc"].weight.data, weight.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(net["fc"].bias.data, bias.detach().numpy(), rtol=1e-12)


def test_same_on_every_backend(xp, device):
    net, twin = model().to(device=device), model()
    for target, module in ((net, xp), (twin, np)):
        optimiser = SGD(target.params(), 0.1)
        for _ in range(3):
            x, labels = batch(module)
            loss, correct = train_step(target, SoftmaxCrossEntropy(0.1), optimiser, x, labels, 0.1)
        assert loss.shape == correct.shape == ()
    for (path, a), (_, b) in zip(net.tensors(), twin.tensors()):
        np.testing.assert_allclose(np_of(a.data), b.data, rtol=1e-5, atol=1e-6, err_msg=path)


def test_never_waits_for_a_gpu(strict):
    net = model().to(device="cuda")
    optimiser = SGD(net.params(), 0.1, weight_decay=0.01)
    x, labels = batch(strict)
    with budget(syncs=0, uploads=1, hidden=0, downloads=0, leaks=0):  # the mask of dropout is uploaded
        train_step(net, SoftmaxCrossEntropy(), optimiser, x, labels, 0.1)


def test_evaluation_waits_once(strict):
    net = model().to(device="cuda")
    loader = Loader(dataset(24, seed=2), 8, seed=0, shuffle=False)
    with budget(syncs=2, downloads=2):  # the number of right answers and the sum of losses
        evaluate(net, loader, "cuda")


@pytest.mark.parametrize("batch_size", [1, 5, 24])
def test_evaluation_counts(batch_size):
    data = dataset(24, seed=2)
    net = model()
    found = evaluate(net, Loader(data, batch_size, seed=0, shuffle=False))
    logits = net((data.images / 255).astype("float32"))
    right = sum(int(np.argmax(row) == label) for row, label in zip(logits, data.labels))
    losses = [np.log(np.exp(row.astype(float)).sum()) - row[label] for row, label in zip(logits, data.labels)]
    assert (found.correct, found.total, found.accuracy) == (right, 24, right / 24)
    assert found.loss == pytest.approx(np.mean(losses), rel=1e-6)


LOSSES = {
    "plain": {},
    "smoothed": {"label_smoothing": 0.2},
    "weighted": {"weight": [0.5, 2.0, 3.0]},
    "left out": {"ignore_index": 1, "weight": [0.5, 2.0, 3.0]},
    "left out alone": {"ignore_index": 1},
}


@pytest.mark.parametrize("engine", [False, True])
@pytest.mark.parametrize("settings", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("cuts", [[4, 8], [5], [1, 2, 10], []], ids=str)
def test_accumulated_batches_are_one_large_batch(xp, device, settings, cuts, engine):
    """Of any sizes, and where one of them holds labels that do not count alone."""
    rng = np.random.default_rng(5)
    x, labels = rng.normal(size=(11, 1, 4, 4)), rng.integers(0, 3, 11)
    labels[:4] = 1
    loss, found = SoftmaxCrossEntropy(**settings), []
    for parts in ([11], [*cuts, 11]):
        net = Sequential(flatten=Flatten(), fc1=Linear(16, 8, rng=0), fc2=Linear(8, 3, rng=1)).to(dtype=np.float64)
        net.to(device=device)
        pieces = [slice(a, b) for a, b in zip([0, *parts], parts)]
        batches = [(to_xp(xp, x[piece]), to_xp(xp, labels[piece])) for piece in pieces]
        step = (compile(net) if engine else net, loss, SGD(net.params(), 0.5))
        if parts == [11]:
            value, correct = train_step(*step, *batches[0], 0.5, clip_norm=0.7)
        else:
            value, correct = accumulated_step(*step, iter(batches), 0.5, clip_norm=0.7)
        grads = [np_of(array).ravel() for _, p in net.params() for array in (p.data, p.grad)]
        found.append(np.concatenate([[float(value), int(correct)], *grads]))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12, atol=1e-14)


def test_accumulated_targets_and_squares():
    rng = np.random.default_rng(6)
    x, targets = rng.normal(size=(6, 5)), rng.random((6, 3))
    for loss in (SoftmaxCrossEntropy(), MeanSquaredError()):
        one, other = (Linear(5, 3, rng=0).to(dtype=np.float64) for _ in range(2))
        expected, _ = train_step(one, loss, SGD(one.params(), 0.1), x, targets, 0.1)
        batches = [(x[:1], targets[:1]), (x[1:], targets[1:])]
        value, _ = accumulated_step(other, loss, SGD(other.params(), 0.1), batches, 0.1)
        assert float(value) == pytest.approx(float(expected), rel=1e-13)
        np.testing.assert_allclose(other.weight.data, one.weight.data, rtol=1e-13)


def test_where_no_label_counts_nothing_moves(xp, device):
    net = Sequential(flatten=Flatten(), fc=Linear(16, 3, rng=0)).to(device=device)
    before = np_of(net["fc"].weight.data).copy()
    x, _ = batch(xp)
    batches = [(x, to_xp(xp, np.full(6, 2)))] * 2
    value, correct = accumulated_step(net, SoftmaxCrossEntropy(ignore_index=2), SGD(net.params(), 0.1), batches, 0.1)
    assert (float(value), int(correct)) == (0, 0)
    np.testing.assert_array_equal(np_of(net["fc"].weight.data), before)


def test_accumulation_keeps_float32_and_waits_for_no_gpu(strict):
    net = model().to(device="cuda")
    loss = SoftmaxCrossEntropy(weight=[1, 2, 3])
    optimiser = SGD(net.params(), 0.1)
    batches = [batch(strict), batch(strict)]
    with budget(syncs=0, hidden=0, downloads=0, leaks=0):
        value, _ = accumulated_step(net, loss, optimiser, batches, 0.1, clip_norm=1.0)
    assert value.dtype == np.float32
    assert {p.grad.dtype for _, p in net.params()} == {np.dtype("float32")}


class Says(Layer):
    """A model that answers with the logits given, whatever it sees."""

    def __init__(self, logits):
        self.logits = logits

    def forward(self, x, train=False):
        return self.logits, None


def test_labels_left_out_count_nowhere(strict):
    logits, labels = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]], np.array([0, 2, 2, 1])
    for ignore_index, right, total in ((2, 1, 2), (1, 2, 3), (-100, 2, 4)):
        for module in (np, strict):
            x, answer, targets = to_xp(module, logits), to_xp(module, logits), to_xp(module, labels)
            device = "cpu" if module is np else "cuda"
            found = evaluate_batches(Says(answer), [(x, targets), (x, targets)], device, ignore_index)
            assert (found.correct, found.total) == (2 * right, 2 * total)
            losses = [np.log(np.exp(z).sum()) - z[k] for z, k in zip(logits, labels) if k != ignore_index]
            assert found.loss == pytest.approx(np.mean(losses), rel=1e-6)
    with pytest.raises(StateError, match="0 images to evaluate"):
        evaluate_batches(Says(logits[:1]), [(logits[:1], labels[:1])], ignore_index=0)


def test_a_step_counts_no_label_that_is_left_out_and_takes_targets():
    net = Sequential(flatten=Flatten(), fc=Linear(16, 3, rng=0))
    optimiser = SGD(net.params(), 0.1)
    x, _ = batch()
    likeliest = net(x).argmax(axis=1)
    loss = SoftmaxCrossEntropy(ignore_index=int(likeliest[0]))
    _, correct = train_step(net, loss, optimiser, x, likeliest, 0.0001)
    assert correct == (likeliest != likeliest[0]).sum()
    _, correct = train_step(net, SoftmaxCrossEntropy(), optimiser, x, 0.4 + 0.2 * np.eye(3)[likeliest], 0.0001)
    assert correct == 6


def test_nan_is_not_a_class():
    nan = np.full((10, 10), np.nan, np.float32)
    with pytest.raises(NumericError, match="the loss of 10 images is nan, expected a number: the model gives NaN"):
        evaluate_batches(Says(nan), [(nan, np.zeros(10, np.int64))])


def test_evaluation_changes_nothing():
    net = model()
    before = {path: t.data.tobytes() for path, t in net.tensors()}
    states = [rng.bit_generator.state for _, rng in net.generators()]
    evaluate(net, Loader(dataset(24, seed=2), 8, seed=0, shuffle=False))
    assert {path: t.data.tobytes() for path, t in net.tensors()} == before
    assert [rng.bit_generator.state for _, rng in net.generators()] == states


def test_nothing_to_evaluate():
    with pytest.raises(StateError, match="0 images to evaluate, expected at least 1"):
        evaluate_batches(model(), [])


def test_an_untrained_network_in_evaluation_is_told_so():
    images = Loader(dataset(24, seed=2), 8, seed=0, shuffle=False)
    x, _ = next(images.epoch(0))
    net = build("resnet110", in_channels=x.shape[1], num_classes=3, rng=0)
    assert evaluate(net, images).loss > 2 * np.log(3)
    for tried in (net, compile(net)):
        note = evaluate(tried, images).note
        assert note.startswith("stem.bn: the running statistics are still those of a fresh batch norm")
        assert note in repr(evaluate(tried, images))
    net.forward(x, train=True)
    assert evaluate(net, images).note == "" == evaluate(Sequential(Flatten(), Linear(x[0].size, 3, rng=0)), images).note
