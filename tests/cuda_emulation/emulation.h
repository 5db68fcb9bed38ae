// CUDA for g++: the words of the language, the instructions of ptx.cuh, and a way to launch a kernel from Python.
#pragma once
#include <algorithm>
#include <cmath>
#include <tuple>
#include <type_traits>
#include <utility>
#include "fibers.h"

#define __device__
#define __host__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__

struct uint3 { unsigned x, y, z; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct bf16 { unsigned short bits; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint3 threadIdx, blockIdx, blockDim, gridDim;
using std::isnan;
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline long long min(long long a, long long b) { return a < b ? a : b; }
template <class To, class From> To bits_of(From v) { To r; static_assert(sizeof r == sizeof v); memcpy(&r, &v, sizeof r); return r; }
inline unsigned __float_as_uint(float v) { return bits_of<unsigned>(v); }
inline float __uint_as_float(unsigned v) { return bits_of<float>(v); }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }

#define SHARED(type, name) \
  static char name##_key;  \
  type& name = *(type*)emulation::shared_array(&name##_key, sizeof(type))

namespace emulation {
enum Instruction { SYNC_WARP, SHUFFLE, MMA_TF32, MMA_BF16, LOAD_TRANSPOSED };
inline unsigned lane() { return current & 31; }
inline Warp& warp() { return warps[current / 32]; }

// waits for the other lanes; the first one that goes on computes for all of them
template <class Compute> void together(Instruction what, Compute compute) {
  threads[current].waits_for = what;
  lay_down(AT_WARP);
  if (warp().fresh) warp().fresh = false, compute(warp());
}

// A fiber that goes on has its own threadIdx again.
inline void place() { threadIdx = {current % blockDim.x, current / blockDim.x % blockDim.y, current / blockDim.x / blockDim.y}; }

// In a fragment of A lane 4 g + t holds rows g and g + 8, of B column g; of both words t and t + 4 of the sum.
inline float of_a(Warp& w, int row, int word, int half, int halves) {
  unsigned v = w.a[row % 8 * 4 + word % 4][row / 8 + word / 4 * 2];
  return halves == 1 ? bits_of<float>(v & 0xffffe000u) : bits_of<float>(half ? v & 0xffff0000u : v << 16);
}
inline float of_b(Warp& w, int column, int word, int half, int halves) {
  unsigned v = w.b[column * 4 + word % 4][word / 4];
  return halves == 1 ? bits_of<float>(v & 0xffffe000u) : bits_of<float>(half ? v & 0xffff0000u : v << 16);
}
inline void product(Warp& w, int halves) {
  float a[16][16], b[16][8];
  for (int k = 0; k < 8 * halves; ++k) {
    for (int row = 0; row < 16; ++row) a[row][k] = of_a(w, row, k / halves, k % halves, halves);
    for (int column = 0; column < 8; ++column) b[k][column] = of_b(w, column, k / halves, k % halves, halves);
  }
  for (int row = 0; row < 16; ++row) {
    float sum[8] = {};
    for (int k = 0; k < 8 * halves; ++k)
      for (int column = 0; column < 8; ++column) sum[column] += a[row][k] * b[k][column];
    for (int column = 0; column < 8; ++column) w.d[row % 8 * 4 + column / 2][row / 8 * 2 + column % 2] += sum[column];
  }
}
inline void mma(float* d, const unsigned* a, const unsigned* b, Instruction what) {
  Warp& w = warp();
  memcpy(w.a[lane()], a, 16), memcpy(w.b[lane()], b, 8), memcpy(w.d[lane()], d, 16);
  together(what, [what](Warp& w) { product(w, what == MMA_TF32 ? 1 : 2); });
  memcpy(d, w.d[lane()], 16);
}
inline void aligned(const void* p, const char* what) {
  if ((uintptr_t)p & 15) fail("%s at %p, which is no multiple of 16 bytes", what, p);
}
}  // namespace emulation

inline void __syncthreads() { emulation::lay_down(emulation::AT_BLOCK), emulation::place(); }
inline void __syncwarp() { emulation::together(emulation::SYNC_WARP, [](emulation::Warp&) {}), emulation::place(); }
inline unsigned emulation_shuffle(unsigned v, unsigned from) {
  emulation::Warp& w = emulation::warp();
  w.a[emulation::lane()][0] = v;
  emulation::together(emulation::SHUFFLE, [](emulation::Warp& w) {
    for (auto& a : w.a) a[1] = a[0];
  });
  emulation::place();
  if (32 * (emulation::current / 32) + from >= emulation::count) emulation::fail("a shuffle from a lane that is not there");
  return w.a[from][1];
}
template <class T> T __shfl_xor_sync(unsigned, T v, int mask) {
  return bits_of<T>(emulation_shuffle(bits_of<unsigned>(v), emulation::lane() ^ mask));
}

// -- ptx.cuh

inline unsigned tf32(float v) {
  unsigned u = bits_of<unsigned>(v);
  return (u & 0x7f800000u) == 0x7f800000u ? u : (u + 0x1000u) & 0xffffe000u;
}
inline unsigned half_of(float v) {
  unsigned u = bits_of<unsigned>(v);
  return v != v ? 0x7fff : (u + 0x7fff + (u >> 16 & 1)) >> 16;
}
inline unsigned pack(float low, float high) { return half_of(low) | half_of(high) << 16; }
inline void mma_tf32(float* d, const unsigned* a, const unsigned* b) { emulation::mma(d, a, b, emulation::MMA_TF32), emulation::place(); }
inline void mma_bf16(float* d, const unsigned* a, const unsigned* b) { emulation::mma(d, a, b, emulation::MMA_BF16), emulation::place(); }
inline void load_transposed(unsigned (&r)[4], const void* row) {
  emulation::aligned(row, "ldmatrix");
  emulation::Warp& w = emulation::warp();
  w.rows[emulation::lane()] = row;
  emulation::together(emulation::LOAD_TRANSPOSED, [](emulation::Warp& w) {
    for (int lane = 0; lane < 32; ++lane)
      for (int i = 0; i < 4; ++i) {
        unsigned short upper = ((const unsigned short*)w.rows[8 * i + lane % 4 * 2])[lane / 4];
        unsigned short lower = ((const unsigned short*)w.rows[8 * i + lane % 4 * 2 + 1])[lane / 4];
        w.a[lane][i] = upper | (unsigned)lower << 16;
      }
  });
  emulation::place();
  memcpy(r, w.a[emulation::lane()], 16);
}
// The target holds NaN until the copy has come.
inline void copy16(void* to, const void* from, bool valid) {
  emulation::aligned(to, "cp.async to an address"), emulation::aligned(from, "cp.async from an address");
  emulation::Thread& t = emulation::threads[emulation::current];
  t.copies.push_back({to, from, valid, t.groups});
  memset(to, 0xff, 16);
}
inline void copies_close() { ++emulation::threads[emulation::current].groups; }
template <int N> void copies_wait() {
  emulation::Thread& t = emulation::threads[emulation::current];
  size_t come = 0;
  for (; come < t.copies.size() && t.copies[come].group < t.groups - N; ++come) {
    emulation::Copy& c = t.copies[come];
    if (c.valid) memcpy(c.to, c.from, 16);
    else memset(c.to, 0, 16);
  }
  t.copies.erase(t.copies.begin(), t.copies.begin() + come);
}

// -- launches

namespace emulation {
// "p" a pointer that is written, "c" one that is read, then the type behind it; "v" a value, then its bytes
template <class A> void describe(char*& out) {
  using Bare = std::remove_cv_t<std::remove_pointer_t<A>>;
  const char* name = std::is_same_v<Bare, float> ? "float32" : std::is_same_v<Bare, bf16> ? "uint16" : std::is_same_v<Bare, int> ? "int32" : std::is_same_v<Bare, long long> ? "int64"
                   : std::is_same_v<Bare, unsigned char> ? "uint8" : "?";
  if (std::is_pointer_v<A>) out += sprintf(out, "%c%s ", std::is_const_v<std::remove_pointer_t<A>> ? 'c' : 'p', name);
  else out += sprintf(out, "v%s%zu ", std::is_class_v<A> ? "struct" : name, sizeof(A));
}
template <class... A> void signature(void (*)(A...), char* out) { *out = 0, (describe<A>(out), ...); }

template <class... A> const char* launch(void (*kernel)(A...), void** arguments, const unsigned* grid, const unsigned* block, int thread_order) {
  static void (*function)(A...);
  static void** values;
  function = kernel, values = arguments, order = thread_order, message[0] = 0;
  gridDim = {grid[0], grid[1], grid[2]}, blockDim = {block[0], block[1], block[2]};
  count = block[0] * block[1] * block[2];
  body = [] {
    place();
    [&]<size_t... I>(std::index_sequence<I...>) { function(*(A*)values[I]...); }(std::index_sequence_for<A...>{});
  };
  for (unsigned z = 0; z < grid[2]; ++z)
    for (unsigned y = 0; y < grid[1]; ++y)
      for (unsigned x = 0; x < grid[0]; ++x) {
        blockIdx = {x, y, z};
        run_block();
        if (message[0]) return message;
      }
  return nullptr;
}
}  // namespace emulation

#define EXPORT(name, ...)                                                                                             \
  extern "C" const char* launch_##name(void** arguments, const unsigned* grid, const unsigned* block, int order) {     \
    return emulation::launch(&__VA_ARGS__, arguments, grid, block, order);                                             \
  }                                                                                                                    \
  extern "C" void signature_##name(char* out) { emulation::signature(&__VA_ARGS__, out); }
