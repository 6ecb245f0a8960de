// rs_model_… and rs_policy_….
#include <new>
#include <utility>

#include "handles.h"

using namespace reelsense;
using namespace reelsense::capi;

namespace {
constexpr std::size_t kMaxModelBytes = 16u << 20;
}

rs_status rs_model_load(rs_model** model, const void* onnx, size_t onnx_bytes, rs_error* error) {
  if (!usable(model)) return no_place_for(error, "model");
  *model = nullptr;
  if (onnx == nullptr)
    return fail(error, RS_INVALID_ARGUMENT, "onnx is NULL, expected the bytes of a model.onnx");
  ModelLimits limits;
  limits.file_bytes = kMaxModelBytes;
  Result<UeModel> parsed = UeModel::parse({static_cast<const std::uint8_t*>(onnx), onnx_bytes}, limits);
  if (!parsed) return fail(error, parsed.error());
  if (parsed.value().view() != View::kPacket && parsed.value().view() != View::kSocket) {
    return fail(error, RS_UNSUPPORTED,
                "the model is one of view record, this library has the views packet and socket");
  }
  *model = new (std::nothrow) rs_model(std::move(parsed).value());
  return *model == nullptr ? no_memory(error) : RS_OK;
}

void rs_model_free(rs_model* model) {
  rs_model::release(model);
}

void rs_model_info_init(rs_model_info* info, size_t size) {
  init_sized(info, size, rs_model_info{});
}

rs_status rs_model_describe(rs_model_info* info, const rs_model* model) {
  if (!usable(model)) return RS_INVALID_ARGUMENT;
  const UeModel& ue = model->model;
  rs_model_info about{};
  about.name = ue.name().c_str();
  about.version = ue.version().c_str();
  about.view = static_cast<rs_view>(ue.view());
  about.inputs = static_cast<uint32_t>(ue.features().size());
  about.threshold = ue.threshold();
  about.uncertain_low = ue.uncertain_low();
  about.uncertain_high = ue.uncertain_high();
  about.kernel = ue.model().kernel();
  return write_sized(info, about);
}

rs_status rs_model_classify(const rs_model* model, rs_decision* decisions, const float* rows, size_t n) {
  if (!usable(model) || !usable(decisions, n) || !usable(rows, n)) return RS_INVALID_ARGUMENT;
  const std::size_t width = model->model.schema().features.size();
  if (n > PTRDIFF_MAX / (width * sizeof(float))) return RS_INVALID_ARGUMENT;
  constexpr std::size_t kBlock = 64;
  float probabilities[kBlock];
  for (std::size_t first = 0; first < n; first += kBlock) {
    const std::size_t count = n - first < kBlock ? n - first : kBlock;
    model->model.score(rows + first * width, count, probabilities);
    for (std::size_t i = 0; i < count; ++i) {
      const Decision decision = model->model.to_decision(probabilities[i]);
      decisions[first + i] = {decision.probability,
                              decision.confidence,
                              static_cast<uint8_t>(decision.label),
                              static_cast<uint8_t>(decision.uncertain ? 1 : 0),
                              {}};
    }
  }
  return RS_OK;
}

rs_status rs_policy_create(rs_policy** policy, rs_error* error) {
  if (!usable(policy)) return no_place_for(error, "policy");
  *policy = new (std::nothrow) rs_policy;
  return *policy == nullptr ? no_memory(error) : RS_OK;
}

void rs_policy_free(rs_policy* policy) {
  delete policy;
}

rs_status rs_policy_set(rs_policy* policy, const char* key, double value, rs_error* error) {
  if (!usable(policy) || key == nullptr) return fail(error, RS_INVALID_ARGUMENT, "policy or key is NULL");
  const Turn turn(policy->gate);
  if (!turn) return fail(error, RS_BUSY, "another call on this policy is running");
  const Status set = set_policy(policy->options, key, value);
  return set.ok() ? RS_OK : fail(error, set.error());
}

rs_status rs_policy_get(double* value, const rs_policy* policy, const char* key, rs_error* error) {
  if (!usable(value) || !usable(policy) || key == nullptr) {
    return fail(error, RS_INVALID_ARGUMENT, "value, policy or key is NULL or misaligned");
  }
  const Turn turn(policy->gate);
  if (!turn) return fail(error, RS_BUSY, "another call on this policy is running");
  const Result<double> got = get_policy(policy->options, key);
  if (!got) return fail(error, got.error());
  *value = got.value();
  return RS_OK;
}

rs_status rs_policy_key_at(rs_policy_key* key, uint32_t index) {
  const auto keys = policy_keys();
  if (!usable(key) || index >= keys.size()) return RS_INVALID_ARGUMENT;
  const PolicyKey& found = keys[index];
  *key = {found.name, found.unit, found.help, found.low, found.high, found.standard};
  return RS_OK;
}
