#include "record_filter.h"

#include <utility>

namespace reelsense::ingest {

RecordFilter::RecordFilter(RecordFilter&& other) noexcept : program_(std::exchange(other.program_, {})) {}

RecordFilter& RecordFilter::operator=(RecordFilter&& other) noexcept {
  std::swap(program_, other.program_);
  return *this;
}

RecordFilter::~RecordFilter() {
  if (program_.bf_insns != nullptr) pcap_freecode(&program_);
}

Result<RecordFilter> RecordFilter::compile(const std::string& expression, LinkType link) {
  RecordFilter filter;
  if (expression.empty()) return filter;
  constexpr int kSnapLength = 262144;
  // The types that parse_packet knows have the same number as LINKTYPE_ and as DLT_, but for raw IP.
  const int dlt = link == LinkType::kRaw ? DLT_RAW : static_cast<int>(link);
  pcap_t* handle = pcap_open_dead(dlt, kSnapLength);
  if (handle == nullptr) return Error{ErrorCode::kInvalidArgument, "filter: libpcap has no memory"};
  const int code = pcap_compile(handle, &filter.program_, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN);
  const std::string reason = code == 0 ? "" : pcap_geterr(handle);
  pcap_close(handle);
  if (code != 0) {
    filter.program_ = {};
    return Error{ErrorCode::kInvalidArgument,
                 "filter '" + expression + "' on " + name_of(link) + ": " + reason};
  }
  return filter;
}

bool RecordFilter::pass(const std::uint8_t* data, std::uint32_t captured, std::uint32_t wire) const noexcept {
  return bpf_filter(program_.bf_insns, data, wire, captured) != 0;
}

}  // namespace reelsense::ingest
