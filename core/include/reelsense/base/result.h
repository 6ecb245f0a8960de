// Result<T>: a value, or an error that says what, where and what was expected.
//
// Set-up and I/O return it; the packet path never does (a malformed packet is data: a DropReason).
// Thread safety: plain values.
#pragma once

#include <cassert>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

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
  [[nodiscard]] Error in(const std::string& where) const { return {code, where + ": " + message}; }
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(*-explicit-*)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(*-explicit-*)

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  // Precondition of the next two: ok().
  [[nodiscard]] T& value() & {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] const T& value() const& {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T&& value() && {
    assert(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  // Precondition: !ok().
  [[nodiscard]] const Error& error() const& {
    assert(!ok());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

using Status = Result<std::monostate>;
inline Status ok_status() {
  return Status(std::monostate{});
}

}  // namespace reelsense
