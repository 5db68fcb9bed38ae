// The gradients of the weights and the bias of a convolution or linear map, and how the products read weights.
//
//   dw[m, c, i, j] += sum_{n, r, s} x[n, r S + i D - P, s S + j D - P, c] dy[n, r, s, m]      db[m] += sum_n dy[n, m]
//
//   x (N, H, W, C)   dy (N, OH, OW, M)   parts (slabs, KH KW, C of a group, M)   dw (M, C of a group, KH, KW), float32
//
// A block sums one tap (blockIdx.y), SIDE x SIDE channels (blockIdx.z) and one slab of pixels (blockIdx.x); the slabs are
// added in their order. Moves x and dy KH KW times, from the L2 cache. Floor: that of the forward product.

struct Convolution { int images, in_channels, out_channels, groups; Axis h, w; };

template <class T, int SIDE>
struct Slices {
  enum { E = 16 / sizeof(T), PIXELS = 4 * E, ROW = SIDE + 8 };  // rows apart by 8 banks, or 4: none is met twice
  T x[3][PIXELS * ROW], dy[3][PIXELS * ROW];
};

// Fragments of two operands that lie with K as rows, from row k and column c on; of B two side by side.
__device__ __forceinline__ void across(unsigned (&a)[4], const float* at, int row, int lane) {
  const float* q = at + (lane & 3) * row + (lane >> 2);
  a[0] = __float_as_uint(q[0]), a[1] = __float_as_uint(q[8]);
  a[2] = __float_as_uint(q[4 * row]), a[3] = __float_as_uint(q[4 * row + 8]);
}
__device__ __forceinline__ void across(unsigned (&a)[4], const bf16* at, int row, int lane) {
  load_transposed(a, at + (lane / 16 * 8 + lane % 8) * row + lane / 8 % 2 * 8);
}
__device__ __forceinline__ void along(unsigned (&b)[4], const float* at, int row, int lane) {
  const float* q = at + (lane & 3) * row + (lane >> 2);
  b[0] = __float_as_uint(q[0]), b[1] = __float_as_uint(q[4 * row]);
  b[2] = __float_as_uint(q[8]), b[3] = __float_as_uint(q[4 * row + 8]);
}
__device__ __forceinline__ void along(unsigned (&b)[4], const bf16* at, int row, int lane) {
  load_transposed(b, at + (lane / 8 % 2 * 8 + lane % 8) * row + lane / 16 * 8);
}

template <class T, int SIDE>
__device__ __forceinline__ void
load_slices(Slices<T, SIDE>& slices, int stage, const T* x, const T* dy, const Convolution& g, int p0, int last,
            int i, int j, int x_length, int dy_length, int x_width, int dy_width) {
  typedef Slices<T, SIDE> S;
  constexpr int UNITS = SIDE / S::E;
  for (int e = threadIdx.x; e < S::PIXELS * UNITS; e += 128) {
    const int k = e / UNITS, c = e % UNITS * S::E, p = p0 + k, s = p % g.w.out, r = p / g.w.out % g.h.out, n = p / g.w.out / g.h.out;
    const int h = r * g.h.stride + i * g.h.dilation - g.h.pad, w = s * g.w.stride + j * g.w.dilation - g.w.pad;
    bool there = p < last && h >= 0 && h < g.h.in && w >= 0 && w < g.w.in && c < x_width;
    copy16(&slices.x[stage][k * S::ROW + c], there ? x + ((n * g.h.in + h) * g.w.in + w) * x_length + c : x, there);
    there = p < last && c < dy_width;
    copy16(&slices.dy[stage][k * S::ROW + c], there ? dy + p * dy_length + c : dy, there);
  }
  copies_close();
}

template <class P, int SIDE>
__global__ void __launch_bounds__(128)
weight_gradient(const typename P::T* x, const typename P::T* dy, float* parts, Convolution g, int slab) {
  typedef typename P::T T;
  typedef Slices<T, SIDE> Shared;
  SHARED(Shared, slices);
  constexpr int MT = SIDE / 32, NT = SIDE / 16, ROW = Shared::ROW, K = 2 * Shared::E;
  const int lane = threadIdx.x & 31, down = (threadIdx.x >> 6) * (SIDE / 2), right = (threadIdx.x >> 5 & 1) * (SIDE / 2);
  const int inner = g.in_channels / g.groups, outer = g.out_channels / g.groups, taps = g.h.kernel * g.w.kernel;
  const int high = (inner + SIDE - 1) / SIDE, wide = (outer + SIDE - 1) / SIDE;
  const int group = blockIdx.z / (high * wide), c0 = blockIdx.z / wide % high * SIDE, m0 = blockIdx.z % wide * SIDE;
  const int x_depth = g.groups == 1 ? pitch(inner) : inner, dy_depth = g.groups == 1 ? pitch(outer) : outer;
  const int tap = blockIdx.y, first = blockIdx.x * slab, last = min(g.images * g.h.out * g.w.out, first + slab);
  const T *x_from = x + group * inner + c0, *dy_from = dy + group * outer + m0;
  auto load = [&](int step) {
    load_slices(slices, step % 3, x_from, dy_from, g, first + step * Shared::PIXELS, last, tap / g.w.kernel, tap % g.w.kernel,
                g.groups * x_depth, g.groups * dy_depth, x_depth - c0, dy_depth - m0);
  };
  float sum[MT][NT][4];
  clear(sum);
  const int steps = (last - first + Shared::PIXELS - 1) / Shared::PIXELS;
  load(0);
  load(1);
  for (int step = 0; step < steps; ++step) {
    copies_wait<1>();
    __syncthreads();  // the copies of all threads have come, and all have read the stage that is filled next
    load(step + 2);
#pragma unroll
    for (int k = 0; k < Shared::PIXELS; k += K) {
      const T *A = &slices.x[step % 3][k * ROW + down], *B = &slices.dy[step % 3][k * ROW + right];
      unsigned a[MT][4], b[4];
#pragma unroll
      for (int u = 0; u < MT; ++u) across(a[u], A + u * 16, ROW, lane);
#pragma unroll
      for (int v = 0; v < NT; v += 2) {
        along(b, B + v * 8, ROW, lane);
#pragma unroll
        for (int u = 0; u < MT; ++u) P::multiply(sum[u][v], a[u], b), P::multiply(sum[u][v + 1], a[u], b + 2);
      }
    }
  }
  copies_wait<0>();
#pragma unroll
  for (int u = 0; u < MT; ++u)
#pragma unroll
    for (int v = 0; v < NT; ++v)
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        int c = c0 + down + u * 16 + e / 2 * 8 + (lane >> 2), m = m0 + right + v * 8 + 2 * (lane & 3) + e % 2;
        if (c < inner && m < outer)
          parts[((blockIdx.x * taps + tap) * inner + c) * g.out_channels + group * outer + m] = sum[u][v][e];
      }
}

// dw[m, c, tap] += sum of parts[slab, tap, c, m], slab by slab
__global__ void weight_merge(const float* parts, float* dw, int slabs, int taps, int C, int M) {
  const int e = blockIdx.x * 256 + threadIdx.x, size = taps * C * M;
  if (e >= size) return;
  float sum = 0;
  for (int slab = 0; slab < slabs; ++slab) sum += parts[slab * size + e];
  dw[((e % M) * C + e / M % C) * taps + e / M / C] += sum;
}

// db[m] += sum over the rows of dy (rows, M), by blocks of 4 lanes columns, in one order: 256 / lanes threads a column, then
// by halves. Moves dy once; floor: a launch.
template <class T>
__global__ void __launch_bounds__(256) bias_gradient(const T* dy, float* db, int rows, int channels, int lanes) {
  typedef float Shared[256][4];
  SHARED(Shared, room);
  const int length = pitch(channels), c = (blockIdx.x * lanes + threadIdx.x % lanes) * 4;
  float sum[4] = {};
  for (int n = threadIdx.x / lanes; c < length && n < rows; n += 256 / lanes) {
    float v[4];
    load4(v, dy + n * length + c);
    for (int e = 0; e < 4; ++e) sum[e] += v[e];
  }
  fold_rows(sum, room, lanes);
  for (int e = 0; e < 4; ++e)
    if (threadIdx.x < lanes && c + e < channels) db[c + e] += sum[e];
}

// All weights in one launch, each an address and a row of the table: where its two forms go (back: -1 for none), M, C of
// a group, taps, groups.   forward (M, taps, C)   back (groups C, taps, M / groups)
template <class T>
__global__ void weight_pack(const long long* addresses, T* packed, const int* table) {
  const int* row = table + 6 * blockIdx.y;
  const int M = row[2], C = row[3], taps = row[4], groups = row[5], outer = M / groups;
  const float* w = (const float*)addresses[blockIdx.y];
  const int depth = groups == 1 ? pitch(C) : C, back_depth = groups == 1 ? pitch(outer) : outer;
  for (int e = blockIdx.x * 256 + threadIdx.x; e < M * taps * depth; e += gridDim.x * 256) {
    int c = e % depth, tap = e / depth % taps, m = e / depth / taps;
    put(packed + row[0] + e, c < C ? w[(m * C + c) * taps + tap] : 0);
  }
  if (row[1] < 0) return;
  for (int e = blockIdx.x * 256 + threadIdx.x; e < groups * C * taps * back_depth; e += gridDim.x * 256) {
    int m = e % back_depth, tap = e / back_depth % taps, c = e / back_depth / taps, from = c / C * outer + m;
    put(packed + row[1] + e, m < outer ? w[(from * C + c % C) * taps + tap] : 0);
  }
}
