// pcapng captures, from memory and from a stream. A filter runs over them when the input's length is odd.
#include "pcap_differential.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace reelsense::ingest;
  const CaptureOptions options{size % 2 == 0 ? "" : "ip or ip6"};
  fuzz::read_both_ways({data, size}, options);
  return 0;
}
