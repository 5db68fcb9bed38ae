"""minires: the reference layers and the engine."""

import inspect
import time

import numpy as np

import minires
from minires.layers import Conv2d
from minires.losses import SoftmaxCrossEntropy
from minires.train import SGD
from minires.train.step import train_step


SETTLED = 2.0  # seconds: an executor has helper processes after one and a half


def load(system):
    if system == "engine frozen" and "frozen" not in inspect.signature(minires.compile).parameters:
        raise ImportError("minires.compile has no argument frozen")
    return {"minires": minires.__version__}


def prepare(system, facts, arrays, threads):
    if "nodes" in facts:
        model = minires.models.build(facts["subject"], rng=0)
        for path, tensor in model.tensors():
            tensor.data[...] = arrays[path]
    else:
        out_channels, in_channels, kernel, _ = arrays["weight"].shape
        sizes = {"stride": facts["stride"], "padding": facts["padding"]}
        model = Conv2d(in_channels, out_channels, kernel, rng=0, **sizes)
        model.weight.data[...] = arrays["weight"]
    fast = model
    if system == "engine":  # nobody computes the gradient of the images
        fast = minires.compile(model, threads=threads, input_gradient=facts["task"] != "train")
    elif system == "engine frozen":
        fast = minires.compile(model, threads=threads, frozen=True)
    if facts["task"] == "train":
        return _training(model, fast, facts, arrays)
    if facts["task"] == "infer":
        x = arrays["x"]
        return (lambda: fast(x)), (lambda: fast(x)), None
    return _convolution(model.weight, fast, facts["task"], arrays)


def settle(system, step, threads):
    """Do steps until what a long run does once is done."""
    end = time.perf_counter() + SETTLED * (system != "reference" and threads > 1)
    while time.perf_counter() < end:
        step()


def _training(model, fast, facts, arrays):
    x, labels, loss = arrays["x"], arrays["labels"], SoftmaxCrossEntropy()
    sgd = SGD(model.params(), **facts["sgd"])

    def step():
        return train_step(fast, loss, sgd, x, labels, sgd.lr)[0]

    return (lambda: [float(step()), float(step())]), step, None


def _convolution(weight, layer, task, arrays):
    y = layer(arrays["x"])
    x, dy = _laid_out_as(y, arrays["x"]), _laid_out_as(y, arrays["dy"])
    if task == "forward":
        return (lambda: layer(x)), (lambda: layer(x)), None
    _, cache = layer.forward(x, train=True)

    def frozen():
        weight.frozen = True
        return layer.backward(dy, cache)

    def both():
        weight.frozen = False
        return layer.backward(dy, cache)

    def dx():
        weight.grad[...] = 0
        found = frozen()
        if weight.grad.any():
            raise ValueError("a frozen weight has a gradient: dx cannot be timed alone")
        return found

    def dw():
        weight.grad[...] = 0
        both()
        return weight.grad

    return (dx, frozen, None) if task == "dx" else (dw, both, frozen)


def _laid_out_as(y, array):
    """``array`` with its axes in memory in the order of ``y``: inside a network a layer meets what a layer returned."""
    found = np.empty_like(y, shape=array.shape)
    found[...] = array
    return found
