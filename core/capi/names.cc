// Versions, names, errors and feature tables of the C ABI.
#include <algorithm>
#include <array>
#include <iterator>

#include "handles.h"
#include "reelsense/base/version.h"
#include "reelsense/classifier/classifier.h"
#include "reelsense/policy/qos_policy.h"

namespace reelsense::capi {

rs_status fail(rs_error* error, rs_status status, std::string_view message) noexcept {
  if (error == nullptr) return status;
  std::size_t n = std::min(message.size(), sizeof error->message - 1);
  while (n > 0 && n < message.size() && (static_cast<unsigned char>(message[n]) & 0xC0U) == 0x80U) --n;
  std::memcpy(error->message, message.data(), n);
  error->message[n] = 0;
  return status;
}

rs_status fail(rs_error* error, const Error& cause) noexcept {
  constexpr auto status_of = [](ErrorCode code) {
    switch (code) {
      case ErrorCode::kInvalidArgument:
      case ErrorCode::kNotFound:
      case ErrorCode::kIo:
        return RS_INVALID_ARGUMENT;
      case ErrorCode::kCorrupt:
        return RS_CORRUPT;
      case ErrorCode::kUnsupported:
        return RS_UNSUPPORTED;
      case ErrorCode::kMismatch:
        return RS_MISMATCH;
      case ErrorCode::kLimit:
        return RS_LIMIT;
    }
    return RS_INVALID_ARGUMENT;
  };
  return fail(error, status_of(cause.code), cause.message);
}

rs_status no_place_for(rs_error* error, const char* handle) noexcept {
  return fail(error, RS_INVALID_ARGUMENT,
              to_text({"{} is NULL or misaligned: nowhere to put the handle", handle}));
}

rs_status no_memory(rs_error* error) noexcept {
  return fail(error, RS_MEMORY, "no memory for the handle");  // a literal: to_text would need some
}

namespace {

static_assert(static_cast<int>(View::kPacket) == RS_VIEW_PACKET &&
              static_cast<int>(View::kSocket) == RS_VIEW_SOCKET);
static_assert(static_cast<int>(Direction::kUp) == RS_UP && static_cast<int>(Direction::kDown) == RS_DOWN);
static_assert(static_cast<int>(Label::kNonVideo) == RS_NON_VIDEO &&
              static_cast<int>(Label::kVideo) == RS_VIDEO);
static_assert(static_cast<int>(FlowEnd::kFinished) == RS_END_FINISHED &&
              static_cast<int>(FlowEnd::kEnd) == RS_END_END);
static_assert(static_cast<std::size_t>(FlowEnd::kCount) == 7);
static_assert(static_cast<std::size_t>(DropReason::kCount) == RS_DROP_REASONS);
static_assert(static_cast<int>(QosReason::kDefault) == RS_REASON_DEFAULT &&
              static_cast<int>(QosReason::kVideo) == RS_REASON_VIDEO &&
              static_cast<int>(QosReason::kCongested) == RS_REASON_CONGESTED &&
              static_cast<int>(QosReason::kNonVideo) == RS_REASON_NON_VIDEO &&
              static_cast<int>(QosReason::kUncertain) == RS_REASON_UNCERTAIN &&
              static_cast<int>(QosReason::kHold) == RS_REASON_HOLD &&
              static_cast<int>(QosReason::kIdle) == RS_REASON_IDLE &&
              static_cast<int>(QosReason::kBulk) == RS_REASON_BULK);
static_assert(kDscpDefault == RS_DSCP_DEFAULT && kDscpLowerEffort == RS_DSCP_LOWER_EFFORT &&
              kDscpVideo == RS_DSCP_VIDEO);
static_assert(kBinValues == RS_BINS && kMaxFeatureCount <= RS_MAX_FEATURES);

const ViewSchema* schema_of(rs_view view) noexcept {
  return view == RS_VIEW_PACKET || view == RS_VIEW_SOCKET ? &view_schema(static_cast<View>(view)) : nullptr;
}

}  // namespace
}  // namespace reelsense::capi

using namespace reelsense;
using namespace reelsense::capi;

uint32_t rs_abi_version(void) {
  return RS_ABI_VERSION;
}

const char* rs_version(void) {
  return kVersion.data();  // a string literal
}

const char* rs_status_name(rs_status status) {
  constexpr const char* kNames[] = {"RS_OK",          "RS_INVALID_ARGUMENT", "RS_CORRUPT",
                                    "RS_UNSUPPORTED", "RS_MISMATCH",         "RS_LIMIT",
                                    "RS_BUSY",        "RS_CLOSED",           "RS_MEMORY"};
  const auto i = static_cast<std::size_t>(status);
  return i < std::size(kNames) ? kNames[i] : "unknown";
}

uint32_t rs_feature_count(rs_view view) {
  const ViewSchema* schema = schema_of(view);
  return schema == nullptr ? 0 : static_cast<uint32_t>(schema->features.size());
}

const char* rs_feature_name(rs_view view, uint32_t index) {
  const ViewSchema* schema = schema_of(view);
  if (schema == nullptr || index >= schema->features.size()) return nullptr;
  return schema->features[index].name.data();  // a string literal
}

rs_status rs_schema_hash(char out[65], rs_view view) {
  const ViewSchema* schema = schema_of(view);
  if (out == nullptr || schema == nullptr) return RS_INVALID_ARGUMENT;
  const std::string hash = schema->hash();
  std::memcpy(out, hash.c_str(), 65);
  return RS_OK;
}

const char* rs_reason_name(rs_reason reason) {
  const auto i = static_cast<std::size_t>(reason);
  return i < kQosReasons ? name_of(static_cast<QosReason>(i)) : "unknown";
}

const char* rs_drop_name(uint32_t reason) {
  return reason < RS_DROP_REASONS ? name_of(static_cast<DropReason>(reason)) : nullptr;
}
