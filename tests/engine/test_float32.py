"""Float32: gradients of whole networks with equal ReLU masks, and 200 steps of training."""

import copy

import numpy as np
import pytest
from engine.equality import images, network

import minires
from minires.engine.cpu.memory import Workspace
from minires.engine.operations import Join
from minires.layers import Layer, ReLU, SiLU
from minires.layers.parts import replace
from minires.losses import SoftmaxCrossEntropy
from minires.models import build
from minires.train import SGD, train_step


class Masked(Layer):
    """y = mask x: a ReLU whose mask is given."""

    def __init__(self, mask):
        self.mask = mask

    def forward(self, x, train=False):
        return x * self.mask, None

    def backward(self, dy, cache):
        return dy * self.mask


def masks_of(cache):
    """The masks of the ReLUs in one forward of a compiled model, in the order of the network."""
    forward, frame = cache.executor.forward_plan, cache.content
    for operation in forward.plan.operations:
        if isinstance(operation, Join) and operation.relu:
            chunks = [image_of(forward, frame, operation.y, i) for i in range(len(forward.cut.sizes))]
            yield np.concatenate(chunks, axis=2).transpose(2, 3, 0, 1) > 0


def image_of(forward, frame, value, i):
    """Chunk i of a value, computed again where it is not kept."""
    workspace = Workspace(frame.dtype)
    if value in forward.plan.again:
        forward.steps[forward.plan.again[value]].forward(frame, i, workspace)
    return frame.chunk(value, i, workspace).image


def with_masks(model, masks):
    """A float64 copy of the definition whose ReLUs have these masks."""
    twin, masks = copy.deepcopy(model).to(dtype=np.float64), list(masks)
    relus = [path for path, layer in twin.walk() if type(layer) is ReLU]
    assert len(relus) == len(masks)
    for path, mask in zip(relus, masks):
        parent, _, name = path.rpartition(".")
        twin.at(parent).set_child(name, Masked(mask))
    return twin


def distance(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resnet14", (33, 2, 16, 16)),
        ("resnet8", (2, 2, 33, 28)),
        ("preact_resnet8", (7, 2, 30, 30)),
        ("wrn_10_2", (8, 2, 15, 15)),
        ("plain14", (31, 2, 16, 16)),
    ],
)
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_gradients_with_equal_masks(name, shape, train):
    """Some masks flip in every float32 network, of any implementation: compare beyond them."""
    model = network(name, classes=5, dtype=np.float32)
    x = images(*shape, dtype=np.float32)
    dy = images(shape[0], 5, seed=3, dtype=np.float32)
    fast = minires.compile(copy.deepcopy(model))
    y, cache = fast.forward(x, train)
    dx = fast.backward(dy, cache)
    exact = with_masks(model, masks_of(cache))
    expected_y, expected_cache = exact.forward(x.astype(np.float64), train)
    expected_dx = exact.backward(dy.astype(np.float64), expected_cache)
    errors = {"y": distance(y, expected_y), "dx": distance(dx, expected_dx)}
    errors |= {path: distance(p.grad, dict(exact.params())[path].grad) for path, p in fast.params()}
    worst = max(errors, key=errors.get)
    assert errors[worst] <= 2e-5, f"{worst} is off by {errors[worst]:.1e}"


def batches(steps, how):
    """Which 16 of 64 images each step takes, and in which order."""
    for step in range(steps):
        batch = np.arange(16) + step % 4 * 16
        yield batch[np.random.default_rng(step).permutation(16)] if how == "permuted" else batch


def trained(steps, seed=0, dtype=np.float32, how="reference", smooth=False):
    """The parameters and statistics after some steps on 64 images.

    how: "reference", "permuted" (other orders within the batches), "rounded" (first weights off by half a unit of their
    last place), or "engine"   smooth: with SiLU in the place of ReLU
    """
    rng = np.random.default_rng(seed)
    x, labels = rng.standard_normal((64, 3, 8, 8)).astype(dtype), rng.integers(0, 4, 64)
    model = build("resnet8", num_classes=4, rng=seed).to(dtype=dtype)
    if smooth:
        model = replace(model, {path: SiLU() for path, layer in model.walk() if type(layer) is ReLU})
    if how == "rounded":
        for _, p in model.params():
            p.data = (p.data * (1 + 6e-8 * rng.choice([-1, 1], p.data.shape))).astype(dtype)
    running = minires.compile(model, threads=2, input_gradient=False) if how == "engine" else model
    loss, optimizer, losses = SoftmaxCrossEntropy(), SGD(model.params(), lr=0.01, momentum=0.9), []
    for batch in batches(steps, how):
        losses.append(train_step(running, loss, optimizer, x[batch], labels[batch], 0.01)[0])
    assert losses[-1] < losses[0]
    return np.concatenate([t.data.ravel().astype(np.float64) for _, t in model.tensors()])


OTHERS = "reference", "permuted", "rounded"  # float32 trainings that differ in nothing but rounding


@pytest.mark.parametrize("steps", [5, pytest.param(200, marks=pytest.mark.slow)])
def test_smooth_training_drifts_no_more_than_a_reordered_sum(steps):
    """From the float64 training. Without kinks a drift is the sum of roundings, and can be compared run by run."""
    exact = trained(steps, dtype=np.float64, smooth=True)
    drifts = {how: distance(trained(steps, how=how, smooth=True), exact) for how in (*OTHERS, "engine")}
    assert drifts["engine"] <= 1.5 * max(drifts[how] for how in OTHERS), drifts


class Noting(ReLU):
    """A ReLU that notes its masks."""

    def __init__(self, masks):
        self.masks = masks

    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        self.masks.append(y > 0)
        return y, cache


def drift_with_equal_masks(steps, seed, how):
    """How far ``steps`` in float32 lead from those in float64 whose ReLUs take the masks of the float32 ones."""
    rng = np.random.default_rng(seed)
    x, labels = rng.standard_normal((64, 3, 8, 8)).astype(np.float32), rng.integers(0, 4, 64)
    model = build("resnet8", num_classes=4, rng=seed)
    exact, noted = copy.deepcopy(model).to(dtype=np.float64), []
    relus = [path for path, layer in model.walk() if type(layer) is ReLU]
    exact = replace(exact, {path: Masked(None) for path in relus})
    if how == "engine":
        running = minires.compile(model, threads=2)
    else:
        running = model = replace(model, {path: Noting([]) for path in relus})
        for path in relus:
            model.at(path).masks = noted
    loss, optimizers = SoftmaxCrossEntropy(), [SGD(m.params(), lr=0.01, momentum=0.9) for m in (model, exact)]
    for batch in batches(steps, how):
        noted.clear()
        y, cache = running.forward(x[batch], train=True)
        for path, mask in zip(relus, masks_of(cache) if how == "engine" else noted, strict=True):
            exact.at(path).mask = mask
        exact_y, exact_cache = exact.forward(x[batch].astype(np.float64), train=True)
        for m, out, left in ((running, y, cache), (exact, exact_y, exact_cache)):
            m.zero_grads()
            m.backward(loss.backward(loss.forward(out, labels[batch])[1]), left)
        for optimizer in optimizers:
            optimizer.step(0.01)
    parameters = [np.concatenate([p.data.ravel() for _, p in m.params()]) for m in (model, exact)]
    return distance(*parameters)


@pytest.mark.parametrize(
    ("seed", "steps"), [(3, 50), *(pytest.param(seed, 200, marks=pytest.mark.slow) for seed in range(5))]
)
def test_training_drifts_no_more_than_a_reordered_sum(seed, steps):
    """With ReLUs the trainings leap apart where a mask flips, at one step or another: equal masks take that away."""
    drifts = {how: drift_with_equal_masks(steps, seed, how) for how in ("reference", "permuted", "engine")}
    assert drifts["engine"] <= 1.5 * max(drifts["reference"], drifts["permuted"]), drifts
