#include <array>

#include "server/http/handlers.h"
#include "server/http/router.h"

namespace reelsense::server {

namespace {

using enum Method;
using A = Access;
using B = BodyKind;

// The busiest first: they are looked through in order.
constexpr auto kRoutes = std::to_array<Route>({
    {.method = kPost,
     .pattern = "/v1/classify",
     .access = A::kInfer,
     .body = B::kJson,
     .handle = handle_classify,
     .admits = true},
    {.method = kPost,
     .pattern = "/v2/models/{model}/infer",
     .access = A::kInfer,
     .body = B::kTensor,
     .handle = handle_infer,
     .admits = true},
    {.method = kPost,
     .pattern = "/v2/models/{model}/versions/{version}/infer",
     .access = A::kInfer,
     .body = B::kTensor,
     .handle = handle_infer,
     .admits = true},
    {kPost, "/v1/feedback", A::kFeedback, B::kJson, handle_feedback},
    {kPost, "/v1/observations", A::kFeedback, B::kJson, handle_observations},
    {kGet, "/v1/flows/{flow}", A::kInfer, B::kNone, handle_flow},
    {kDelete, "/v1/flows/{flow}", A::kInfer, B::kNone, handle_flow_delete},

    {kGet, "/v2/health/live", A::kOpen, B::kNone, handle_live},
    {kGet, "/v2/health/ready", A::kOpen, B::kNone, handle_ready},
    {kGet, "/v2", A::kInfer, B::kNone, handle_server_metadata},
    {kGet, "/v2/models/{model}", A::kInfer, B::kNone, handle_model_metadata},
    {kGet, "/v2/models/{model}/versions/{version}", A::kInfer, B::kNone, handle_model_metadata},
    {kGet, "/v2/models/{model}/ready", A::kInfer, B::kNone, handle_model_ready},
    {kGet, "/v2/models/{model}/versions/{version}/ready", A::kInfer, B::kNone, handle_model_ready},
    {kPost, "/v2/repository/index", A::kInfer, B::kNone, handle_repository_index},

    {kGet, "/v1/models", A::kInfer, B::kNone, handle_models},
    {kPost, "/v1/models/rescan", A::kAdmin, B::kNone, handle_models_rescan},
    {kPost, "/v1/models/{model}/versions/{version}/load", A::kAdmin, B::kNone, handle_model_load},
    {kPost, "/v1/models/{model}/versions/{version}/unload", A::kAdmin, B::kNone, handle_model_unload},
    {kPut, "/v1/aliases/{alias}", A::kAdmin, B::kJson, handle_alias_put},
    {kDelete, "/v1/aliases/{alias}", A::kAdmin, B::kNone, handle_alias_delete},

    {kGet, "/v1/logs", A::kAdmin, B::kNone, handle_logs},
    {kGet, "/v1/observations", A::kAdmin, B::kNone, handle_observations_query},

    {.method = kPost,
     .pattern = "/v1/analyses",
     .access = A::kInfer,
     .body = B::kUpload,
     .handle = nullptr,
     .open_upload = open_analysis_upload},
    {kGet, "/v1/analyses", A::kInfer, B::kNone, handle_analyses},
    {kGet, "/v1/analyses/{id}", A::kInfer, B::kNone, handle_analysis},
    {kGet, "/v1/analyses/{id}/labels", A::kInfer, B::kNone, handle_analysis_labels},
    {kDelete, "/v1/analyses/{id}", A::kInfer, B::kNone, handle_analysis_delete},

    {kGet, "/metrics", A::kMetrics, B::kNone, handle_metrics},
    {kGet, "/openapi.json", A::kOpen, B::kNone, handle_openapi},
    {kGet, "/docs", A::kOpen, B::kNone, handle_docs},
    {kGet, "/problems/{problem}", A::kOpen, B::kNone, handle_problem},
    {kGet, "/", A::kOpen, B::kNone, handle_root},
});

}  // namespace

std::span<const Route> routes() noexcept {
  return kRoutes;
}

}  // namespace reelsense::server
