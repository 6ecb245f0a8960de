// Classic captures, plain from memory and from a stream, and whatever gzip and zstd make of the bytes.
#include "pcap_differential.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace reelsense::ingest;
  const std::span<const std::uint8_t> bytes(data, size);
  if (compression_of(bytes) == Compression::kNone) {
    fuzz::read_both_ways(bytes, {});
    return 0;
  }
  if (auto reader = open_memory(bytes); reader.ok()) (void)fuzz::walk(*reader.value(), 64);
  return 0;
}
