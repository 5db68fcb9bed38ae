// Products of matrices in the fragments of a warp, in three precisions.
//
//   Float32   a = A + a', b = B + b' with A, B, a', b' in TF32:   ab = AB + Ab' + a'B     (a'b' is below 2^-22 ab)
//   Tf32      ab = AB
//   Bf16      activations, weights and gradients stand as bf16 already; sums are float32
//
// An infinity is a NaN behind Float32, whose a' is then infinity - infinity.
//
// Of K, 16 words of 4 bytes are in shared memory at a time, two fragments: 16 numbers, of bf16 32. A lane reads the words
// t and t + 4 of the rows g and g + 8 (g = lane / 4, t = lane % 4); rows lie 20 words apart, so that no bank is met twice.

enum { WORDS = 16, APART = 20 };

struct Tf32 {
  typedef float T;
  static __device__ __forceinline__ void multiply(float* d, const unsigned* a, const unsigned* b) {
    unsigned A[4], B[2];
#pragma unroll
    for (int i = 0; i < 4; ++i) A[i] = tf32(__uint_as_float(a[i]));
#pragma unroll
    for (int i = 0; i < 2; ++i) B[i] = tf32(__uint_as_float(b[i]));
    mma_tf32(d, A, B);
  }
};

struct Float32 {
  typedef float T;
  static __device__ __forceinline__ void multiply(float* d, const unsigned* a, const unsigned* b) {
    unsigned A[4], B[2], a_rest[4], b_rest[2];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      A[i] = tf32(__uint_as_float(a[i]));
      a_rest[i] = tf32(__uint_as_float(a[i]) - __uint_as_float(A[i]));
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      B[i] = tf32(__uint_as_float(b[i]));
      b_rest[i] = tf32(__uint_as_float(b[i]) - __uint_as_float(B[i]));
    }
    mma_tf32(d, a_rest, B);  // the small ones first
    mma_tf32(d, A, b_rest);
    mma_tf32(d, A, B);
  }
};

struct Bf16 {
  typedef bf16 T;
  static __device__ __forceinline__ void multiply(float* d, const unsigned* a, const unsigned* b) { mma_bf16(d, a, b); }
};

// A fragment of A, rows x words, from its first row and word
__device__ __forceinline__ void rows_of(unsigned (&a)[4], const unsigned* at, int lane) {
  const unsigned* q = at + (lane >> 2) * APART + (lane & 3);
  a[0] = q[0], a[1] = q[8 * APART], a[2] = q[4], a[3] = q[8 * APART + 4];
}

// a fragment of B, columns x words
__device__ __forceinline__ void columns_of(unsigned (&b)[2], const unsigned* at, int lane) {
  const unsigned* q = at + (lane >> 2) * APART + (lane & 3);
  b[0] = q[0], b[1] = q[4];
}

template <int MT, int NT>
__device__ __forceinline__ void clear(float (&sum)[MT][NT][4]) {
#pragma unroll
  for (int u = 0; u < MT; ++u)
#pragma unroll
    for (int v = 0; v < NT; ++v)
#pragma unroll
      for (int e = 0; e < 4; ++e) sum[u][v][e] = 0;
}
