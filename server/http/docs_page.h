// The OpenAPI document and the page made from it. Thread safety: functions without state.
#pragma once

#include <string>
#include <string_view>

#include "reelsense/base/result.h"

namespace reelsense::server {

struct Docs {
  std::string openapi;  // JSON
  std::string page;     // HTML, nothing fetched from elsewhere
};

// openapi.json and docs.css as they lie beside this file, embedded at build time.
std::string_view openapi_source() noexcept;
std::string_view docs_style() noexcept;

// `version`: the program's, written into the document. kCorrupt: openapi.json is not what it should be.
Result<Docs> make_docs(const std::string& version);

}  // namespace reelsense::server
