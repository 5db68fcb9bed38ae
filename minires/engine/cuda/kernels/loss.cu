// Softmax cross-entropy with its gradient, and whether the largest logit is that of the label.
//
//   L = -(1/S) sum_n sum_k q[n, k] log p[n, k]    p = softmax(logits)    q = (1 - e) one_hot(label) + e / K
//   dlogits[n, k] = (p[n, k] - q[n, k]) / S       rows whose label is ``ignore`` count nothing, S are the others
//
//   logits, dlogits (N, K) rows of pitch(K)    labels (N) int32    rows (2, N): loss and hit of each
//   losses, hits: L and the number of right answers of one step behind those of the last; ``step`` counts them
//
// One warp a row; the rows are added in their order by a block of its own. Moves 3 N K numbers; floor: two launches.

__device__ __forceinline__ void prefer(float& largest, int& best, float v, int k) {
  const bool nan = v != v, was = largest != largest, tie = v == largest || (nan && was);
  if (v > largest || (nan && !was) || (tie && k < best)) largest = v, best = k;
}

template <class T>
__global__ void __launch_bounds__(128)
cross_entropy(T* dlogits, float* rows, const T* logits, const int* labels, int images, int classes, float smoothing,
              int ignore) {
  const int n = blockIdx.x * 4 + (threadIdx.x >> 5), lane = threadIdx.x & 31, length = pitch(classes);
  if (n >= images) return;
  const T* x = logits + n * length;
  T* dx = dlogits + n * length;
  float counted = 0, largest = __uint_as_float(0xff800000u), sum = 0, all = 0;  // minus infinity
  int best = 1 << 30;  // the first of the largest, NaN before all
  for (int k = lane; k < images; k += 32) counted += labels[k] != ignore;
  counted = warp_sum(counted);
  counted = counted == 0 ? 1 : counted;
  for (int k = lane; k < classes; k += 32) prefer(largest, best, number(x[k]), k);
  for (int o = 1; o < 32; o <<= 1) {
    const float v = __shfl_xor_sync(0xffffffffu, largest, o);
    const int k = __shfl_xor_sync(0xffffffffu, best, o);
    prefer(largest, best, v, k);
  }
  for (int k = lane; k < classes; k += 32) sum += expf(number(x[k]) - largest);
  sum = warp_sum(sum);
  const float level = largest + logf(sum), share = smoothing / classes;
  const int label = labels[n];
  for (int k = lane; k < length; k += 32) {
    const float log_p = k < classes ? number(x[k]) - level : 0, q = (k == label ? 1 - smoothing : 0) + share;
    if (k < classes && q != 0) all += q * -log_p;
    put(dx + k, k < classes && label != ignore ? (expf(log_p) - q) / counted : 0);
  }
  all = warp_sum(all);
  if (lane == 0) rows[n] = label != ignore ? all / counted : 0, rows[images + n] = label != ignore && best == label;
}

__global__ void __launch_bounds__(256)
cross_entropy_sum(float* losses, int* hits, int* step, const float* rows, int images) {
  typedef float Shared[256][4];
  SHARED(Shared, room);
  float v[4] = {};
  for (int n = threadIdx.x; n < images; n += 256) v[0] += rows[n], v[1] += rows[images + n];
  fold_rows(v, room, 1);
  if (threadIdx.x == 0) losses[*step] = v[0], hits[*step] = (int)v[1], ++*step;
}
