"""Small networks of the kind that is trained, and what must hold for the weights of the two that were."""

import runpy
from pathlib import Path

import numpy as np

from minires.errors import MiniresError
from minires.files.safetensors import read_safetensors

GIVEN = runpy.run_path(str(Path(__file__).parent / "given" / "train_networks.py"))

READ = 7, "Three networks, one recipe"
SIZES = (4, 5, 6, 3, 3), (3, 4, 5, 4, 4)  # images, pixels, D, blocks, classes
SMALL = (1, 1, 1, 1, 2), (2, 1, 1, 1, 2), (1, 1, 1, 2, 2), (2, 1, 2, 1, 2), (2, 2, 2, 2, 2)


def of_network(draw, labels, sizes):
    """The arguments of all functions for one network; ``draw(*shape)`` draws its numbers."""
    n, pixels, d, blocks, classes = sizes
    shapes = (d, pixels), (d,), (blocks, d, d), (blocks, d), (classes, d), (classes,)
    images, params, velocities = draw(n, pixels), [draw(*s) for s in shapes], [draw(*s) for s in shapes]
    for residual in (False, True):
        yield "logits", (images, params, residual)
        yield "gradients", (images, labels, params, residual)
        yield "training_step", (images, labels, params, velocities, residual, 0.5, 0.75, 0.25)
    yield "sgd", (draw(d, 2), draw(d, 2), draw(d, 2), 0.5, 0.75, 0.25)


def cases(rng):
    rows = []
    for sizes in (*SIZES, SIZES[0]):
        labels = rng.integers(0, sizes[-1], sizes[0])
        rows += of_network(lambda *shape: rng.standard_normal(shape), labels, sizes)
    return rows


def small():
    rng, rows = np.random.default_rng(2), []
    for sizes in SMALL:
        for _ in range(4):
            labels = rng.integers(0, sizes[-1], sizes[0])
            rows += of_network(lambda *shape: rng.choice([-1.0, 1.0, 1.0, 2.0], shape), labels, sizes)
    order = ["logits", "gradients", "sgd", "training_step"]
    return sorted(rows, key=lambda row: order.index(row[0]))


RESIDUAL, PLAIN = 0.9, 0.5  # of the images that a residual network must classify, that a plain one cannot
STAYS, SHRINKS = 0.5, 1e-3  # cosine of the blocks before and after training; relative error of what only decays
WORDS = {
    "unreadable": ("{file} cannot be read as safetensors: {detail}.", "{file} 不能作为 safetensors 读取：{detail}。"),
    "names": ("{file} holds {detail}.", "{file} 中是 {detail}。"),
    "nan": ("{file}: {detail} holds NaN or infinity.", "{file}：{detail} 含有 NaN 或无穷大。"),
    "student": (
        "{file} was trained for {detail}, and you hand in under another name: train again with yours.",
        "{file} 是为 {detail} 训练的，而你以另一个名字提交：请用你的名字重新训练。",
    ),
    "start": (
        "{file}: {detail} does not come from the start of this name: start from what start(name) draws.",
        "{file}：{detail} 不是从这个名字的起点训练来的：请从 start(name) 给出的起点开始。",
    ),
    "steps": (
        "{file} was not trained by the recipe to its end: weights of pixels that are always black only decay, and "
        "these have decayed by another factor.",
        "{file} 没有按给定的方案训练到底：始终为黑的像素的权重只会衰减，而这里衰减的倍数不同。",
    ),
    "right": (
        "{file}: this residual network classifies {detail} of the images, less than 90 %.",
        "{file}：这个残差网络只分对了 {detail} 的图像，不到 90 %。",
    ),
    "no plain": (
        "{file}: this network classifies {detail} of the images: a plain network of this depth, trained by the recipe, "
        "does not, so it was trained as another one.",
        "{file}：这个网络分对了 {detail} 的图像：这么深的普通网络按此方案训练做不到，所以它是作为别的网络训练的。",
    ),
}


def weigh(solution, file, data, student, rng):
    """What is wrong with the file of a network: (English, Chinese), or None. ``student``: who hands it in, or ""."""
    found = _found(solution, file, data, student, rng)
    return found and tuple(text.format(file=file, detail=found[1]) for text in WORDS[found[0]])


def _found(solution, file, data, student, rng):
    try:
        tensors, texts = read_safetensors(file, data)
        arrays = {name: np.asarray(tensor.array(name)) for name, tensor in tensors.items()}
        attempt = int(texts.get("attempt", "0"))
        if not 0 <= attempt < GIVEN["ATTEMPTS"]:
            raise ValueError(f"its attempt is {attempt}, expected 0 to {GIVEN['ATTEMPTS'] - 1}")
        begun = GIVEN["start"](texts.get("student", ""), attempt)
    except (ValueError, TypeError, MiniresError) as error:
        return "unreadable", str(error)
    for name, needed in zip(GIVEN["NAMES"], begun):
        array = arrays.get(name)
        if array is None or array.shape != needed.shape or array.dtype.kind != "f":
            what = "no array" if array is None else f"{array.dtype} of shape {array.shape}"
            return "names", f"{what} called {name}, expected floats of shape {needed.shape}"
        if not np.isfinite(array).all():
            return "nan", name
    if student and texts.get("student") != student:
        return "student", repr(texts.get("student", ""))[:60]
    params = [arrays[name].astype(float) for name in GIVEN["NAMES"]]
    return _trained(params, begun) or _classifies(solution, file, params, rng)


def _trained(params, begun):
    """Whether these weights can have been trained from that start by the recipe."""
    blocks, begun_blocks = params[2], begun[2]
    if (blocks * begun_blocks).sum() < STAYS * np.linalg.norm(blocks) * np.linalg.norm(begun_blocks):
        return "start", "blocks.weight"
    black = GIVEN["digits"]("train")[0].max(axis=0) == 0
    after, before = params[0][:, black], begun[0][:, black]
    factor = (after * before).sum() / (before * before).sum()
    if np.linalg.norm(after - factor * before) > SHRINKS * np.linalg.norm(before):
        return "start", "first.weight"
    if abs(factor - _decayed()) > SHRINKS * (1 - _decayed()) + 1e-6 or not params[-1].any():
        return "steps", ""
    return None


def _decayed():
    """What the recipe makes of a weight of 1 whose gradient is 0."""
    value, velocity = 1.0, 0.0
    for _ in range(GIVEN["EPOCHS"] * (len(GIVEN["digits"]("train")[0]) // GIVEN["BATCH"])):
        velocity = GIVEN["MOMENTUM"] * velocity + GIVEN["DECAY"] * value
        value -= GIVEN["LR"] * velocity
    return value


def _classifies(solution, file, params, rng):
    images, labels = GIVEN["digits"]("test")
    images = np.clip(images + 0.05 * rng.standard_normal(images.shape), 0, 1)  # images that nobody has seen

    def share(residual):
        return np.mean(solution["logits"](images, params, residual).argmax(axis=1) == labels)

    if file.startswith("residual"):
        return ("right", f"{share(True):.0%}") if share(True) < RESIDUAL else None
    best = max(share(False), share(True))  # weights of a residual network are none of a plain one
    return ("no plain", f"{best:.0%}") if best > PLAIN else None
