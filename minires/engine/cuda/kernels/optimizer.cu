// One step of an optimiser for all parameters in one launch. They stand in one arena, each from a multiple of 32 numbers
// on; what differs from one to the next stands in arrays with one number for 32, that is for a warp.
//
//   SGD     g' = g + w p    v <- momentum v + g'    p <- p - lr part v, with Nesterov p <- p - lr part (g' + momentum v)
//   AdamW   p <- (1 - lr part w) p    m <- b1 m + (1 - b1) g    v <- b2 v + (1 - b2) g^2
//           p <- p - lr part m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)
//
//   p, g, m, v (size)    decay w, part, steps t (size / 32); part 0: frozen, nothing moves    lr: in an array, because a
//   graph is replayed with the arguments that it was recorded with.
//
// 1 - b and log b come from the host, and 1 - b^t = -expm1(t log b): with b near 1 float32 would lose digits.
// Moves 5 (SGD) or 7 numbers of 4 bytes a parameter; floor: those bytes / bandwidth.

__global__ void __launch_bounds__(256)
sgd(float* p, float* v, const float* g, const float* decay, const float* part, const float* lr, float momentum,
    int nesterov, int size) {
  const int e = blockIdx.x * 256 + threadIdx.x;
  if (e >= size || part[e >> 5] == 0) return;
  const float d = g[e] + decay[e >> 5] * p[e], moved = momentum * v[e] + d;
  v[e] = moved;
  p[e] -= *lr * part[e >> 5] * (nesterov ? d + momentum * moved : moved);
}

__global__ void __launch_bounds__(256)
adamw(float* p, float* m, float* v, const float* g, int* steps, const float* decay, const float* part, const float* lr,
      float b1, float b2, float rest1, float rest2, float log_b1, float log_b2, float eps, int size) {
  const int e = blockIdx.x * 256 + threadIdx.x, run = e >> 5;
  if (e >= size || part[run] == 0) return;
  const int t = steps[run] + 1;
  __syncwarp();  // all have read it
  if ((e & 31) == 0) steps[run] = t;
  const float own = *lr * part[run], d = g[e], mean = b1 * m[e] + rest1 * d, square = b2 * v[e] + rest2 * d * d;
  m[e] = mean, v[e] = square;
  const float root = sqrtf(square / -expm1f(t * log_b2)) + eps;
  p[e] = (1 - own * decay[run]) * p[e] - own / -expm1f(t * log_b1) * mean / root;
}
