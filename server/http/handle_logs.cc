// GET /v1/logs.
#include "server/http/handlers.h"
#include "server/http/log_query.h"
#include "server/http/query_reader.h"
#include "server/http/storage_problem.h"

namespace reelsense::server {

namespace {

void answer_page(Exchange& exchange, const LogPage& page, bool csv) {
  if (csv) {
    if (page.next != 0) exchange.add_header("X-Next-Cursor", std::to_string(page.next));
    write_log_csv(page, exchange.body());
    exchange.send(200, "text/csv; charset=utf-8");
  } else {
    write_log_json(page, exchange.body());
    exchange.send(200);
  }
}

}  // namespace

void handle_logs(Exchange& exchange) {
  InferenceLog* log = exchange.services().log;
  if (log == nullptr)
    return exchange.fail(Problem::of(ProblemType::kLogOff, "log.file is empty: nothing is logged"));
  const std::optional<bool> csv = wants_csv(exchange.request());
  if (!csv) return exchange.fail(Problem::at("format", "csv or json is expected"));
  LogQuery query;
  const auto flow_hash = [&](std::string_view flow) {
    return exchange.services().engine.flow_id(exchange.principal(), flow).high;
  };
  std::optional<Problem> problem = read_log_query(exchange.request(), flow_hash, query);
  if (problem) return exchange.fail(std::move(*problem));
  exchange.in_background([log, query, csv = *csv]() -> std::function<void(Exchange&)> {
    auto page = std::make_shared<Result<LogPage>>(log->query(query));
    if (page->ok()) return [page, csv](Exchange& done) { answer_page(done, page->value(), csv); };
    const Error& error = page->error();
    return [problem = error.code == ErrorCode::kIo ? storage_problem(error) : problem_of(error)](
               Exchange& done) { done.fail(problem); };
  });
}

}  // namespace reelsense::server
