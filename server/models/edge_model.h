// EdgeModel: the CNN+GRU of tier `server` (ADR 12): its trees and, where it can be, the rest in native code,
// else the rest by OpenVINO, which reads it in any case and says whether the native code is right.
//
// One step of any number of flows: (window [B, W], state [B, S]) → (probability [B, 1], next_state [B, S]).
// With OpenVINO a Scorer compiles the network for a few batch sizes and pads to the next one, which is faster
// than one dynamic size. Thread safety: as ServedModel.
#pragma once

#include <filesystem>

#include "server/models/served_model.h"

namespace reelsense::server {

Result<std::shared_ptr<const ServedModel>> load_edge_model(const std::filesystem::path& folder,
                                                           const bundle::Manifest& manifest);

}  // namespace reelsense::server
