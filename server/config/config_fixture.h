// A folder for a test's configuration files. For tests only.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "server/config/config.h"

namespace reelsense::server {

class ConfigFiles : public ::testing::Test {
 protected:
  ConfigFiles()
      : folder_(std::filesystem::path(::testing::TempDir()) /
                ("server_config_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~ConfigFiles() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path put(std::string_view text, const char* name = "server.toml") const {
    const auto file = folder_ / name;
    std::filesystem::remove(file);  // file systems that flush a file cut to nothing are slow otherwise
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }
  [[nodiscard]] Result<Config> load(std::string_view text) const { return load_config({put(text), {}, {}}); }
  // The message, without the folder in front of the file's name.
  template <class T>
  [[nodiscard]] std::string message_of(const Result<T>& result) const {
    if (result.ok()) return "(no error)";
    std::string text = result.error().message;
    const std::string prefix = folder_.string() + "/";
    for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix))
      text.erase(at, prefix.size());
    return text;
  }

  std::filesystem::path folder_;
};

}  // namespace reelsense::server
