"""The emulation of CUDA: fragments of the tensor cores by the tables of the PTX manual, and what it refuses."""

import numpy as np
import pytest
from cuda_emulation import ORDERS, Arena, Kernel, KernelError, oracle

FRAGMENTS = """
__global__ void probe(float* d, const unsigned* a, const unsigned* b, int halves) {
  float sum[4] = {1, 2, 3, 4};
  if (halves == 1) mma_tf32(sum, a + 4 * threadIdx.x, b + 2 * threadIdx.x);
  else mma_bf16(sum, a + 4 * threadIdx.x, b + 2 * threadIdx.x);
  for (int e = 0; e < 4; ++e) d[4 * threadIdx.x + e] = sum[e];
}
"""
LANES = [divmod(lane, 4) for lane in range(32)]  # (g, t)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("halves", [1, 2])
def test_a_product_of_fragments(halves, order):
    """Row and column of each register, as the manual has them for m16n8k8 of TF32 and m16n8k16 of bf16."""
    rng, arena = np.random.default_rng(0), Arena()
    a, b = rng.standard_normal((16, 8 * halves)), rng.standard_normal((8 * halves, 8))
    if halves == 1:
        a, b = ((v.astype(np.float32).view(np.uint32) & 0xFFFFE000).view(np.float32) for v in (a, b))
        of_a = [[a[g + i % 2 * 8, t + i // 2 * 4] for i in range(4)] for g, t in LANES]
        of_b = [[b[t + i * 4, g] for i in range(2)] for g, t in LANES]
        words = [arena.array(np.array(v, np.float32)) for v in (of_a, of_b)]
    else:
        a, b = oracle.to_bf16(a.astype(np.float32)), oracle.to_bf16(b.astype(np.float32))
        of_a = [[a[g + i // 2 % 2 * 8, 2 * t + i % 2 + i // 4 * 8] for i in range(8)] for g, t in LANES]
        of_b = [[b[2 * t + i % 2 + i // 2 * 8, g] for i in range(4)] for g, t in LANES]
        words = [arena.array(np.array(v, np.uint16)) for v in (of_a, of_b)]
        a, b = oracle.from_stored(a), oracle.from_stored(b)
    d = arena.array((32, 4), np.float32)
    words = [w.view(np.float32) for w in words]
    text = FRAGMENTS.replace("const unsigned*", "const float*").replace("(sum, a + ", "(sum, (const unsigned*)a + ")
    text = text.replace(", b + 2", ", (const unsigned*)b + 2")
    Kernel("", "probe", text)((1,), (32,), (d, *words, np.int32(halves)), order)
    found = np.empty((16, 8))
    for (g, t), row in zip(LANES, d):
        for i, value in enumerate(row):
            found[g + i // 2 * 8, 2 * t + i % 2] = value - (i + 1)
    np.testing.assert_allclose(found, a.astype(np.float64) @ b, atol=1e-5)


def test_a_transposed_load():
    """Matrix i of 8 x 8: lane 4 g + t gets its entries (2 t, g) and (2 t + 1, g)."""
    text = """
    __global__ void probe(bf16* out, const bf16* in) {
      alignas(16) static bf16 rows[32][8];
      for (int k = 0; k < 8; ++k) rows[threadIdx.x][k] = in[8 * threadIdx.x + k];
      __syncwarp();
      unsigned r[4];
      load_transposed(r, rows[threadIdx.x]);
      for (int i = 0; i < 8; ++i) out[8 * threadIdx.x + i].bits = r[i / 2] >> 16 * (i % 2);
    }
    """
    arena = Arena()
    matrices, out = arena.array(np.arange(256, dtype=np.uint16).reshape(4, 8, 8)), arena.array((32, 4, 2), np.uint16)
    Kernel("", "probe", text)((1,), (32,), (out, matrices))
    for (g, t), words in zip(LANES, out):
        np.testing.assert_array_equal(words, matrices[:, 2 * t : 2 * t + 2, g])


def run(body, threads=64, order="ascending"):
    arena = Arena()
    x = arena.array(np.zeros(256, np.float32))
    text = f"__global__ void probe(float* x) {{ const int t = threadIdx.x; {body} }}"
    Kernel("", "probe", text)((1,), (threads,), (x,), order)
    arena.check()
    return x


REFUSED = {
    "not all come to the barrier": "if (t < 20) __syncthreads();",
    "not all come to": "if (t == 3) __syncwarp();",
    "different instructions": "if (t % 2) __syncwarp(); else __shfl_xor_sync(~0u, 1.f, 1);",
    "a shuffle from a lane that is not there": "if (t >= 32) __shfl_xor_sync(~0u, 1.f, 16);",
    "bytes of shared memory, at most": "typedef float Large[20000]; SHARED(Large, room); room[0] = 1;",
    "a write behind 32 bytes of shared memory": "typedef float Small[8]; SHARED(Small, room); room[8] = 1;",
    "before its copies have come": "typedef float Small[8]; SHARED(Small, room); copy16(room, x, true);",
    "no multiple of 16": "typedef float Small[8]; SHARED(Small, room); copy16(room + 1, x, true);",
    "a write beside an array": "x[256 + t] = 1;",
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_a_gpu_would_do_wrong_is_told(message):
    with pytest.raises(KernelError, match=message):
        run(REFUSED[message], threads=40)


@pytest.mark.parametrize("order", ORDERS)
def test_shared_memory_holds_nan_and_copies_come_at_the_wait(order):
    body = """
    typedef float Room[64][4]; SHARED(Room, room);
    float before = room[t][0];
    copy16(room[t], x + 4 * t, t % 2 == 0); copies_close();
    float early = room[t][0];
    copies_wait<0>();
    x[4 * t] = before; x[4 * t + 1] = early; x[4 * t + 2] = room[t][0]; x[4 * t + 3] = warp_max(t);
    """
    loop = "for (int o = 1; o < 32; o *= 2) t = max(t, __shfl_xor_sync(~0u, t, o));"
    helper = f"__device__ int warp_max(int t) {{ {loop} return t; }}"
    arena = Arena()
    x = arena.array(np.ones(256, np.float32))
    text = f"{helper}\n__global__ void probe(float* x) {{ const int t = threadIdx.x; {body} }}"
    Kernel("", "probe", text)((1,), (64,), (x,), order)
    t = np.arange(64)
    assert np.isnan(x[::4]).all() and np.isnan(x[1::4]).all()
    np.testing.assert_array_equal(x[2::4], t % 2 == 0)
    np.testing.assert_array_equal(x[3::4], np.where(t < 32, 31, 63))


@pytest.mark.parametrize(
    "order, first",
    [("ascending", 0), ("first warp ahead", 0), ("descending", 63), ("rotated", 37), ("last warp ahead", 32)],
)
def test_the_orders_differ(order, first):
    """Who writes into x first; the warp that runs ahead also passes its own barriers first."""
    ahead = "ahead" in order
    x = run("static int turn; if (t == 0) {} x[t] = turn++; __syncwarp(); x[64 + t] = turn++;", order=order)
    turns = x[:64] - x[:64].min()
    assert turns[first] == 0
    others = x[:32] if order == "last warp ahead" else x[32:64]
    mine = x[96:128] if order == "last warp ahead" else x[64:96]
    assert (mine.max() < others.min()) == ahead


def test_an_argument_of_another_type_is_refused():
    kernel = Kernel("", "probe", "__global__ void probe(float* x, int n) {}")
    x = Arena().array((4,), np.float32)
    for wrong in (
        (x,),
        (x.astype(np.float64), np.int32(1)),
        (x[::2], np.int32(1)),
        (x, np.int64(1)),
        (None, np.int32(1)),
    ):
        with pytest.raises((AssertionError, AttributeError)):
            kernel((1,), (1,), wrong)
