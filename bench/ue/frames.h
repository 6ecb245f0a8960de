// The frames of a classic pcap in memory, as the C ABI takes them. Thread safety: none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reelsense.h"

namespace bench_ue {

struct Frames {
  std::uint32_t link = 0;
  std::string bytes;  // of the file; frames point into it
  std::vector<rs_frame> frames;
};

// Exits with a message if the file is no classic pcap in this machine's byte order.
Frames read_frames(const std::string& path);
std::string read_file(const std::string& path);
// A reelsense-ue… model.onnx; exits with the error.
rs_model* load_model(const std::string& path);

}  // namespace bench_ue
