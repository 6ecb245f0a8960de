// FramePool: a bounded number of equal buffers for frames, all made at the beginning. Last in, first out, so
// that a quiet path touches little memory. Thread safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace reelsense::path {

class FramePool {
 public:
  static constexpr std::size_t kSlotBytes = 2048;  // an Ethernet frame of MTU 1500 with tags
  static constexpr std::uint32_t kSlots = 65536;   // 128 MiB of address space; 1 Gbit/s for 0.8 s

  FramePool() : bytes_(new std::uint8_t[kSlotBytes * kSlots]) {  // not zeroed: pages come when used
    free_.reserve(kSlots);
    for (std::uint32_t slot = kSlots; slot-- > 0;) free_.push_back(slot);
  }

  [[nodiscard]] std::optional<std::uint32_t> take() noexcept {
    if (free_.empty()) return std::nullopt;
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void give_back(std::uint32_t slot) noexcept { free_.push_back(slot); }  // never beyond the reserve
  [[nodiscard]] std::uint8_t* at(std::uint32_t slot) noexcept { return bytes_.get() + kSlotBytes * slot; }

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::vector<std::uint32_t> free_;
};

}  // namespace reelsense::path
