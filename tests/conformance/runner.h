// What the kinds of conformance case share. Each throws std::runtime_error that says what differs. Thread
// safety: none.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "reelsense.h"

namespace conformance {

using nlohmann::json;
namespace fs = std::filesystem;

struct Frame {
  std::int64_t time_ns;
  std::uint32_t wire_bytes;
  std::vector<std::uint8_t> bytes;
};
struct Capture {
  std::uint32_t link = 0;
  std::vector<Frame> frames;
};

// A classic pcap, of either byte order and unit.
Capture read_capture(const fs::path& path);
std::string read_text(const fs::path& path);
std::vector<json> read_lines(const fs::path& path);
std::vector<std::vector<std::string>> read_csv(const fs::path& path);

struct FreeHandle {
  void operator()(rs_model* model) const { rs_model_free(model); }
  void operator()(rs_classifier* classifier) const { rs_classifier_free(classifier); }
};
using ModelHandle = std::unique_ptr<rs_model, FreeHandle>;
using ClassifierHandle = std::unique_ptr<rs_classifier, FreeHandle>;

ModelHandle load_model(const fs::path& path);
ClassifierHandle make_classifier(const rs_model* model, const rs_options& options);
void add_capture(rs_classifier* classifier, const Capture& capture);
void require_ok(rs_status status, const std::string& what);

template <class A, class B>
void expect_equal(const std::string& what, const A& got, const B& expected) {
  if (got == expected) return;
  throw std::runtime_error(what + ": got " + json(got).dump() + ", expected " + json(expected).dump());
}
inline void expect_close(const std::string& what, double got, double expected) {
  if (std::fabs(got - expected) <= 1e-6 * std::max(1.0, std::fabs(expected))) return;
  throw std::runtime_error(what + ": got " + json(got).dump() + ", expected " + json(expected).dump());
}

void run_capture(const fs::path& root, const fs::path& file);
void run_socket(const fs::path& root, const fs::path& file);
void run_model(const fs::path& root, const fs::path& file);
void run_decisions(const fs::path& root, const fs::path& file);
// Makes `file` anew from its own header.
void write_decisions(const fs::path& root, const fs::path& file);

}  // namespace conformance
