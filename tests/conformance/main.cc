// conformance ROOT: runs every case of tests/conformance/cases.json through the C ABI; exit code 1 if one
// fails. conformance --write ROOT: makes the decisions' expected lines anew, after the policy or a model
// changed.
#include <cstdio>
#include <cstring>
#include <map>

#include "runner.h"

namespace conformance {
namespace {

using Run = void (*)(const fs::path& root, const fs::path& file);

int run_all(const fs::path& root, bool write) {
  const std::map<std::string, Run> kinds = {
      {"capture", run_capture},
      {"socket", run_socket},
      {"model", run_model},
      {"decisions", write ? write_decisions : run_decisions},
  };
  const json list = json::parse(read_text(root / "tests/conformance/cases.json"));
  int cases = 0;
  int failed = 0;
  for (const json& entry : list["cases"]) {
    const std::string file = entry["file"];
    if (write && entry["kind"] != "decisions") continue;
    ++cases;
    try {
      kinds.at(entry["kind"])(root, file);
    } catch (const std::exception& error) {
      ++failed;
      std::fprintf(stderr, "%s: %s\n", file.c_str(), error.what());
    }
  }
  std::printf("conformance: %d cases, %d failed\n", cases, failed);
  return failed == 0 && (write || list["count"] == cases) ? 0 : 1;
}

}  // namespace
}  // namespace conformance

int main(int argc, char** argv) {
  const bool write = argc == 3 && std::strcmp(argv[1], "--write") == 0;
  if (argc != 2 && !write) {
    std::fprintf(stderr, "usage: conformance [--write] ROOT\n");
    return 2;
  }
  try {
    return conformance::run_all(argv[argc - 1], write);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "conformance: %s\n", error.what());
    return 1;
  }
}
