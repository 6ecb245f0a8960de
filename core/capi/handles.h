// What stands behind the C ABI's handles, and how its calls refuse bad arguments. Private to this layer.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "reelsense.h"
#include "reelsense/base/result.h"
#include "reelsense/model/ue_model.h"
#include "reelsense/policy/policy_options.h"

namespace reelsense::capi {

// One call at a time on a handle. A call that finds another one running is refused; with assertions, one that
// comes from another thread stops the program, as the caller broke the rules.
class Gate {
 public:
  [[nodiscard]] bool enter() noexcept {
    if (__atomic_exchange_n(&busy_, 1U, __ATOMIC_ACQUIRE) == 0) {
      remember_thread();
      return true;
    }
    assert(same_thread() && "two threads use one handle at the same time");
    __atomic_fetch_add(&refused_, 1U, __ATOMIC_RELAXED);
    return false;
  }
  void leave() noexcept { __atomic_store_n(&busy_, 0U, __ATOMIC_RELEASE); }
  [[nodiscard]] std::uint64_t refused() const noexcept {
    return __atomic_load_n(&refused_, __ATOMIC_RELAXED);
  }

 private:
#ifdef NDEBUG
  void remember_thread() noexcept {}
#else
  static const void* this_thread() noexcept {
    static thread_local const char mark = 0;
    return &mark;
  }
  void remember_thread() noexcept {
    __atomic_store_n(&thread_, this_thread(), __ATOMIC_RELAXED);
  }
  [[nodiscard]] bool same_thread() const noexcept {
    return __atomic_load_n(&thread_, __ATOMIC_RELAXED) == this_thread();
  }
  const void* thread_ = nullptr;
#endif
  std::uint32_t busy_ = 0;
  std::uint64_t refused_ = 0;
};

// Holds a gate for the length of a call.
class Turn {
 public:
  explicit Turn(Gate& gate) noexcept : gate_(gate), taken_(gate.enter()) {}
  ~Turn() {
    if (taken_) gate_.leave();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  explicit operator bool() const noexcept { return taken_; }

 private:
  Gate& gate_;
  bool taken_;
};

// A pointer that may be used as T*.
template <class T>
[[nodiscard]] bool usable(const T* p) noexcept {
  return p != nullptr && reinterpret_cast<std::uintptr_t>(p) % alignof(T) == 0;
}
// The same for an array, which may be NULL if it is empty.
template <class T>
[[nodiscard]] bool usable(const T* p, std::size_t n) noexcept {
  return n == 0 || (usable(p) && n <= PTRDIFF_MAX / sizeof(T));
}

// Fills `error`, which may be null, and returns `status`.
rs_status fail(rs_error* error, rs_status status, std::string_view message) noexcept;
rs_status fail(rs_error* error, const Error& cause) noexcept;
// A create function whose handle cannot be given back (RS_INVALID_ARGUMENT), or not be made (RS_MEMORY).
rs_status no_place_for(rs_error* error, const char* handle) noexcept;
rs_status no_memory(rs_error* error) noexcept;

// Structs that begin with their size: copies what both sides know.
inline constexpr std::size_t kMaxStructBytes = 4096;  // beyond it, `size` was never set

template <class T>
void init_sized(T* out, std::size_t size, T defaults) noexcept {
  if (out == nullptr || size < sizeof(std::size_t) || size > kMaxStructBytes) return;
  std::memset(static_cast<void*>(out), 0, size);
  defaults.size = size;
  std::memcpy(static_cast<void*>(out), &defaults, size < sizeof(T) ? size : sizeof(T));
}

template <class T>
[[nodiscard]] rs_status write_sized(T* out, T value) noexcept {
  if (!usable(out) || out->size < sizeof(std::size_t) || out->size > kMaxStructBytes)
    return RS_INVALID_ARGUMENT;
  value.size = out->size;
  std::memcpy(static_cast<void*>(out), &value, value.size < sizeof(T) ? value.size : sizeof(T));
  return RS_OK;
}

// `out` keeps its defaults where the caller's struct is older. A newer one may only leave unknown fields
// zero.
template <class T>
[[nodiscard]] rs_status read_sized(T& out, const T* in, rs_error* error) noexcept {
  if (!usable(in) || in->size < sizeof(std::size_t) || in->size > kMaxStructBytes) {
    return fail(error, RS_INVALID_ARGUMENT,
                "options are NULL, misaligned, or were not set up by their rs_…_init");
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(in);
  for (std::size_t i = sizeof(T); i < in->size; ++i) {
    if (bytes[i] != 0) {
      return fail(error, RS_UNSUPPORTED,
                  "options set a field that this version of the library does not know");
    }
  }
  std::memcpy(static_cast<void*>(&out), in, in->size < sizeof(T) ? in->size : sizeof(T));
  out.size = sizeof(T);
  return RS_OK;
}

}  // namespace reelsense::capi

struct rs_model {
  explicit rs_model(reelsense::UeModel&& parsed) noexcept : model(std::move(parsed)) {}

  reelsense::UeModel model;
  mutable std::uint32_t references = 1;

  static const rs_model* retain(const rs_model* model) noexcept {
    if (model != nullptr) __atomic_fetch_add(&model->references, 1U, __ATOMIC_RELAXED);
    return model;
  }
  static void release(const rs_model* model) noexcept {
    if (model != nullptr && __atomic_sub_fetch(&model->references, 1U, __ATOMIC_ACQ_REL) == 0) delete model;
  }
};

struct rs_policy {
  reelsense::PolicyOptions options;
  mutable reelsense::capi::Gate gate;
};
