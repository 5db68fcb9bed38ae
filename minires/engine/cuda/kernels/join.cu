// What stands between products: sums of terms behind affine maps, and their gradients.
//
//   join       y = relu(f(a) + g(b))                       a, b, y: (pixels, C)   f, g: (6, C) or none, b or none
//   assemble   z = mask (k(a) + l(b))   mask = 1 where y > 0   k(z') = z', or f.scale (z' + slope (u - f.mean) + level)
//              S1 = sum z    S2 = sum z (u1 - f1.mean)    S3 = sum z (u2 - f2.mean)      by slabs of pixels, (slabs, 3, C)
//   part       y[p, to + c] = x[q, from + c]    c < count, q every step-th pixel; zeros in the other channels from ``begin``
//              to ``begin + fill``
//   part_back  dx[q, from + c] = dy[p, to + c], or added; elsewhere zeros, or what is there
//
// Each number is read once and written once; floor: those bytes / bandwidth. z may stand in place of a or b.
// NaN passes the ReLU, and closes it for the gradient.

template <class T>
__global__ void __launch_bounds__(256)
join(T* y, const T* a, const float* f, const T* b, const float* g, int pixels, int channels, int relu) {
  const int length = pitch(channels);
  const int at = 4 * (blockIdx.x * 256 + threadIdx.x);
  if (at >= pixels * length) return;
  const int c = at % length;
  float v[4], w[4];
  load4(v, a + at);
  if (f) affine4(v, f, length, c);
  if (b) {
    load4(w, b + at);
    if (g) affine4(w, g, length, c);
    for (int e = 0; e < 4; ++e) v[e] += w[e];
  }
  for (int e = 0; e < 4; ++e)
    if (relu && v[e] <= 0) v[e] = 0;
  store4(y + at, v);
}

// u - mean of four channels
template <class T>
__device__ __forceinline__ void centred4(float (&v)[4], const T* u, const float* norm, int length, int c) {
  float mean[4], rest[4];
  load4(v, u), load4(mean, norm + MEAN * length + c), load4(rest, norm + REST * length + c);
  for (int e = 0; e < 4; ++e) v[e] = (v[e] - mean[e]) - rest[e];
}

// What one contribution adds to the gradient of a value: z itself, or z through the affine map that it went through.
template <class T>
__device__ __forceinline__ void
contribute(float (&v)[4], const T* z, const T* u, const float* norm, const float* slopes, int at, int length, int c) {
  float d[4], scale[4], slope[4], level[4];
  load4(v, z + at);
  if (!norm) return;
  load4(scale, norm + SCALE * length + c);
  if (slopes) {
    centred4(d, u + at, norm, length, c);
    load4(slope, slopes + c), load4(level, slopes + length + c);
    for (int e = 0; e < 4; ++e) v[e] += slope[e] * d[e] + level[e];
  }
  for (int e = 0; e < 4; ++e) v[e] *= scale[e];
}

template <class T>
__global__ void __launch_bounds__(256, 3)
assemble(T* z, const T* y, const T* a, const T* a_u, const float* a_norm, const float* a_slopes, const T* b,
         const T* b_u, const float* b_norm, const float* b_slopes, const T* u1, const float* f1, const T* u2, const float* f2,
         float* sums, int pixels, int channels, int slab, int lanes) {
  typedef float Shared[256][4];
  SHARED(Shared, room);
  const int t = threadIdx.x, length = pitch(channels), c = (blockIdx.y * lanes + t % lanes) * 4;
  const int first = blockIdx.x * slab, last = min(pixels, first + slab);
  float s1[4] = {}, s2[4] = {}, s3[4] = {}, v[4], w[4];
  for (int p = first + t / lanes; c < length && p < last; p += 256 / lanes) {
    const int at = p * length + c;
    contribute(v, a, a_u, a_norm, a_slopes, at, length, c);
    if (b) {
      contribute(w, b, b_u, b_norm, b_slopes, at, length, c);
      for (int e = 0; e < 4; ++e) v[e] += w[e];
    }
    if (y) {
      load4(w, y + at);
      for (int e = 0; e < 4; ++e)
        if (!(w[e] > 0)) v[e] = 0;
    }
    for (int e = 0; e < 4; ++e) v[e] = stored(z, v[e]), s1[e] += v[e];
    if (z) store4(z + at, v);
    if (u1) {
      centred4(w, u1 + at, f1, length, c);
      for (int e = 0; e < 4; ++e) s2[e] += v[e] * w[e];
    }
    if (u2) {
      centred4(w, u2 + at, f2, length, c);
      for (int e = 0; e < 4; ++e) s3[e] += v[e] * w[e];
    }
  }
  if (!sums) return;
  fold_rows(s1, room, lanes), fold_rows(s2, room, lanes), fold_rows(s3, room, lanes);
  if (t >= lanes || c >= length) return;
  float* out = sums + blockIdx.x * 3 * length + c;
  store4(out, s1), store4(out + length, s2), store4(out + 2 * length, s3);
}

// x (N, H, W, C), y (N, ceil(H / step), ceil(W / step), M)
struct Part { int images, height, width, x_channels, y_channels, step, from, to, count, begin, fill; };

template <class T>
__global__ void __launch_bounds__(256) part(T* y, const T* x, Part g) {
  const int height = (g.height + g.step - 1) / g.step, width = (g.width + g.step - 1) / g.step;
  const int e = blockIdx.x * 256 + threadIdx.x, p = e / g.fill;
  if (p >= g.images * height * width) return;
  const int c = g.begin + e % g.fill, s = p % width, r = p / width % height, n = p / width / height;
  const int q = (n * g.height + r * g.step) * g.width + s * g.step;
  const bool in = c >= g.to && c < g.to + g.count;
  put(y + p * pitch(g.y_channels) + c, in ? number(x[q * pitch(g.x_channels) + g.from + c - g.to]) : 0);
}

template <class T>
__global__ void __launch_bounds__(256) part_back(T* dx, const T* dy, Part g, int adds) {
  const int height = (g.height + g.step - 1) / g.step, width = (g.width + g.step - 1) / g.step, length = pitch(g.x_channels);
  const int e = blockIdx.x * 256 + threadIdx.x, q = e / length;
  if (q >= g.images * g.height * g.width) return;
  const int c = e % length, s = q % g.width, r = q / g.width % g.height, n = q / g.width / g.height;
  const bool in = r % g.step == 0 && s % g.step == 0 && c >= g.from && c < g.from + g.count;
  const int p = (n * height + r / g.step) * width + s / g.step;
  float v = in ? number(dy[p * pitch(g.y_channels) + g.to + c - g.from]) : 0;
  if (adds) v += number(dx[e]);
  put(dx + e, v);
}
