#include "scorer.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "sigmoid.h"

namespace reelsense::model {
namespace {

void normalize(PreOp::Kind kind, float* row, std::size_t n) noexcept {
  // As ONNX Runtime: the maximum is signed; a zero norm changes nothing.
  float norm = kind == PreOp::Kind::kNormalizeMax ? -std::numeric_limits<float>::max() : 0.0f;
  for (std::size_t i = 0; i < n; ++i) {
    if (kind == PreOp::Kind::kNormalizeMax) norm = std::max(norm, row[i]);
    if (kind == PreOp::Kind::kNormalizeL1) norm += std::fabs(row[i]);
    if (kind == PreOp::Kind::kNormalizeL2) norm += row[i] * row[i];
  }
  if (norm == 0.0f) return;
  if (kind == PreOp::Kind::kNormalizeL2) norm = std::sqrt(norm);  // exactly rounded by IEEE 754
  for (std::size_t i = 0; i < n; ++i) row[i] /= norm;
}

void apply(const PreOp& op, float* row, std::size_t n) noexcept {
  using Kind = PreOp::Kind;
  const float* const a = op.a.data();
  const float* const b = op.b.data();
  switch (op.kind) {
    case Kind::kScale:
      for (std::size_t i = 0; i < n; ++i) row[i] = (row[i] - a[i]) * b[i];
      break;
    case Kind::kImputeNan:
      for (std::size_t i = 0; i < n; ++i) row[i] = row[i] != row[i] ? a[i] : row[i];
      break;
    case Kind::kImputeValue:
      for (std::size_t i = 0; i < n; ++i) row[i] = row[i] == b[i] ? a[i] : row[i];
      break;
    case Kind::kAdd:
      for (std::size_t i = 0; i < n; ++i) row[i] += a[i];
      break;
    case Kind::kSubtract:
      for (std::size_t i = 0; i < n; ++i) row[i] -= a[i];
      break;
    case Kind::kMultiply:
      for (std::size_t i = 0; i < n; ++i) row[i] *= a[i];
      break;
    case Kind::kDivide:
      for (std::size_t i = 0; i < n; ++i) row[i] /= a[i];
      break;
    default:
      normalize(op.kind, row, n);
  }
}

}  // namespace

const char* kernel_name(Kernel kernel) noexcept {
  switch (kernel) {
    case Kernel::kAvx512:
      return "avx512";
    case Kernel::kAvx2:
      return "avx2";
    case Kernel::kNeon:
      return "neon";
    default:
      return "portable";
  }
}

bool machine_has(Kernel kernel) noexcept {
  switch (kernel) {
    case Kernel::kPortable:
      return true;
#if defined(__x86_64__)
    case Kernel::kAvx2:
      __builtin_cpu_init();
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
    case Kernel::kAvx512:
      __builtin_cpu_init();
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("bmi2");
#elif defined(__aarch64__)
    case Kernel::kNeon:
      return true;  // part of the architecture
#endif
    default:
      return false;
  }
}

Scorer::Scorer(Pipeline pipeline)
    : inputs_(pipeline.inputs),
      preparation_(std::move(pipeline.preparation)),
      post_(std::move(pipeline.post)) {
  if (Linear* linear = std::get_if<Linear>(&pipeline.scorer)) {
    is_linear_ = true;
    coefficients_ = std::move(linear->coefficients);
    intercept_ = linear->intercept;
    return;
  }
  const Forest& forest = *std::get_if<Forest>(&pipeline.scorer);
  tree_scale_ = {forest.scale, forest.divisor, forest.base};
  walk_ = make_walk_forest(forest, inputs_);
  for (const Kernel kernel : {Kernel::kAvx2, Kernel::kAvx512, Kernel::kNeon}) {
    if (!machine_has(kernel)) continue;
    if (!binned_) binned_ = make_binned_forest(forest);
    if (binned_) best_ = kernel;
  }
}

void Scorer::read_from(std::span<const std::uint8_t> columns, std::size_t width) {
  assert(columns.size() == inputs_ && width <= Model::kMaxWidth);
  if (is_linear_ || !preparation_.empty()) {
    columns_.assign(columns.begin(), columns.end());
    return;
  }
  walk_.read_from(columns, width);
  if (binned_) binned_->read_from(columns);
}

bool Scorer::supports(Kernel kernel) const noexcept {
  return kernel == Kernel::kPortable || (binned_.has_value() && machine_has(kernel));
}

void Scorer::prepare(const float* row, float* out) const noexcept {
  if (columns_.empty()) {
    std::copy(row, row + inputs_, out);
  } else {
    for (std::size_t i = 0; i < inputs_; ++i) out[i] = row[columns_[i]];
  }
  for (const PreOp& op : preparation_) apply(op, out, inputs_);
}

// Four interleaved sums in double, then (0 + 1) + (2 + 3): one fixed order on every machine.
double Scorer::linear(const float* row) const noexcept {
  double sum[4] = {0, 0, 0, 0};
  const double* const c = coefficients_.data();
  for (std::size_t i = 0; i < inputs_; ++i) sum[i % 4] += c[i] * static_cast<double>(row[i]);
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + intercept_;
}

float Scorer::finish(double score) const noexcept {
  for (const PostOp& op : post_) {
    switch (op.kind) {
      case PostOp::Kind::kSigmoid:
        score = sigmoid(score);
        break;
      case PostOp::Kind::kNegate:
        score = -score;
        break;
      case PostOp::Kind::kAdd:
        score += op.value;
        break;
      case PostOp::Kind::kSubtractFrom:
        score = op.value - score;
        break;
      case PostOp::Kind::kMultiply:
        score *= op.value;
        break;
      case PostOp::Kind::kDivide:
        score /= op.value;
        break;
      case PostOp::Kind::kLost:
        break;  // refused by build_pipeline
    }
  }
  // One NaN for all: which payload and sign survives arithmetic is the machine's choice.
  return score != score ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(score);
}

void Scorer::predict_trees(Kernel kernel, const float* rows, std::size_t n, std::size_t stride,
                           float* out) const noexcept {
  constexpr std::size_t kBlock = 16;
  std::int64_t sums[kBlock];
  for (std::size_t i = 0; i < n; i += kBlock) {
    const std::size_t count = std::min(kBlock, n - i);
    const float* const first = rows + i * stride;
    switch (kernel) {
#if defined(__x86_64__)
      case Kernel::kAvx512:
        sum_avx512(*binned_, first, count, stride, sums);
        break;
      case Kernel::kAvx2:
        sum_avx2(*binned_, first, count, stride, sums);
        break;
#elif defined(__aarch64__)
      case Kernel::kNeon:
        sum_neon(*binned_, first, count, stride, sums);
        break;
#endif
      default:
        assert(kernel == Kernel::kPortable);
        for (std::size_t r = 0; r < count; ++r) sums[r] = walk_.sum(first + r * stride);
    }
    for (std::size_t r = 0; r < count; ++r) {
      out[i + r] =
          finish(static_cast<double>(sums[r]) * tree_scale_.scale / tree_scale_.divisor + tree_scale_.base);
    }
  }
}

void Scorer::predict(Kernel kernel, const float* rows, std::size_t n, std::size_t stride,
                     float* out) const noexcept {
  if (preparation_.empty() && !is_linear_) return predict_trees(kernel, rows, n, stride, out);
  float prepared[kMaxPreparedInputs];
  for (std::size_t i = 0; i < n; ++i) {
    const float* row = rows + i * stride;
    if (!preparation_.empty() || !columns_.empty()) {
      prepare(row, prepared);
      row = prepared;
    }
    if (is_linear_) {
      out[i] = finish(linear(row));
    } else {
      predict_trees(kernel, row, 1, inputs_, out + i);
    }
  }
}

}  // namespace reelsense::model
