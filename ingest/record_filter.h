// A BPF expression, compiled by libpcap for one link type. Thread safety: pass() is const; compile is
// libpcap's.
#pragma once

#include <pcap/pcap.h>

#include <cstdint>
#include <string>

#include "reelsense/base/result.h"
#include "reelsense/packet/link_type.h"

namespace reelsense::ingest {

class RecordFilter {
 public:
  // Passes everything.
  RecordFilter() = default;
  RecordFilter(RecordFilter&& other) noexcept;
  RecordFilter& operator=(RecordFilter&& other) noexcept;
  ~RecordFilter();

  // kInvalidArgument with libpcap's message. An empty expression passes everything.
  static Result<RecordFilter> compile(const std::string& expression, LinkType link);

  [[nodiscard]] bool passes_all() const noexcept { return program_.bf_insns == nullptr; }
  // Precondition: !passes_all().
  [[nodiscard]] bool pass(const std::uint8_t* data, std::uint32_t captured,
                          std::uint32_t wire) const noexcept;

 private:
  bpf_program program_{};
};

}  // namespace reelsense::ingest
