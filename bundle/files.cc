#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "reelsense/bundle/bundle.h"

namespace reelsense::bundle {

namespace fs = std::filesystem;

Result<std::vector<std::uint8_t>> read_file(const fs::path& file, std::size_t limit) {
  std::error_code code;
  const fs::file_status status = fs::status(file, code);
  if (status.type() == fs::file_type::not_found)
    return Error{ErrorCode::kNotFound, file.string() + ": no such file"};
  if (code) return Error{ErrorCode::kIo, file.string() + ": " + code.message()};
  // A pipe or device could block or never end.
  if (!fs::is_regular_file(status)) return Error{ErrorCode::kIo, file.string() + ": not a regular file"};

  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(std::fopen(file.c_str(), "rb"), std::fclose);
  if (!stream) return Error{ErrorCode::kIo, file.string() + ": " + std::strerror(errno)};
  const std::uintmax_t size = fs::file_size(file, code);
  if (code) return Error{ErrorCode::kIo, file.string() + ": " + code.message()};
  if (size > limit) {
    return Error{ErrorCode::kLimit, file.string() + ": " + std::to_string(size) +
                                        " bytes, more than the limit of " + std::to_string(limit)};
  }
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  if (std::fread(bytes.data(), 1, bytes.size(), stream.get()) != bytes.size()) {
    return Error{ErrorCode::kIo, file.string() + ": could not be read in full"};
  }
  return bytes;
}

std::vector<fs::path> models_path(const std::string& models_dir, const char* environment,
                                  const fs::path& executable) {
  if (!models_dir.empty()) return {models_dir};
  std::vector<fs::path> path;
  if (environment != nullptr && *environment != '\0') {
    const std::string text = environment;
    for (std::size_t start = 0; start <= text.size();) {
      const std::size_t colon = std::min(text.find(':', start), text.size());
      if (colon > start) path.emplace_back(text.substr(start, colon - start));
      start = colon + 1;
    }
    return path;
  }
  if (!executable.empty()) {
    const fs::path bin = executable.parent_path();
    path.push_back((bin / "../../../models").lexically_normal());
    path.push_back((bin / "../share/reelsense/models").lexically_normal());
  }
  path.emplace_back("/usr/share/reelsense/models");
  return path;
}

}  // namespace reelsense::bundle
