// POST /v1/classify.
#include <charconv>

#include "server/http/classify_writer.h"
#include "server/http/handlers.h"

namespace reelsense::server {

namespace {

void answer_classify(Exchange& exchange, Job& job) {
  if (std::optional<Problem> problem = problem_of_answers(job)) {
    exchange.fail(std::move(*problem));
    return;
  }
  write_labels(job, exchange.request().body, exchange.body());
  exchange.send(200);
}

}  // namespace

void handle_classify(Exchange& exchange) {
  std::unique_ptr<Job> job = exchange.take_job();
  std::int64_t deadline_ns = 0;
  if (!exchange.deadline(0, deadline_ns)) return exchange.give_back(std::move(job));
  std::shared_ptr<const ServedModel> model;
  bool exact = false;
  std::size_t windows = 0;
  std::optional<Problem> problem =
      read_classify(exchange.json(), exchange.request().body, exchange.rules(&model, &exact), *job, windows);
  exchange.json().trim();
  if (!problem) problem = exchange.over_limit(windows);
  if (problem) {
    exchange.give_back(std::move(job));
    exchange.fail(std::move(*problem));
    return;
  }
  job->model = std::move(model);
  job->exact = exact;
  job->deadline_steady_ns = deadline_ns;
  exchange.submit(std::move(job), answer_classify);
}

}  // namespace reelsense::server
