// /metrics, /openapi.json, /docs, /problems and the root.
#include "server/http/app.h"
#include "server/http/handlers.h"

namespace reelsense::server {

namespace {

void redirect(Exchange& exchange, std::string_view to) {
  exchange.add_header("Location", to);
  exchange.send_empty(303);
}

}  // namespace

void handle_metrics(Exchange& exchange) {
  Services& services = exchange.services();
  exchange.in_background([&services]() -> std::function<void(Exchange&)> {
    const EngineStats engine = services.engine.stats();
    std::string text;
    if (services.log == nullptr) {
      text = services.metrics.text(engine, nullptr, services.models);
    } else {
      const LogStats log = services.log->stats();
      text = services.metrics.text(engine, &log, services.models);
    }
    return [text = std::move(text)](Exchange& done) {
      done.body() = text;
      done.send(200, "text/plain; version=0.0.4; charset=utf-8");
    };
  });
}

void handle_openapi(Exchange& exchange) {
  exchange.body() = exchange.app().docs.openapi;
  exchange.send(200);
}

void handle_docs(Exchange& exchange) {
  exchange.body() = exchange.app().docs.page;
  exchange.add_header("Content-Security-Policy",
                      "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
  exchange.send(200, "text/html; charset=utf-8");
}

void handle_root(Exchange& exchange) {
  redirect(exchange, "/docs");
}

void handle_problem(Exchange& exchange) {
  for (const ProblemDefinition& definition : problem_definitions()) {
    if (definition.slug == exchange.request().parameters[0]) {
      return redirect(exchange, "/docs#problem-" + std::string(definition.slug));
    }
  }
  exchange.fail(Problem::of(ProblemType::kNotFound, "there is no problem of that name"));
}

}  // namespace reelsense::server
