// The few symbols of a C++ runtime that the core needs, so that libreelsense.so depends on libc and libm
// alone.
//
// An app that already ships libc++_shared.so, another version of it, or none gets no second copy and no
// conflict: all of these are hidden. The core has no exceptions and no RTTI; where the standard library would
// throw, it stops here. Memory: operator new aborts when there is none, as it does in every program built
// without exceptions. Thread safety: as malloc.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

void* allocate(std::size_t bytes) noexcept {
  return std::malloc(bytes == 0 ? 1 : bytes);
}

void* allocate_aligned(std::size_t bytes, std::align_val_t alignment) noexcept {
  void* memory = nullptr;
  const auto power = static_cast<std::size_t>(alignment);
  return posix_memalign(&memory, power < sizeof(void*) ? sizeof(void*) : power, bytes == 0 ? 1 : bytes) == 0
             ? memory
             : nullptr;
}

void* need(void* memory) noexcept {
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

const std::nothrow_t std::nothrow{};

// clang-format off
void* operator new(std::size_t bytes) { return need(allocate(bytes)); }
void* operator new[](std::size_t bytes) { return need(allocate(bytes)); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes); }
void* operator new(std::size_t bytes, std::align_val_t a) { return need(allocate_aligned(bytes, a)); }
void* operator new[](std::size_t bytes, std::align_val_t a) { return need(allocate_aligned(bytes, a)); }
void* operator new(std::size_t bytes, std::align_val_t a, const std::nothrow_t&) noexcept { return allocate_aligned(bytes, a); }
void* operator new[](std::size_t bytes, std::align_val_t a, const std::nothrow_t&) noexcept { return allocate_aligned(bytes, a); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept { std::free(memory); }

// clang-format on

extern "C" {
// 128-bit integer to double, rounded to the nearest, ties to even. libgcc's goes through 128-bit floating
// point, 7 KB of it.
__extension__ double __floatuntidf(unsigned __int128 value) {
  const auto high = static_cast<std::uint64_t>(value >> 64);
  if (high == 0) return static_cast<double>(static_cast<std::uint64_t>(value));
  const int shift = 64 - __builtin_clzll(high);
  auto kept = static_cast<std::uint64_t>(value >> shift);
  // 64 bits are 11 more than a double keeps: what was shifted out matters only as "more than a tie".
  if ((value & ((static_cast<unsigned __int128>(1) << shift) - 1)) != 0) kept |= 1;
  return static_cast<double>(kept) * static_cast<double>(std::uint64_t{1} << (shift - 1)) * 2.0;
}

[[noreturn]] void __cxa_pure_virtual() {
  std::abort();
}
// What crtbegin_so.o has in an NDK build: names this library to __cxa_atexit and __cxa_finalize.
__attribute__((visibility("hidden"))) void* __dso_handle = &__dso_handle;
}
