// Batch norm as an affine map of each channel: its coefficients, and what its gradient needs.
//
//   mean = sum u / m    var = sum (u - mean)^2 / m    istd = 1 / sqrt(var + eps)    f(u) = gamma istd (u - mean) + beta
//   S1 = sum Z    S2 = sum Z (u - mean)    dbeta += S1    dgamma += istd S2
//   du = scale (Z + slope (u - mean) + level)         slope = -istd^2 S2 / m    level = -S1 / m
//
//   statistics (parts, 3, C): mean of the part's rows as it is rounded, sum (u - mean), sum (u - mean)^2
//   norm (6, C): MEAN ... VAR, see common.cuh    sums (slabs, 3, C): S1, S2 of one map, S2 of another
//   slopes (2, C): slope, level    gamma, beta, running statistics, dgamma, dbeta: (channels), all others pitch(channels)
//
// Two passes over the parts: first their mean, counted from that of the first part, then the squares around it, so that
// nothing cancels wherever the values lie. One warp a channel; parts in one order, lane by lane, then over the lanes.
// Moves the parts twice: a few hundred kilobytes. ``part_statistics`` reads u twice, from the L2 cache once; floor: once.

__device__ __forceinline__ float unbiased(float var, int m) { return var * ((float)m / (m - 1)); }

__global__ void
norm_coefficients(const float* statistics, const float* gamma, const float* beta, float* norm, float* running_mean,
                  float* running_var, int parts, int rows, int pixels, int channels, float eps, float momentum) {
  const int c = blockIdx.x * 4 + (threadIdx.x >> 5), lane = threadIdx.x & 31, length = pitch(channels);
  if (c >= length) return;
  const float start = statistics[c];
  float sum = 0, squares = 0;
  for (int k = lane; k < parts; k += 32) {
    const float* part = statistics + k * 3 * length + c;
    sum += min(rows, pixels - k * rows) * (part[0] - start) + part[length];
  }
  const float gap = warp_sum(sum) / pixels, mean = start + gap, rest = gap - (mean - start);
  for (int k = lane; k < parts; k += 32) {
    const float* part = statistics + k * 3 * length + c;
    const float d = (part[0] - mean) - rest;
    squares += part[2 * length] + 2 * d * part[length] + min(rows, pixels - k * rows) * d * d;
  }
  const float var = warp_sum(squares) / pixels, istd = 1 / sqrtf(var + eps);
  if (lane) return;
  const bool real = c < channels;
  norm[MEAN * length + c] = mean, norm[REST * length + c] = rest, norm[ISTD * length + c] = istd, norm[VAR * length + c] = var;
  norm[SCALE * length + c] = real ? gamma[c] * istd : 0, norm[SHIFT * length + c] = real ? beta[c] : 0;
  if (!running_mean || !real) return;
  running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean;
  running_var[c] = (1 - momentum) * running_var[c] + momentum * unbiased(var, pixels);
}

// the running statistics move later, where a forward must not
__global__ void
norm_track(const float* norm, float* running_mean, float* running_var, int pixels, int channels, float momentum) {
  const int c = blockIdx.x * 128 + threadIdx.x, length = pitch(channels);
  if (c >= channels) return;
  running_mean[c] = (1 - momentum) * running_mean[c] + momentum * norm[MEAN * length + c];
  running_var[c] = (1 - momentum) * running_var[c] + momentum * unbiased(norm[VAR * length + c], pixels);
}

// a constant map: batch norm by its running statistics, or the bias of a convolution, without gamma
__global__ void
norm_constant(const float* gamma, const float* beta, const float* running_mean, const float* running_var, float* norm,
              int channels, float eps) {
  const int c = blockIdx.x * 128 + threadIdx.x, length = pitch(channels);
  if (c >= length) return;
  const bool real = c < channels;
  const float istd = real && gamma ? 1 / sqrtf(running_var[c] + eps) : 1;
  norm[MEAN * length + c] = real && gamma ? running_mean[c] : 0, norm[REST * length + c] = 0;
  norm[SCALE * length + c] = real ? (gamma ? gamma[c] * istd : 1) : 0, norm[SHIFT * length + c] = real ? beta[c] : 0;
  norm[ISTD * length + c] = istd, norm[VAR * length + c] = real && gamma ? running_var[c] : 0;
}

// The gradient of a map from its sums. slopes: null where the map does not depend on the batch; dgamma: null for a bias.
__global__ void
norm_slopes(const float* sums, const float* norm, float* slopes, float* dgamma, float* dbeta, int slabs, int which,
            int pixels, int channels) {
  const int c = blockIdx.x * 4 + (threadIdx.x >> 5), lane = threadIdx.x & 31, length = pitch(channels);
  if (c >= length) return;
  float s1 = 0, s2 = 0;
  for (int k = lane; k < slabs; k += 32) {
    s1 += sums[k * 3 * length + c];
    s2 += sums[(k * 3 + which) * length + c];
  }
  s1 = warp_sum(s1), s2 = warp_sum(s2);
  if (lane) return;
  const float istd = norm[ISTD * length + c];
  if (slopes) slopes[c] = -istd * istd * s2 / pixels, slopes[length + c] = -s1 / pixels;
  if (dgamma && c < channels) dgamma[c] += istd * s2;
  if (dbeta && c < channels) dbeta[c] += s1;
}

// The statistics of a value that no product has just made: a block has ``lanes`` times 4 channels (blockIdx.y) of ``rows``
// pixels (blockIdx.x), thread t the channels of t % lanes.
template <class T>
__global__ void __launch_bounds__(256)
part_statistics(const T* u, float* statistics, int rows, int pixels, int channels, int lanes) {
  typedef float Shared[256][4];
  SHARED(Shared, room);
  const int t = threadIdx.x, length = pitch(channels), c = (blockIdx.y * lanes + t % lanes) * 4;
  const int first = blockIdx.x * rows, last = min(pixels, first + rows);
  float mean[4] = {}, v[4];
  for (int pass = 0; pass < 2; ++pass) {
    float rest[4] = {}, squares[4] = {};
    for (int p = first + t / lanes; c < length && p < last; p += 256 / lanes) {
      load4(v, u + p * length + c);
      for (int e = 0; e < 4; ++e) {
        const float d = v[e] - mean[e];
        rest[e] += d, squares[e] += d * d;
      }
    }
    fold_rows(rest, room, lanes);
    fold_rows(squares, room, lanes);
    for (int e = 0; e < 4; ++e)
      if (pass == 0) mean[e] = rest[e] / (last - first);
      else if (t < lanes && c < length) {
        float* out = statistics + blockIdx.x * 3 * length + c + e;
        out[0] = mean[e], out[length] = rest[e], out[2 * length] = squares[e];
      }
  }
}
