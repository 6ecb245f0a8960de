// EdgeModel: the CNN+GRU of tier `server`, run by OpenVINO with its trees beside it in the native engine.
//
// One step of any number of flows: (window [B, W], state [B, S]) → (probability [B, 1], next_state [B, S]). A
// Scorer compiles the network for a few batch sizes and pads to the next one, which is faster than one
// dynamic size; sizes are compiled when first used. Thread safety: as ServedModel.
#pragma once

#include <filesystem>

#include "server/models/served_model.h"

namespace reelsense::server {

Result<std::shared_ptr<const ServedModel>> load_edge_model(const std::filesystem::path& folder,
                                                           const bundle::Manifest& manifest);

}  // namespace reelsense::server
