"""The tests are tested: mistakes planted in the kernels, each seen in at least one order of the threads.

A mistake is one place of a source text that is replaced; the check is one that the right kernel passes in every order.
"""

import numpy as np
import pytest
from cuda_emulation import ORDERS, Arena, Host, oracle
from engine.cuda import checks_passes, checks_pools, checks_products, test_steps

from minires.engine.cuda import products


def forward(run):
    checks_products.forward(run, "3x3 of stride 2", "float32")


def forward_bf16(run):
    checks_products.forward(run, "many pixels", "bf16")


def backward(run):
    checks_products.backward(run, "3x3 of stride 2", "tf32")


def weights(run):
    checks_products.weight_gradient(run, "many pixels", "float32")


def weights_bf16(run):
    checks_products.weight_gradient(run, "3x3, dilation 2, two groups", "bf16")


def batch_norm(run):
    checks_passes.batch_norm(run, "float32", 530, 36, mean=1e4)


def gradient(run):
    checks_passes.gradient(run, "float32", 530, 36)


def bias_gradient(run):
    checks_passes.bias_gradient(run, "float32", 530, 36)


def maximum(run):
    checks_pools.maximum(run, "float32", "3x3 of stride 2, border 1")


def mean(run):
    checks_pools.mean(run, "float32", "ceil, uneven border")


def global_mean(run):
    checks_pools.global_mean(run, "float32")


def loss(run):
    test_steps.test_the_loss_is_that_of_float64("float32", run.order, run)
    test_steps.test_the_loss_of_what_is_not_finite_and_of_ties(run)


def adamw(run):
    test_steps.test_five_steps_are_those_of_the_optimiser_in_float64("adamw", run.order, run)


def sgd(run):
    for kind in ("sgd", "nesterov"):
        test_steps.test_five_steps_are_those_of_the_optimiser_in_float64(kind, run.order, run)


def batch(run):
    test_steps.test_a_batch_is_that_of_the_loader_bit_for_bit(3, "float32", run.order, run)


BARRIER = (
    "    __syncthreads();  // the copies of all threads have come, and all have read the stage that is filled next\n"
)
NEXT = "    load.copy(tiles, (step + 2) % 3);\n"
# what is wrong: check, file, what stands there, what stands there instead
MISTAKES = {
    "no barrier behind the copies": (forward, "convolution.cu", BARRIER, ""),
    "copies into the stage that a slower warp still reads": (
        forward,
        "convolution.cu",
        "    copies_wait<1>();\n" + BARRIER + NEXT,
        NEXT + "    copies_wait<2>();\n" + BARRIER,
    ),
    "copies into the stage that is read": (forward, "convolution.cu", "(step + 2) % 3);\n", "step % 3);\n"),
    "waits for one group of copies too few": (forward, "convolution.cu", "copies_wait<1>();", "copies_wait<2>();"),
    "no wait for the last copies": (forward, "convolution.cu", "  copies_wait<0>();\n", ""),
    "right edge of the image": (forward, "convolution.cu", "s >= 0 && s < w.source", "s >= 0"),
    "upper edge of the image": (forward, "convolution.cu", "r >= 0 && r < h.source", "r < h.source"),
    "rows of the image as high as wide": (forward, "convolution.cu", "+ r) * w.source + s", "+ r) * h.source + s"),
    "last pixels of a ragged tile": (forward, "convolution.cu", "p < at.pixels && at.m0 + m", "at.m0 + m"),
    "last channels of a ragged tile": (forward, "convolution.cu", "real = at.m0 + m + e < at.outer;", "real = true;"),
    "stride of the classes": (backward, "convolution.cu", "w.turn;", "w.skip;"),
    "border forgotten in the classes": (backward, "convolution.cu", "(start + a.pad - i * ", "(start - i * "),
    "start of a class": (backward, "convolution.cu", "(start + a.pad - first", "(a.pad - first"),
    "adds to nothing": (backward, "convolution.cu", "if (adds && there)", "if (false)"),
    "a copy that is not aligned": (forward_bf16, "convolution.cu", "(threadIdx.x & 3) * E;", "(threadIdx.x & 3) * 6;"),
    "fragment rows 4 apart": (forward, "convolution.cu", "a[1] = q[8 * APART], a[2]", "a[1] = q[4 * APART], a[2]"),
    "fragment words exchanged": (
        forward_bf16,
        "convolution.cu",
        "b[0] = q[0], b[1] = q[4];",
        "b[1] = q[0], b[0] = q[4];",
    ),
    "a'B forgotten": (forward, "convolution.cu", "    mma_tf32(d, a_rest, B);  // the small ones first\n", ""),
    "Ab' forgotten": (forward, "convolution.cu", "    mma_tf32(d, A, b_rest);\n", ""),
    "statistics count rows behind the last": (
        forward,
        "convolution.cu",
        "if (warp * 16 * MT + u * 16 + half * 8 + (lane >> 2) < rows) rest",
        "rest",
    ),
    "a shuffle of the statistics forgotten": (forward, "convolution.cu", "int o = 4; o < 32", "int o = 8; o < 32"),
    "no barrier in the statistics": (
        forward,
        "convolution.cu",
        "2 * lane + e] = squares;\n      }\n    __syncthreads();\n",
        "2 * lane + e] = squares;\n      }\n",
    ),
    "no barrier in the weights": (weights, "weight.cu", BARRIER, ""),
    "waits too little in the weights": (weights_bf16, "weight.cu", "copies_wait<1>();", "copies_wait<2>();"),
    "end of the last slab": (weights, "weight.cu", "min(g.images * g.h.out * g.w.out, first + slab)", "first + slab"),
    "a slab forgotten": (weights, "weight.cu", "(int slab = 0; slab", "(int slab = 1; slab"),
    "matrices of a fragment exchanged": (
        weights_bf16,
        "weight.cu",
        "(lane / 16 * 8 + lane % 8) * row + lane / 8 % 2 * 8",
        "(lane % 16) * row + lane / 16 * 8",
    ),
    "the second half of B": (weights_bf16, "weight.cu", "a[u], b + 2)", "a[u], b)"),
    "group of the output": (weights_bf16, "weight.cu", "dy + group * outer + m0", "dy + m0"),
    "layout of the packed weights": (
        forward,
        "weight.cu",
        "w[(m * C + c) * taps + tap]",
        "w[(m * taps + tap) * C + c]",
    ),
    "biased running variance": (batch_norm, "norm.cu", "((float)m / (m - 1))", "1.f"),
    "a ragged part as long as the others": (
        batch_norm,
        "norm.cu",
        "sum += min(rows, pixels - k * rows)",
        "sum += rows",
    ),
    "a mean of one part": (batch_norm, "norm.cu", "norm[REST * length + c] = rest,", "norm[REST * length + c] = 0,"),
    "squares between the parts": (batch_norm, "norm.cu", " + min(rows, pixels - k * rows) * d * d", ""),
    "mean of the gradient forgotten": (gradient, "norm.cu", "= -s1 / pixels", "= 0"),
    "sums of a ragged slab": (gradient, "join.cu", "last = min(pixels, first + slab)", "last = first + slab"),
    "the gradient at the kink": (gradient, "join.cu", "!(w[e] > 0)", "!(w[e] >= 0)"),
    "no barrier before a fold": (gradient, "join.cu", "room[t][e] = v[e];\n  __syncthreads();", "room[t][e] = v[e];"),
    "no barrier within a fold": (gradient, "join.cu", "+ reach][e];\n    __syncthreads();", "+ reach][e];"),
    "no barrier behind a fold": (batch_norm, "norm.cu", "[t % lanes][e];\n  __syncthreads();", "[t % lanes][e];"),
    "rows of another thread": (bias_gradient, "weight.cu", "n += 256 / lanes", "n += 256"),
    "the bias is written, not added to": (bias_gradient, "weight.cu", "db[c + e] += sum", "db[c + e] = sum"),
    "the last of equal values wins": (maximum, "pool.cu", "v[e] > best[e]", "v[e] >= best[e]"),
    "windows between the strides": (maximum, "pool.cu", " || from % a.stride", ""),
    "pixels behind the border count": (mean, "pool.cu", "include ? min(last, a.in + behind) -", "include ? last -"),
    "the sum of an image": (global_mean, "pool.cu", "sum[e] /= mean ? pixels : 1;", ";"),
    "the largest logit stays": (loss, "loss.cu", "expf(number(x[k]) - largest)", "expf(number(x[k]))"),
    "the last of equal logits": (loss, "loss.cu", "(tie && k < best)", "(tie && k > best)"),
    "rows that do not count": (loss, "loss.cu", "counted += labels[k] != ignore", "counted += 1"),
    "right answers of rows that do not count": (loss, "loss.cu", "label != ignore && best", "best"),
    "the results of the step before are written over": (loss, "loss.cu", "losses[*step]", "losses[*step - 1]"),
    "steps written before all have read them": (adamw, "optimizer.cu", "  __syncwarp();  // all have read it\n", ""),
    "moments of a frozen parameter move": (
        adamw,
        "optimizer.cu",
        "run = e >> 5;\n  if (e >= size || part[run] == 0)",
        "run = e >> 5;\n  if (e >= size)",
    ),
    "Nesterov without its look ahead": (sgd, "optimizer.cu", "nesterov ? d + momentum * moved : moved", "moved"),
    "the decay of another parameter": (sgd, "optimizer.cu", "decay[e >> 5] * p[e], moved", "decay[0] * p[e], moved"),
    "mirrored about another pixel": (batch, "images.cu", "width - 1 - w", "width - w"),
    "black behind the normalisation": (batch, "images.cu", "c < channels ? __fadd_rn", "in ? __fadd_rn"),
}


def seen_in(check, planted=None):
    """The first order of the threads in which the check fails, and how."""
    for order in ORDERS:
        try:
            check(Host(order, planted))
        except AssertionError as error:
            return order, str(error)
    return None


@pytest.mark.parametrize("check", dict.fromkeys(mistake[0] for mistake in MISTAKES.values()))
def test_the_right_kernels_raise_no_alarm_in_any_order(check):
    assert seen_in(check) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_seen(name):
    check, *planted = MISTAKES[name]
    assert seen_in(check, planted) is not None


def test_a_slot_of_the_arena_that_is_still_read_is_seen():
    """y in the place of x: a tap of a later pixel reads what an earlier tile has written."""
    n = checks_products.Numbers("many pixels", "float32", Host())
    y = n.arena.array((n.g.pixels, oracle.pitch(n.g.out_channels)), np.float32)
    x = y.reshape(-1)[: n.x.size].reshape(n.x.shape)  # eight channels: without zeros behind
    x[...] = n.x
    n.run(products.forward("float32", n.g, x, n.packed()[0], y))
    expected = oracle.convolution(n.g, n.x, n.w).reshape(-1, n.g.out_channels)
    with pytest.raises(AssertionError, match="relative error|other places"):
        n.compare(y, expected)


def test_a_write_beside_an_array_is_seen():
    arena = Arena()
    array = arena.array((3,), np.float32)
    raw, begin, size = arena.arrays[0]
    raw[begin + size] = 0
    with pytest.raises(AssertionError, match="12 bytes"):
        arena.check()
    assert np.isnan(array).all()
