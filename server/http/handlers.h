// Every route's handler; routes.cc says which is whose. Thread safety: as Exchange says.
#pragma once

#include <memory>

#include "server/http/exchange.h"

namespace reelsense::server {

// handle_oip.cc: the Open Inference Protocol.
void handle_live(Exchange& exchange);
void handle_ready(Exchange& exchange);
void handle_server_metadata(Exchange& exchange);
void handle_model_metadata(Exchange& exchange);
void handle_model_ready(Exchange& exchange);
void handle_infer(Exchange& exchange);
void handle_repository_index(Exchange& exchange);

// handle_classify.cc
void handle_classify(Exchange& exchange);

// handle_flows.cc
void handle_flow(Exchange& exchange);
void handle_flow_delete(Exchange& exchange);
void handle_feedback(Exchange& exchange);

// handle_observations.cc
void handle_observations(Exchange& exchange);
void handle_observations_query(Exchange& exchange);

// handle_models.cc
void handle_models(Exchange& exchange);
void handle_model_load(Exchange& exchange);
void handle_model_unload(Exchange& exchange);
void handle_models_rescan(Exchange& exchange);
void handle_alias_put(Exchange& exchange);
void handle_alias_delete(Exchange& exchange);

// handle_logs.cc
void handle_logs(Exchange& exchange);

// handle_analyses.cc
std::unique_ptr<Upload> open_analysis_upload(Exchange& exchange);
void handle_analyses(Exchange& exchange);
void handle_analysis(Exchange& exchange);
void handle_analysis_labels(Exchange& exchange);
void handle_analysis_delete(Exchange& exchange);

// handle_docs.cc
void handle_metrics(Exchange& exchange);
void handle_openapi(Exchange& exchange);
void handle_docs(Exchange& exchange);
void handle_root(Exchange& exchange);
void handle_problem(Exchange& exchange);

}  // namespace reelsense::server
