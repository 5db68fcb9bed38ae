// What the kernels share. Images lie as (N, H, W, channels), a matrix with a row for each pixel; a row is the channels
// rounded up to eight, so that four, and 16 bytes, are never cut. Behind the last channel stand zeros, in values,
// gradients, packed weights and coefficients alike, and every kernel leaves it so. An array has less than 2^31 numbers:
// to divide an index of 64 bits would take longer than to move what it points to.

__host__ __device__ inline int pitch(int channels) { return (channels + 7) & ~7; }

__device__ __forceinline__ float number(float v) { return v; }
__device__ __forceinline__ float number(bf16 v) { return __uint_as_float((unsigned)v.bits << 16); }
__device__ __forceinline__ void put(float* p, float v) { *p = v; }
__device__ __forceinline__ void put(bf16* p, float v) { p->bits = (unsigned short)pack(v, 0); }

// v as it will be stored
__device__ __forceinline__ float stored(const float*, float v) { return v; }
__device__ __forceinline__ float stored(const bf16*, float v) { return __uint_as_float(pack(v, 0) << 16); }

__device__ __forceinline__ void load4(float (&v)[4], const float* p) {
  float4 f = *(const float4*)p;
  v[0] = f.x, v[1] = f.y, v[2] = f.z, v[3] = f.w;
}
__device__ __forceinline__ void load4(float (&v)[4], const bf16* p) {
  uint2 u = *(const uint2*)p;
  v[0] = __uint_as_float(u.x << 16), v[1] = __uint_as_float(u.x & 0xffff0000u);
  v[2] = __uint_as_float(u.y << 16), v[3] = __uint_as_float(u.y & 0xffff0000u);
}
__device__ __forceinline__ void store4(float* p, const float (&v)[4]) { *(float4*)p = make_float4(v[0], v[1], v[2], v[3]); }
__device__ __forceinline__ void store4(bf16* p, const float (&v)[4]) {
  *(uint2*)p = make_uint2(pack(v[0], v[1]), pack(v[2], v[3]));
}
__device__ __forceinline__ void store2(float* p, float a, float b) { *(float2*)p = make_float2(a, b); }
__device__ __forceinline__ void store2(bf16* p, float a, float b) { *(unsigned*)p = pack(a, b); }

// The sum over a warp, the same bits in every lane: addition commutes, and the pairs are always the same.
__device__ __forceinline__ float warp_sum(float v) {
  for (int o = 1; o < 32; o <<= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
  return v;
}

// One axis of a sliding window: out = (in + borders - dilation (kernel - 1) - 1) / stride + 1
struct Axis { int in, out, kernel, stride, pad, dilation; };

// An affine map of each channel, rows of pitch(C) floats: f(u) = scale ((u - mean) - rest) + shift. The mean has two
// parts, because one float32 near 1e4 is off by up to 5e-4 of a standard deviation of 1.
enum { MEAN, REST, SCALE, SHIFT, ISTD, VAR };

// Four sums of each thread over the rows t / lanes of a block of 256, lanes and rows powers of two, by halves: the same
// in every thread of a column. ``room`` may be used again at once.
__device__ __forceinline__ void fold_rows(float (&v)[4], float (&room)[256][4], int lanes) {
  const int t = threadIdx.x;
  for (int e = 0; e < 4; ++e) room[t][e] = v[e];
  __syncthreads();
  for (int reach = 128; reach >= lanes; reach >>= 1) {
    if (t < reach)
      for (int e = 0; e < 4; ++e) room[t][e] += room[t + reach][e];
    __syncthreads();
  }
  for (int e = 0; e < 4; ++e) v[e] = room[t % lanes][e];
  __syncthreads();
}

// f(u) of four channels
__device__ __forceinline__ void affine4(float (&u)[4], const float* norm, int length, int c) {
  float mean[4], rest[4], scale[4], shift[4];
  load4(mean, norm + MEAN * length + c), load4(rest, norm + REST * length + c);
  load4(scale, norm + SCALE * length + c), load4(shift, norm + SHIFT * length + c);
  for (int e = 0; e < 4; ++e) u[e] = scale[e] * ((u[e] - mean[e]) - rest[e]) + shift[e];
}
