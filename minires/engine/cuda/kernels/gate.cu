// Gates and activations, entry by entry.
//
//   scale       y = s x                              s (N, 1, 1, C) one number for an image: squeeze and excitation; its
//               dx = s dy                            gradient ds = sum_{h, w} x dy is global_mean of pool.cu
//   gate        y = t f + (1 - t) x, or f + (1 - t) x
//   gate_back   dx = (1 - t) dy    df = t dy, or dy    dt = (f - x) dy, or -x dy
//   activate    y = phi(x)         activate_back   dx = phi'(x) dy      phi by its number, see below; ``slope``: of LeakyReLU,
//                                                                       alpha of ELU
//
// All (pixels, C). Bit k of ``adds`` says whether the k-th result is added to what is there. Floor: bytes / bandwidth.

enum { RELU6, LEAKY_RELU, ELU, GELU, GELU_TANH, SIGMOID, TANH, SILU, HARD_SWISH };

template <class T>
__device__ __forceinline__ void put4(T* p, float (&v)[4], int adds) {
  float there[4] = {};
  if (adds) load4(there, p);
  for (int e = 0; e < 4; ++e) v[e] += there[e];
  store4(p, v);
}

template <class T>
__global__ void __launch_bounds__(256)
scale(T* y, const T* x, const T* s, int images, int pixels, int channels, int adds) {
  const int length = pitch(channels);
  const int at = 4 * (blockIdx.x * 256 + threadIdx.x), p = at / length;
  if (p >= images * pixels) return;
  float v[4], f[4];
  load4(v, x + at), load4(f, s + p / pixels * length + at % length);
  for (int e = 0; e < 4; ++e) v[e] *= f[e];
  put4(y + at, v, adds);
}

template <class T>
__global__ void __launch_bounds__(256) gate(T* y, const T* x, const T* f, const T* t, int count, int exclusive) {
  const int at = 4 * (blockIdx.x * 256 + threadIdx.x);
  if (at >= count) return;
  float v[4], w[4], u[4];
  load4(v, x + at), load4(w, f + at), load4(u, t + at);
  for (int e = 0; e < 4; ++e) v[e] = (exclusive ? u[e] * w[e] : w[e]) + (1 - u[e]) * v[e];
  store4(y + at, v);
}

template <class T>
__global__ void __launch_bounds__(256)
gate_back(T* dx, T* df, T* dt, const T* dy, const T* x, const T* f, const T* t, int count, int exclusive, int adds) {
  const int at = 4 * (blockIdx.x * 256 + threadIdx.x);
  if (at >= count) return;
  float d[4], v[4], w[4], u[4];
  load4(d, dy + at), load4(v, x + at), load4(w, f + at), load4(u, t + at);
  for (int e = 0; e < 4; ++e) {
    const float of_gate = (exclusive ? w[e] - v[e] : -v[e]) * d[e];
    v[e] = (1 - u[e]) * d[e], w[e] = exclusive ? u[e] * d[e] : d[e], u[e] = of_gate;
  }
  put4(dx + at, v, adds & 1), put4(df + at, w, adds & 2), put4(dt + at, u, adds & 4);
}

// phi(x), or phi'(x)
__device__ __forceinline__ float sigmoid(float x) { return 1 / (1 + expf(-x)); }

__device__ float phi(int kind, float x, float slope, bool derivative) {
  const float root = 0.70710678f, density = 0.39894228f, a = 0.79788456f, b = 0.044715f;
  if (kind == RELU6) return derivative ? (x <= 0 || x >= 6 ? 0 : 1) : x <= 0 ? 0 : x >= 6 ? 6 : x;
  if (kind == LEAKY_RELU) return derivative ? (x > 0 ? 1 : slope) : x > 0 ? x : slope * x;
  if (kind == ELU) return x > 0 ? (derivative ? 1 : x) : slope * (derivative ? expf(x) : expm1f(x));
  if ((kind == GELU || kind == GELU_TANH) && (x > 40 || x < -40)) return x < 0 ? 0 : derivative ? 1 : x;
  if (kind == GELU) {
    const float normal = 0.5f * erfcf(-x * root);
    return derivative ? normal + x * density * expf(-0.5f * x * x) : x * normal;
  }
  if (kind == GELU_TANH) {
    const float y = tanhf(a * (x + b * x * x * x));
    return derivative ? 0.5f * (1 + y) + 0.5f * x * (1 - y * y) * a * (1 + 3 * b * x * x) : 0.5f * x * (1 + y);
  }
  if (kind == SIGMOID) return derivative ? sigmoid(x) * (1 - sigmoid(x)) : sigmoid(x);
  if (kind == TANH) return derivative ? 1 - tanhf(x) * tanhf(x) : tanhf(x);
  if (kind == SILU) return derivative ? sigmoid(x) * (1 + x * (1 - sigmoid(x))) : x * sigmoid(x);
  if (derivative) return x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6;
  return x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6;
}

template <class T>
__global__ void __launch_bounds__(256) activate(T* y, const T* x, int pixels, int channels, int kind, float slope) {
  const int at = blockIdx.x * 256 + threadIdx.x;
  const int length = pitch(channels);
  if (at >= pixels * length) return;
  put(y + at, at % length < channels ? phi(kind, number(x[at]), slope, false) : 0);
}

template <class T>
__global__ void __launch_bounds__(256)
activate_back(T* dx, const T* dy, const T* x, int pixels, int channels, int kind, float slope, int adds) {
  const int at = blockIdx.x * 256 + threadIdx.x;
  const int length = pitch(channels);
  if (at >= pixels * length) return;
  const float v = at % length < channels ? phi(kind, number(x[at]), slope, true) * number(dy[at]) : 0;
  put(dx + at, v + (adds ? number(dx[at]) : 0));
}
