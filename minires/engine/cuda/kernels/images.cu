// Images between the layout of the layers, (N, C, H, W), and rows of pixels; and a batch from bytes to what is fed.
//
//   batch   y[n, h, w, c] = scale[c] image[n, c, h + top - pad, (w or W - 1 - w) + left - pad] + shift[c]
//           black, that is 0, outside of the image. top, left, mirrored (N): drawn on the host; none for evaluation.
//   enter   y[n, p, c] = x[n, c, p]       leave   x[n, c, p] (+)= y[n, p, c]        n and c any number of entries apart
//
// scale image + shift is rounded twice, as NumPy does it. Floor: bytes / bandwidth.

template <class T>
__global__ void __launch_bounds__(256)
batch(T* y, const unsigned char* images, const float* scale, const float* shift, const int* top, const int* left,
      const unsigned char* mirrored, int count, int channels, int height, int width, int pad) {
  const int length = pitch(channels);
  const int e = blockIdx.x * 256 + threadIdx.x, p = e / length;
  const int c = e % length, w = p % width, h = p / width % height, n = p / width / height;
  if (n >= count) return;
  int row = h, column = mirrored && mirrored[n] ? width - 1 - w : w;
  if (top) row += top[n] - pad, column += left[n] - pad;
  const bool in = c < channels && row >= 0 && row < height && column >= 0 && column < width;
  const float v = in ? images[((n * channels + c) * height + row) * width + column] : 0;
  put(y + e, c < channels ? __fadd_rn(__fmul_rn(v, scale[c]), shift[c]) : 0);
}

template <class T>
__global__ void __launch_bounds__(256)
enter(T* y, const float* x, int count, int channels, int pixels, int next, int beside) {
  const int length = pitch(channels);
  const int e = blockIdx.x * 256 + threadIdx.x, p = e / length;
  if (p >= count * pixels) return;
  const int c = e % length;
  put(y + e, c < channels ? x[p / pixels * next + c * beside + p % pixels] : 0);
}

template <class T>
__global__ void __launch_bounds__(256)
leave(float* x, const T* y, int count, int channels, int pixels, int next, int beside, int adds) {
  const int e = blockIdx.x * 256 + threadIdx.x, q = e / pixels;
  const int p = e % pixels, c = q % channels, n = q / channels;
  if (n >= count) return;
  float* to = x + n * next + c * beside + p;
  *to = number(y[(n * pixels + p) * pitch(channels) + c]) + (adds ? *to : 0);
}
