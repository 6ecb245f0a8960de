// Packet series: whatever loads keeps the promises of packet_series.h.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "npy.h"
#include "packet_series_memory.h"

namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace reelsense::ingest;
  (void)parse_npy_header({reinterpret_cast<const char*>(data), size});
  auto loaded = parse_packet_series({data, size});
  if (!loaded.ok()) {
    require(!loaded.error().message.empty());
    return 0;
  }
  const PacketSeries& series = loaded.value();
  const std::size_t packets = series.time_us.size();
  require(series.size.size() == packets && series.up.size() == packets);
  require(!series.offsets.empty() && series.offsets.front() == 0);
  require(static_cast<std::size_t>(series.offsets.back()) == packets);
  for (const auto* strings : {&series.label, &series.group, &series.flow}) {
    require(strings->empty() || strings->size() == series.flow_count());
  }
  return 0;
}
