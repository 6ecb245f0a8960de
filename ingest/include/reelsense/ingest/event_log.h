// Plain text logs of the views socket and record: CSV with a header line, one event or record a line.
//
//   time_ns,connection,direction,bytes                                               direction: up or down
//   start_ns,end_ns,flow,bytes_up,bytes_down,packets_up,packets_down
//
// Times are whole ns since the epoch up to the year 2200; `connection` and `flow` are any name of 1 to 64
// characters without a comma. Thread safety: none; one reader each.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "reelsense/base/result.h"
#include "reelsense/features/record_state.h"
#include "reelsense/ingest/socket_model.h"

namespace reelsense::ingest {

enum class LogKind : std::uint8_t { kSocketEvents, kRecords };

// The kind of log that a file's first line says, if it is one of the two headers.
std::optional<LogKind> log_kind(const std::string& path);

// Read a whole log, line by line. Errors name the file, the line, what was found and what was expected:
// kNotFound, kIo, kCorrupt. `use` returns false to stop.
Status read_socket_log(const std::string& path,
                       const std::function<bool(std::string_view connection, const SocketEvent&)>& use);
Status read_record_log(const std::string& path,
                       const std::function<bool(std::string_view flow, const FlowRecord&)>& use);

}  // namespace reelsense::ingest
