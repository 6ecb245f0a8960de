// load_packet_series over memory: the entry that tests and fuzzers share. Errors do not name the file.
#pragma once

#include <cstdint>
#include <span>

#include "reelsense/ingest/packet_series.h"

namespace reelsense::ingest {

Result<PacketSeries> parse_packet_series(std::span<const std::uint8_t> bytes);

}  // namespace reelsense::ingest
