// GET /v1/logs: its query and its two answers. Pure. Thread safety: functions without state.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/problem.h"
#include "server/http/request.h"
#include "server/store/inference_log.h"

namespace reelsense::server {

// `flow_hash`: FlowId::high of a flow's name; "hash:" and 16 hexadecimal digits name a flow directly.
std::optional<Problem> read_log_query(const Request& request,
                                      const std::function<std::uint64_t(std::string_view)>& flow_hash,
                                      LogQuery& query);

void write_log_json(const LogPage& page, std::string& out);
void write_log_csv(const LogPage& page, std::string& out);  // with a header line

}  // namespace reelsense::server
