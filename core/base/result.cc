#include "reelsense/base/result.h"

namespace reelsense {

Error Error::in(std::string_view where) const {
  return {code, to_text({"{}: {}", where, message})};
}

Failure::Failure(Error error) : error_(new Error(std::move(error))) {}

Failure::Failure(const Failure& other)
    : error_(other.error_ == nullptr ? nullptr : new Error(*other.error_)) {}

void Failure::free_error() noexcept {
  delete error_;
}

Failure make_error(ErrorCode code, const Message& message) {
  return Error{code, to_text(message)};
}

}  // namespace reelsense
