// Convolution and the gradient of its input, as one implicit product of matrices.
//
//   forward    y[n, r, s, m] = bias[m] + sum_{i, j, c} x[n, r S + i D - P, s S + j D - P, c] w[m, i, j, c]
//   back      dx[n, h, v, c] = sum_{i, j, m} dy[n, r, s, m] w[m, i, j, c]     where r S + i D - P = h, s S + j D - P = v
//
//   source (N, H, W, K)   weight (channels of the target, KH, KW, K)   target (N, OH, OW, channels): forward x, w, y; back
//   dy, w with its first and last axis exchanged, dx. Rows are pitch(channels) long, of groups K / groups exactly.
//
// A row of the product is a pixel of the target, its column of the source is never written: cp.async takes each 16 bytes
// from where they lie, or zeros. Back with a stride, the pixels of the target fall into S x S classes (blockIdx.z), in
// each of which every row meets the same taps, so that none multiplies zeros: with step = 1 and r falling as i grows it
// is the same walk as forward. A linear map is a convolution of 1 x 1 pixels.
//
// Behind forward leave the statistics of each channel over the tile, two-pass from the registers: the mean of its rows as
// it is rounded, sum (y - mean), sum (y - mean)^2, which norm.cu merges in the order of the tiles.
//
// Moves (source + weight + target) once from memory, sources up to KH KW times from the L2 cache.
// Floor: max(bytes / bandwidth, 2 N OH OW M KH KW C / rate); three products for Float32.

struct Convolution { int images, in_channels, out_channels, groups; Axis h, w; };

// The taps of one axis for one class of rows of the target: tap first + t skip lies at step * row + offset + t turn.
struct Walk { int rows, taps, first, skip, step, offset, turn, source, stride, start; };

template <bool BACK>
__device__ __forceinline__ Walk walk_of(const Axis& a, int start) {
  if (!BACK) return {a.out, a.kernel, 0, 1, a.stride, -a.pad, a.dilation, a.in, 1, 0};
  int taps = 0, first = 0, skip = 1;
  for (int i = 0; i < a.kernel; ++i)
    if ((start + a.pad - i * a.dilation) % a.stride == 0) {
      if (taps == 0) first = i;
      if (taps == 1) skip = i - first;
      ++taps;
    }
  int rows = (a.in - start + a.stride - 1) / a.stride;
  return {max(rows, 0), taps, first, skip, 1, (start + a.pad - first * a.dilation) / a.stride, -skip * a.dilation / a.stride,
          a.out, a.stride, start};
}

template <int ROWS, int COLUMNS>
struct Tiles {
  unsigned a[3][ROWS * APART], b[3][COLUMNS * APART];
  float sums[2][4][COLUMNS];
};

// Where a tile stands: rows from p0 of ``pixels``, columns from m0 of a group, which has ``outer`` and, with the zeros
// behind, ``wide``; ``across`` counts them in a row of the target of ``length``.
struct Place { int pixels, p0, m0, across, outer, wide, length; };

// A thread copies unit t % 4 of every 32nd row: E numbers of the tap (i, j), channels c to c + E.
template <class P, int ROWS, int COLUMNS>
struct Loader {
  typedef typename P::T T;
  enum { E = 16 / sizeof(T), Q = ROWS / 32 };
  const T *source, *weight;
  Walk h, w;
  int base[Q], row[Q], column[Q], i, j, c, depth, length, kernel_w, taps, columns;

  __device__ __forceinline__ void
  start(const T* from, const T* weights, const Place& at, const Walk& down, const Walk& across, int channels,
        const Convolution& g) {
    h = down, w = across, depth = channels, length = g.groups * channels, columns = at.outer - at.m0;
    taps = g.h.kernel * g.w.kernel, kernel_w = g.w.kernel;
    source = from, weight = weights + at.across * taps * depth;
#pragma unroll
    for (int q = 0; q < Q; ++q) {
      const int p = at.p0 + (threadIdx.x >> 2) + 32 * q;
      base[q] = p < at.pixels ? p / w.rows / h.rows * h.source : -1;
      row[q] = p / w.rows % h.rows * h.step + h.offset, column[q] = p % w.rows * w.step + w.offset;
    }
    i = w.taps ? 0 : h.taps, j = 0, c = (threadIdx.x & 3) * E;
    wrap();
  }

  __device__ __forceinline__ void wrap() {
    for (; c >= depth; c -= depth)
      if (++j == w.taps) j = 0, ++i;
  }

  __device__ __forceinline__ void copy(Tiles<ROWS, COLUMNS>& tiles, int stage) {
    const int line = threadIdx.x >> 2, at = (threadIdx.x & 3) * 4;
    const bool tap = i < h.taps;
#pragma unroll
    for (int q = 0; q < Q; ++q) {
      const int r = row[q] + i * h.turn, s = column[q] + j * w.turn;
      const bool in = tap && base[q] >= 0 && r >= 0 && r < h.source && s >= 0 && s < w.source;
      const T* from = in ? source + ((base[q] + r) * w.source + s) * length + c : source;
      copy16(&tiles.a[stage][(line + 32 * q) * APART + at], from, in);
    }
    const int place = (h.first + i * h.skip) * kernel_w + w.first + j * w.skip;
    for (int m = line; m < COLUMNS; m += 32) {
      const bool in = tap && m < columns;
      copy16(&tiles.b[stage][m * APART + at], in ? weight + (m * taps + place) * depth + c : weight, in);
    }
    copies_close();
    c += 4 * E;
    wrap();
  }
};

// sum[u][v][2 half + e] is row warp ROWS / 4 + 16 u + 8 half + lane / 4, column 8 v + 2 (lane % 4) + e of the tile;
// it becomes what is stored.
template <class T, int MT, int NT>
__device__ __forceinline__ void
write_tile(float (&sum)[MT][NT][4], T* target, const float* bias, const Place& at, const Walk& h, const Walk& w,
           int height, int width, int adds) {
  const int lane = threadIdx.x & 31, row = at.p0 + (threadIdx.x >> 5) * 16 * MT + (lane >> 2);
#pragma unroll
  for (int u = 0; u < MT; ++u)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int p = row + u * 16 + half * 8, s = p % w.rows, r = p / w.rows % h.rows, n = p / w.rows / h.rows;
      const int pixel = (n * height + r * h.stride + h.start) * width + s * w.stride + w.start;
      T* to = target + pixel * at.length + at.across;
#pragma unroll
      for (int v = 0; v < NT; ++v) {
        const int m = v * 8 + 2 * (lane & 3);
        const bool there = p < at.pixels && at.m0 + m < at.wide;
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const bool real = at.m0 + m + e < at.outer;
          float value = real ? sum[u][v][2 * half + e] : 0;
          if (bias && real) value += bias[at.across + m + e];
          if (adds && there) value += number(to[m + e]);
          sum[u][v][2 * half + e] = stored(target, value);
        }
        if (there) store2(to + m, sum[u][v][2 * half], sum[u][v][2 * half + 1]);
      }
    }
}

// Column by column over the rows of a lane, the 8 lanes of a column, the 4 warps, always in this order: first the mean,
// then what is left around it, and the squares of that.
template <int MT, int NT, int COLUMNS>
__device__ __forceinline__ void
leave_statistics(const float (&sum)[MT][NT][4], float (&sums)[2][4][COLUMNS], float* out, const Place& at) {
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, rows = min(64 * MT, at.pixels - at.p0);
  float mean[NT][2];
#pragma unroll
  for (int pass = 0; pass < 2; ++pass) {
#pragma unroll
    for (int v = 0; v < NT; ++v)
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        float rest = 0, squares = 0;
#pragma unroll
        for (int u = 0; u < MT; ++u)
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            float d = sum[u][v][2 * half + e] - (pass ? mean[v][e] : 0);
            if (warp * 16 * MT + u * 16 + half * 8 + (lane >> 2) < rows) rest += d, squares += d * d;
          }
        for (int o = 4; o < 32; o <<= 1) {
          rest += __shfl_xor_sync(0xffffffffu, rest, o);
          squares += __shfl_xor_sync(0xffffffffu, squares, o);
        }
        if (lane < 4) sums[0][warp][v * 8 + 2 * lane + e] = rest, sums[1][warp][v * 8 + 2 * lane + e] = squares;
      }
    __syncthreads();
#pragma unroll
    for (int v = 0; v < NT; ++v)
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int m = v * 8 + 2 * (lane & 3) + e;
        const float (*s)[COLUMNS] = sums[0], (*q)[COLUMNS] = sums[1];
        const float rest = (s[0][m] + s[1][m]) + (s[2][m] + s[3][m]), squares = (q[0][m] + q[1][m]) + (q[2][m] + q[3][m]);
        if (pass == 0) mean[v][e] = rest / rows;
        else if (threadIdx.x < 4 && at.m0 + m < at.wide)
          out[m] = mean[v][e], out[at.length + m] = rest, out[2 * at.length + m] = squares;
      }
    __syncthreads();
  }
}

// P: Float32, Tf32 or Bf16
template <class P, int ROWS, int COLUMNS, bool BACK>
__global__ void __launch_bounds__(128, ROWS * COLUMNS == 8192 ? 3 : 4)
convolution(const typename P::T* source, const typename P::T* weight, typename P::T* target, const float* bias,
            float* statistics, Convolution g, int adds) {
  typedef Tiles<ROWS, COLUMNS> Shared;
  SHARED(Shared, tiles);
  constexpr int MT = ROWS / 64, NT = COLUMNS / 8;
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
  const Walk h = walk_of<BACK>(g.h, blockIdx.z / g.w.stride), w = walk_of<BACK>(g.w, blockIdx.z % g.w.stride);
  Place at;
  at.pixels = g.images * h.rows * w.rows, at.p0 = blockIdx.x * ROWS;
  if (at.p0 >= at.pixels) return;
  const int inner = (BACK ? g.out_channels : g.in_channels) / g.groups;
  at.outer = (BACK ? g.in_channels : g.out_channels) / g.groups, at.wide = g.groups == 1 ? pitch(at.outer) : at.outer;
  const int tiles_across = (at.wide + COLUMNS - 1) / COLUMNS, group = blockIdx.y / tiles_across;
  at.m0 = blockIdx.y % tiles_across * COLUMNS, at.across = group * at.outer + at.m0, at.length = g.groups * at.wide;

  Loader<P, ROWS, COLUMNS> load;
  load.start(source + group * inner, weight, at, h, w, g.groups == 1 ? pitch(inner) : inner, g);
  float sum[MT][NT][4];
  clear(sum);
  load.copy(tiles, 0);
  load.copy(tiles, 1);
  const int steps = (h.taps * w.taps * load.depth + 4 * load.E - 1) / (4 * load.E);
  for (int step = 0; step < steps; ++step) {
    copies_wait<1>();
    __syncthreads();  // the copies of all threads have come, and all have read the stage that is filled next
    load.copy(tiles, (step + 2) % 3);
    const unsigned *A = tiles.a[step % 3] + warp * 16 * MT * APART, *B = tiles.b[step % 3];
#pragma unroll
    for (int k = 0; k < WORDS; k += 8) {
      unsigned a[MT][4], b[2];
#pragma unroll
      for (int u = 0; u < MT; ++u) rows_of(a[u], A + u * 16 * APART + k, lane);
#pragma unroll
      for (int v = 0; v < NT; ++v) {
        columns_of(b, B + v * 8 * APART + k, lane);
#pragma unroll
        for (int u = 0; u < MT; ++u) P::multiply(sum[u][v], a[u], b);
      }
    }
  }
  copies_wait<0>();
  write_tile(sum, target, bias, at, h, w, BACK ? g.h.in : g.h.out, BACK ? g.w.in : g.w.out, adds);
  if (!BACK && statistics)
    leave_statistics(sum, tiles.sums, statistics + blockIdx.x * 3 * at.length + at.across, at);
}
