// What the commands need of a server, without its library's headers. A build without gRPC links absent.cc,
// where each of these says so.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/output/output.h"
#include "cli/run/label_stream.h"
#include "reelsense/base/result.h"

namespace reelsense::cli {

struct ServerOptions {
  std::string url;           // "host:port", grpc:// or grpcs:// before it
  std::string api_key_file;  // empty: $REELSENSE_API_KEY
  std::string ca;            // PEM files of TLS; empty: the system's roots
  std::string certificate;   // of this client
  std::string key;
};

// What a server said when asked for its model; nothing was streamed yet.
struct ServedModelInfo {
  std::string id;  // "name@version"
  // How it makes a label of a probability; null if the server does not say.
  std::function<Decision(float probability)> to_decision;
};

struct OpenLabelStream {
  std::unique_ptr<LabelStream> stream;
  ServedModelInfo model;
};

// Connects and asks for `model` (empty: the server's default). `need_decision`: also how it decides. Errors
// name the URL and what was wrong; kInvalidArgument: the options themselves.
Result<OpenLabelStream> open_label_stream(const ServerOptions& server, const std::string& model,
                                          bool need_decision);

struct TailOptions {
  ServerOptions server;
  std::string model;         // empty: all
  std::string label;         // "video", "non-video"; empty: both
  float max_confidence = 0;  // 0: all
  std::string format;
};
// Writes labels until interrupted. Returns the exit code.
int run_tail(const TailOptions& options, Output& out);

enum class LoadMode : std::uint8_t { kStream, kUnary, kRest };

struct BenchOptions {
  ServerOptions server;
  std::string model;
  LoadMode mode = LoadMode::kStream;
  std::size_t windows_per_message = 16;
  std::size_t clients = 4;
  std::size_t flows = 256;       // a client
  double rate = 0;               // windows/s in all; 0: as fast as they are answered
  std::size_t in_flight = 1024;  // windows a client
  double duration_s = 10;
  double warmup_s = 2;
  std::size_t threads = 1;
  std::uint32_t server_pid = 0;  // 0: not known
  bool json = false;
};

// One window of a capture, as requests carry it.
struct SampleWindow {
  std::vector<float> features;
  std::vector<std::uint32_t> bins;
};
// The windows of each flow, in the order of their seconds.
using TrafficSample = std::vector<std::vector<SampleWindow>>;

// Loads the server with the windows of `sample` and writes what it did. Returns the exit code.
int run_bench(const BenchOptions& options, const TrafficSample& sample, Output& out);

}  // namespace reelsense::cli
