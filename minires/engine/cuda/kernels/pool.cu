// Pooling: the largest or the mean value of a window, and the mean of an image.
//
//   max_pool      y[n, r, s, c] = max_k x[window, place k]    winner[n, r, s, c] = the first k that has it
//   max_back      dx[n, h, w, c] = sum over the windows (r, s) that it won: dy[n, r, s, c]
//   mean_pool     y = sum_k x[window, place k] / count[r, s]      mean_back   dx = sum over its windows: dy / count
//   global_mean   y[n, c] = sum_{h, w} x[n, h, w, c] / (H W)      global_back dx[n, h, w, c] = dy[n, c] / (H W)
//
//   x (N, H, W, C)   y (N, OH, OW, C)   winner: uint8, in windows of up to 255 places
//
// Backward, too, a thread writes one pixel and asks the windows over it, in their order: no two add to one number.
// NaN wins; the border never does, not even over minus infinity. ``count``: with ``include`` the pixels under the window
// and its border, which is ``behind`` wide on the far side, else those of the image. Floor: (x + y) / bandwidth.

struct Pool { int images, channels, include, behind_h, behind_w; Axis h, w; };

template <class T>
__global__ void __launch_bounds__(256) max_pool(T* y, unsigned char* winner, const T* x, Pool g) {
  const int length = pitch(g.channels);
  const int at = 4 * (blockIdx.x * 256 + threadIdx.x), p = at / length;
  if (p >= g.images * g.h.out * g.w.out) return;
  const int c = at % length, s = p % g.w.out, r = p / g.w.out % g.h.out, n = p / g.w.out / g.h.out;
  float best[4], v[4];
  int place[4] = {-1, -1, -1, -1};
  for (int i = 0; i < g.h.kernel; ++i)
    for (int j = 0; j < g.w.kernel; ++j) {
      const int h = r * g.h.stride - g.h.pad + i * g.h.dilation, w = s * g.w.stride - g.w.pad + j * g.w.dilation;
      if (h < 0 || h >= g.h.in || w < 0 || w >= g.w.in) continue;
      load4(v, x + ((n * g.h.in + h) * g.w.in + w) * length + c);
      for (int e = 0; e < 4; ++e)
        if (place[e] < 0 || v[e] > best[e] || v[e] != v[e]) best[e] = v[e], place[e] = i * g.w.kernel + j;
    }
  store4(y + at, best);
  for (int e = 0; e < 4; ++e) winner[at + e] = place[e];
}

// the window that has pixel h at tap i, or -1
__device__ __forceinline__ int window(const Axis& a, int h, int i) {
  const int from = h + a.pad - i * a.dilation;
  return from < 0 || from % a.stride || from / a.stride >= a.out ? -1 : from / a.stride;
}

// by how much the sum under window r is divided, along one axis
__device__ __forceinline__ int covered(const Axis& a, int r, int include, int behind) {
  const int first = r * a.stride - a.pad, last = first + a.kernel;
  return include ? min(last, a.in + behind) - first : min(last, a.in) - max(first, 0);
}

// MAX: what the pixel has won; else its share of the means
template <class T, bool MAX>
__global__ void __launch_bounds__(256) pool_back(T* dx, const T* dy, const unsigned char* winner, Pool g, int adds) {
  const int length = pitch(g.channels);
  const int at = 4 * (blockIdx.x * 256 + threadIdx.x), q = at / length;
  if (q >= g.images * g.h.in * g.w.in) return;
  const int c = at % length, w = q % g.w.in, h = q / g.w.in % g.h.in, n = q / g.w.in / g.h.in;
  float sum[4] = {}, v[4];
  if (adds) load4(sum, dx + at);
  for (int i = 0; i < g.h.kernel; ++i)
    for (int j = 0; j < g.w.kernel; ++j) {
      const int r = window(g.h, h, i), s = window(g.w, w, j);
      if (r < 0 || s < 0) continue;
      const int p = ((n * g.h.out + r) * g.w.out + s) * length + c;
      load4(v, dy + p);
      const float count = MAX ? 1 : covered(g.h, r, g.include, g.behind_h) * covered(g.w, s, g.include, g.behind_w);
      for (int e = 0; e < 4; ++e)
        if (!MAX || winner[p + e] == i * g.w.kernel + j) sum[e] += v[e] / count;
    }
  store4(dx + at, sum);
}

template <class T>
__global__ void __launch_bounds__(256) mean_pool(T* y, const T* x, Pool g) {
  const int length = pitch(g.channels);
  const int at = 4 * (blockIdx.x * 256 + threadIdx.x), p = at / length;
  if (p >= g.images * g.h.out * g.w.out) return;
  const int c = at % length, s = p % g.w.out, r = p / g.w.out % g.h.out, n = p / g.w.out / g.h.out;
  float sum[4] = {}, v[4];
  for (int i = 0; i < g.h.kernel; ++i)
    for (int j = 0; j < g.w.kernel; ++j) {
      const int h = r * g.h.stride - g.h.pad + i, w = s * g.w.stride - g.w.pad + j;
      if (h < 0 || h >= g.h.in || w < 0 || w >= g.w.in) continue;
      load4(v, x + ((n * g.h.in + h) * g.w.in + w) * length + c);
      for (int e = 0; e < 4; ++e) sum[e] += v[e];
    }
  const float count = covered(g.h, r, g.include, g.behind_h) * covered(g.w, s, g.include, g.behind_w);
  for (int e = 0; e < 4; ++e) sum[e] /= count;
  store4(y + at, sum);
}

// A block: one image (blockIdx.x) and ``lanes`` times 4 channels (blockIdx.y). With w the mean of the products x w, of the
// gate of squeeze and excitation their sum: its gradient.
template <class T>
__global__ void __launch_bounds__(256)
global_mean(T* y, const T* x, const T* w, int pixels, int channels, int lanes, int mean) {
  typedef float Shared[256][4];
  SHARED(Shared, room);
  const int t = threadIdx.x, length = pitch(channels), c = (blockIdx.y * lanes + t % lanes) * 4;
  const int image = blockIdx.x * pixels;
  float sum[4] = {}, v[4], f[4];
  for (int p = t / lanes; c < length && p < pixels; p += 256 / lanes) {
    const int at = (image + p) * length + c;
    load4(v, x + at);
    if (w) load4(f, w + at);
    for (int e = 0; e < 4; ++e) sum[e] += w ? v[e] * f[e] : v[e];
  }
  fold_rows(sum, room, lanes);
  if (t >= lanes || c >= length) return;
  for (int e = 0; e < 4; ++e) sum[e] /= mean ? pixels : 1;
  store4(y + blockIdx.x * length + c, sum);
}

template <class T>
__global__ void __launch_bounds__(256)
global_back(T* dx, const T* dy, int images, int pixels, int channels, int adds) {
  const int length = pitch(channels);
  const int at = 4 * (blockIdx.x * 256 + threadIdx.x), q = at / length;
  if (q >= images * pixels) return;
  float v[4], sum[4] = {};
  load4(v, dy + q / pixels * length + at % length);
  if (adds) load4(sum, dx + at);
  for (int e = 0; e < 4; ++e) sum[e] += v[e] / pixels;
  store4(dx + at, sum);
}
