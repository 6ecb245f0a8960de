// What the emulator tells as JSON: counters (--report, {"stats": true}) and a profile's figures (--describe).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "profile.h"
#include "shaper.h"

namespace reelsense::path {

nlohmann::ordered_json counters_json(const Shaper& shaper);
nlohmann::ordered_json describe(const Profile& profile);

}  // namespace reelsense::path
