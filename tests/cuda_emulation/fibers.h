// The threads of a block as fibers: each runs until it waits for its warp or its block, then the next one does.
#pragma once
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulation {

enum State { READY, AT_WARP, AT_BLOCK, DONE };
enum Order { ASCENDING, DESCENDING, ROTATED, FIRST_WARP_AHEAD, LAST_WARP_AHEAD };

#if defined(__x86_64__)
// Saves what a call must keep, and goes on with another stack; a system call a switch, as swapcontext makes, is 20 times slower.
extern "C" void emulation_switch(void** from, void* to);
asm(R"(
.text
.hidden emulation_switch
.globl emulation_switch
emulation_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
)");
struct Context {
  void* at = nullptr;
  void start(char* stack, size_t size, void (*entry)()) {
    void** top = (void**)(((uintptr_t)stack + size) & ~(uintptr_t)15);
    *--top = nullptr;
    *--top = (void*)entry;
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    at = top;
  }
};
inline void go(Context& from, Context& to) { emulation_switch(&from.at, to.at); }
#else
struct Context {
  ucontext_t at;
  void start(char* stack, size_t size, void (*entry)()) {
    getcontext(&at);
    at.uc_stack.ss_sp = stack, at.uc_stack.ss_size = size, at.uc_link = nullptr;
    makecontext(&at, entry, 0);
  }
};
inline void go(Context& from, Context& to) { swapcontext(&from.at, &to.at); }
#endif

struct Copy {  // a cp.async that has not come yet
  void* to;
  const void* from;
  bool valid;
  int group;
};

struct Thread {
  Context context;
  State state;
  int waits_for;  // which instruction of a warp
  std::vector<Copy> copies;
  int groups;
};

struct Warp {  // what its lanes have laid down for an instruction of all of them
  unsigned a[32][4], b[32][2];
  float d[32][4];
  const void* rows[32];
  bool fresh;  // the first lane that goes on computes for all
};

const size_t STACK = 65536, SHARED_BYTES = 49152, GUARD = 256;
inline std::vector<Thread> threads;
inline std::vector<Warp> warps;
inline std::vector<char*> stacks;
inline Context scheduler;
inline unsigned current, count;
inline int order;
inline void (*body)();
inline char message[400];

inline void lay_down(State state) {
  threads[current].state = state;
  go(threads[current].context, scheduler);
}

// ends the launch with an error: the fiber never goes on
inline void fail(const char* format, ...) {
  va_list values;
  va_start(values, format);
  if (!message[0]) vsnprintf(message, sizeof message, format, values);
  va_end(values);
  lay_down(DONE);
}

inline void run_thread() {
  body();
  if (!threads[current].copies.empty()) fail("thread %u ends before its copies have come", current);
  for (;;) lay_down(DONE);
}

// -- shared memory: full of NaN when a block begins, with guards behind each array

inline std::map<const void*, std::pair<char*, size_t>> shared;
alignas(64) inline char shared_memory[SHARED_BYTES + 64 * GUARD];
inline size_t shared_used, shared_bytes, shared_most;

inline void* shared_array(const void* key, size_t size) {
  auto found = shared.find(key);
  if (found != shared.end()) return found->second.first;
  shared_bytes += size;
  if (shared_bytes > SHARED_BYTES) fail("%zu bytes of shared memory, at most %zu", shared_bytes, SHARED_BYTES);
  char* at = shared_memory + shared_used;
  memset(at, 0xff, size);
  memset(at + size, 0xa5, GUARD);
  shared_used += (size + GUARD + 63) & ~(size_t)63;
  shared[key] = {at, size};
  if (shared_bytes > shared_most) shared_most = shared_bytes;
  return at;
}

inline void check_shared() {
  for (auto& [key, array] : shared)
    for (size_t i = 0; i < GUARD; ++i)
      if ((unsigned char)array.first[array.second + i] != 0xa5 && !message[0])
        snprintf(message, sizeof message, "a write behind %zu bytes of shared memory", array.second);
}

// -- the scheduler

inline void run(unsigned i) {
  current = i;
  go(scheduler, threads[i].context);
}

// lets a warp go on if all its lanes wait for the same instruction
inline bool release_warp(unsigned w) {
  unsigned begin = 32 * w, end = begin + 32 < count ? begin + 32 : count;
  for (unsigned i = begin; i < end; ++i)
    if (threads[i].state != AT_WARP) return false;
  for (unsigned i = begin; i < end; ++i) {
    if (threads[i].waits_for != threads[begin].waits_for) {
      snprintf(message, sizeof message, "the lanes of a warp wait for different instructions");
      return false;
    }
    threads[i].state = READY;
  }
  warps[w].fresh = true;
  return true;
}

inline bool release_block() {
  for (unsigned i = 0; i < count; ++i)
    if (threads[i].state != AT_BLOCK) return false;
  for (unsigned i = 0; i < count; ++i) threads[i].state = READY;
  return true;
}

// runs a warp until nothing but a barrier of the block can help it
inline bool run_ahead(unsigned w) {
  bool moved = false;
  for (;;) {
    bool ran = false;
    for (unsigned i = 32 * w; i < count && i < 32 * w + 32; ++i)
      if (threads[i].state == READY && !message[0]) run(i), ran = moved = true;
    if (!ran && !release_warp(w)) return moved;
    if (message[0]) return moved;
  }
}

inline bool sweep() {
  bool moved = false;
  unsigned many = warps.size();
  if (order == FIRST_WARP_AHEAD || order == LAST_WARP_AHEAD) {
    for (unsigned q = 0; q < many; ++q) moved |= run_ahead(order == FIRST_WARP_AHEAD ? q : many - 1 - q);
    return moved;
  }
  for (unsigned k = 0; k < count; ++k) {
    unsigned i = order == ASCENDING ? k : order == DESCENDING ? count - 1 - k : (k + 37) % count;
    if (threads[i].state == READY && !message[0]) run(i), moved = true;
  }
  for (unsigned w = 0; w < many; ++w) moved |= release_warp(w);
  return moved;
}

inline void run_block() {
  shared.clear();
  shared_used = shared_bytes = 0;
  while (stacks.size() < count) stacks.push_back((char*)malloc(STACK));
  threads.resize(count), warps.resize((count + 31) / 32);
  for (unsigned i = 0; i < count; ++i) {
    threads[i].context.start(stacks[i], STACK, run_thread);
    threads[i].state = READY, threads[i].groups = 0, threads[i].copies.clear();
  }
  for (;;) {
    bool moved = sweep();
    if (message[0]) return;
    unsigned done = 0, block = 0;
    for (Thread& t : threads) done += t.state == DONE, block += t.state == AT_BLOCK;
    if (done == count) return check_shared();
    if (release_block() || moved) continue;
    snprintf(message, sizeof message, "%u of %u threads wait for the block, %u have ended, the others wait for their warp: not all come to the barrier", block, count, done);
    return;
  }
}

}  // namespace emulation
