// The reference page of the metrics, from their definitions.
#include <iterator>
#include <sstream>

#include "server/metrics/definitions.h"
#include "server/metrics/metrics.h"

namespace reelsense::server {

namespace {

constexpr const char* kIntroduction =
    R"(<!-- Generated from server/metrics/definitions.cc by `make docs`. -->
# Metrics of the server

`GET /metrics` answers in the Prometheus text format, version 0.0.4. Counters begin at zero when the server starts. No
label holds an address, a flow or a key.

| metric | type | labels | meaning |
|---|---|---|---|
)";

constexpr const char* kLabels = R"(
## Labels

| label | values |
|---|---|
| `api` | `rest`, `grpc` |
| `route` | the pattern of the path (`/v1/flows/{flow}`) or service and method (`FlowClassifier/ClassifyStream`); `other`: none of the server's |
| `status` | the HTTP status (`200`) or the gRPC code (`OK`) |
| `reason` | `auth`, `rate_limit`, `queue_full`, `draining` or `not_ready`, `busy`, `too_large`, `timeout`, `bad_request`, `not_found`, `disk_full`, `log_off`, `handshake`, `internal` |
| `direction` | `in`: read from clients, `out`: written to them |
| `model` | `name@version`; of `reelsense_server_model_info` the name alone |
| `label` | `video`, `non-video` |
| `code` | `out_of_order`, `invalid`, `deadline`, `cancelled`, `internal` |
| `version` | the model's version |
| `tier` | `ue`, `server`; `unknown` of a version that could not be loaded |
| `state` | `ready`, `failed`, `vanished`, `unloaded` |
| `truth` | what a device reports: `video`, `non-video`, `none` |
| `outcome` | `stored`, `repeated`, `invalid`, `busy`, `disk_full`, `failed` |

A label that callers could choose has at most 64 values, further ones are counted as `other`. At most 64 model versions
have series; the one unused longest gives way to a new one.

The series of the inference log are there only with `log.file` set. Those of a model begin with its first batch.

## Buckets

Upper bounds, inclusive; every histogram has `+Inf` as well.

| histogram | bounds |
|---|---|
)";

const char* name_of(MetricKind kind) noexcept {
  switch (kind) {
    case MetricKind::kCounter:
      return "counter";
    case MetricKind::kGauge:
      return "gauge";
    case MetricKind::kHistogram:
      break;
  }
  return "histogram";
}

// "a,b" → "`a`, `b`".
std::string quoted(std::string_view labels) {
  std::string out;
  while (!labels.empty()) {
    const std::size_t end = std::min(labels.find(','), labels.size());
    out += (out.empty() ? "`" : ", `") + std::string(labels.substr(0, end)) + "`";
    labels.remove_prefix(std::min(end + 1, labels.size()));
  }
  return out;
}

}  // namespace

std::string Metrics::reference() {
  std::ostringstream out;
  out << kIntroduction;
  for (const MetricDefinition& definition : metric_definitions()) {
    out << "| `" << definition.name << "` | " << name_of(definition.kind) << " | "
        << quoted(definition.labels) << " | " << definition.meaning << " |\n";
  }
  out << kLabels;
  for (const MetricDefinition& definition : metric_definitions()) {
    if (definition.bounds.empty()) continue;
    out << "| `" << definition.name << "` |";
    for (std::size_t i = 0; i < definition.bounds.size(); ++i)
      out << (i == 0 ? " " : ", ") << definition.bounds[i];
    out << " |\n";
  }
  return out.str();
}

}  // namespace reelsense::server
