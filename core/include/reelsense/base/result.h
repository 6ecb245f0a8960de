// Result<T>: a value, or an error that says what, where and what was expected.
//
// Set-up and I/O return it; the packet path never does (a malformed packet is data: a DropReason).
// Thread safety: plain values.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "reelsense/base/text.h"

namespace reelsense {

enum class ErrorCode : std::uint8_t {
  kInvalidArgument,  // the caller asked for something that cannot be
  kNotFound,         // a named thing is not there
  kIo,               // the operating system refused or failed
  kCorrupt,          // bytes that do not follow their format
  kUnsupported,      // well-formed, but not something this build reads
  kMismatch,         // two things that must agree do not (schema hash, digest)
  kLimit,            // over a documented bound
};

struct Error {
  ErrorCode code = ErrorCode::kInvalidArgument;
  std::string message;

  // The same error with the place in front: "model.onnx: node 3 …".
  [[nodiscard]] Error in(std::string_view where) const;
};

// An Error on its way into a Result: one pointer, so that the many places that may fail stay small.
class [[nodiscard]] Failure {
 public:
  Failure(Error error);  // NOLINT(*-explicit-*)
  Failure(const Failure& other);
  Failure(Failure&& other) noexcept : error_(std::exchange(other.error_, nullptr)) {}
  Failure& operator=(const Failure& other) { return *this = Failure(other); }
  Failure& operator=(Failure&& other) noexcept {
    std::swap(error_, other.error_);
    return *this;
  }
  ~Failure() {
    if (error_ != nullptr) free_error();
  }
  operator Error() const { return *error_; }  // NOLINT(*-explicit-*)

 private:
  template <class T>
  friend class Result;
  Failure() noexcept = default;
  void free_error() noexcept;

  Error* error_ = nullptr;
};

Failure make_error(ErrorCode code, const Message& message);

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}                // NOLINT(*-explicit-*)
  Result(Error error) : failure_(std::move(error)) {}          // NOLINT(*-explicit-*)
  Result(Failure&& failure) : failure_(std::move(failure)) {}  // NOLINT(*-explicit-*)

  [[nodiscard]] bool ok() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }

  // Precondition of the next two: ok().
  [[nodiscard]] T& value() & {
    assert(ok());
    return *value_;
  }
  [[nodiscard]] const T& value() const& {
    assert(ok());
    return *value_;
  }
  [[nodiscard]] T&& value() && {
    assert(ok());
    return *std::move(value_);
  }
  // Precondition: !ok().
  [[nodiscard]] const Error& error() const& {
    assert(!ok());
    return *failure_.error_;
  }
  // Gives the error away, to another Result. Precondition: !ok().
  [[nodiscard]] Failure failure() noexcept {
    assert(!ok());
    return std::move(failure_);
  }

 private:
  std::optional<T> value_;
  Failure failure_;
};

using Status = Result<std::monostate>;
inline Status ok_status() {
  return Status(std::monostate{});
}

}  // namespace reelsense
