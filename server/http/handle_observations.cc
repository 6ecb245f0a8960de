// /v1/observations.
#include <array>

#include "server/http/handlers.h"
#include "server/http/json_writer.h"
#include "server/http/observation_body.h"
#include "server/http/observation_query.h"
#include "server/http/query_reader.h"
#include "server/http/storage_problem.h"

namespace reelsense::server {

namespace {

Problem log_is_off() {
  return Problem::of(ProblemType::kLogOff, "log.file is empty: observations are not kept");
}

ObservationCounts counts_of(const ObservationBatch& batch) {
  ObservationCounts counts{};
  for (const Observation& one : batch.observations) {
    const std::size_t truth = !one.truth_video ? 2 : *one.truth_video ? 1 : 0;
    ++counts[one.video ? 1 : 0][truth];
  }
  return counts;
}

BatchOutcome outcome_of(const Problem& problem) noexcept {
  switch (problem.type) {
    case ProblemType::kDiskFull:
      return BatchOutcome::kDiskFull;
    case ProblemType::kBusy:
      return BatchOutcome::kBusy;
    case ProblemType::kInternal:
      return BatchOutcome::kFailed;
    default:
      return BatchOutcome::kInvalid;
  }
}

void answer_page(Exchange& exchange, const ObservationPage& page, const ViewSchema& schema, bool csv) {
  if (csv) {
    if (page.more) exchange.add_header("X-Next-Cursor", cursor_of(page));
    write_observations_csv(page, schema, exchange.body());
    exchange.send(200, "text/csv; charset=utf-8");
  } else {
    write_observations_json(page, schema, exchange.body());
    exchange.send(200);
  }
}

}  // namespace

void handle_observations(Exchange& exchange) {
  Services& services = exchange.services();
  if (services.log == nullptr) return exchange.fail(log_is_off());
  ObservationBatch batch;
  const auto most = static_cast<std::size_t>(services.config.limits.observations_per_request);
  std::optional<Problem> problem =
      read_observation_batch(exchange.json(), exchange.request().body, most, batch);
  exchange.json().trim();
  if (problem) {
    services.metrics.observation_batch(outcome_of(*problem));
    return exchange.fail(std::move(*problem));
  }
  const ObservationCounts counts = counts_of(batch);
  auto later = std::make_shared<Later>(exchange.later());
  // Counted here, on the writer's thread: the client may be gone before it is told.
  services.log->observations(std::move(batch), [later, counts, metrics = &services.metrics](
                                                   const Result<ObservationsStored>& result) {
    if (!result) {
      Problem failure = storage_problem(result.error());
      metrics->observation_batch(outcome_of(failure));
      return (*later)([failure = std::move(failure)](Exchange& done) { done.fail(failure); });
    }
    const ObservationsStored stored = result.value();
    metrics->observation_batch(stored.repeated ? BatchOutcome::kRepeated : BatchOutcome::kStored);
    if (!stored.repeated) metrics->observations(counts);
    (*later)([stored](Exchange& done) {
      JsonWriter(done.body()).begin_object().field("stored", stored.observations).end_object();
      done.send(200);
    });
  });
}

void handle_observations_query(Exchange& exchange) {
  InferenceLog* const log = exchange.services().log;
  if (log == nullptr) return exchange.fail(log_is_off());
  const std::optional<bool> csv = wants_csv(exchange.request());
  if (!csv) return exchange.fail(Problem::at("format", "csv or json is expected"));
  ObservationQuery query;
  const ViewSchema* schema = nullptr;
  if (std::optional<Problem> problem = read_observation_query(exchange.request(), query, schema)) {
    return exchange.fail(std::move(*problem));
  }
  exchange.in_background([log, query, schema, csv = *csv]() -> std::function<void(Exchange&)> {
    auto page = std::make_shared<Result<ObservationPage>>(log->query_observations(query));
    if (page->ok()) {
      return [page, schema, csv](Exchange& done) { answer_page(done, page->value(), *schema, csv); };
    }
    const Error& error = page->error();
    return [problem = error.code == ErrorCode::kIo ? storage_problem(error) : problem_of(error)](
               Exchange& done) { done.fail(problem); };
  });
}

}  // namespace reelsense::server
