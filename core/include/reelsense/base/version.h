// The project's version: the only place that states it (CMake and the SDKs' builds read this line).
#pragma once

#include <string_view>

namespace reelsense {

inline constexpr std::string_view kVersion = "0.4.0";

}  // namespace reelsense
