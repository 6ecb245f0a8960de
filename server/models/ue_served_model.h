// The device's models on the server, run by core's native engine: the same answers as the `reelsense`
// command, bit for bit. A window is the whole feature vector of the model's view; bins are not asked for.
// Thread safety: as ServedModel.
#pragma once

#include <filesystem>

#include "server/models/served_model.h"

namespace reelsense::server {

Result<std::shared_ptr<const ServedModel>> load_ue_model(const std::filesystem::path& folder,
                                                         const bundle::Manifest& manifest);

}  // namespace reelsense::server
