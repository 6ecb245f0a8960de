// JsonParser: the reusable memory of a JSON parser. Thread safety: none; one a thread.
#pragma once

#include <cstddef>
#include <memory>

namespace reelsense::server {

// Bytes that may be read behind the end of every body that is parsed; the first is written, and put back,
// meanwhile.
inline constexpr std::size_t kJsonPadding = 64;

class JsonParser {
 public:
  struct Impl;
  JsonParser();
  ~JsonParser();
  JsonParser(const JsonParser&) = delete;
  JsonParser& operator=(const JsonParser&) = delete;
  [[nodiscard]] Impl& impl() noexcept { return *impl_; }
  // Gives back memory that one large body made it take.
  void trim();

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace reelsense::server
