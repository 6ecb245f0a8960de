#include "reelsense/feedback/feedback_queue.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>
#include <string>

#include "json_text.h"
#include "reelsense/base/byte_reader.h"
#include "reelsense/base/sha256.h"
#include "reelsense/base/version.h"
#include "reelsense/features/quantise.h"

namespace reelsense {
namespace {

constexpr std::uint64_t kMagic = 0x3142'4653'5245'4552ULL;  // "REERSFB1" as it lies in memory
constexpr std::size_t kHeaderBytes = 64;
constexpr std::uint32_t kAlways = 0xffff'ffffU;

// FNV-1a over 8-byte words: finds torn and damaged records; nobody forges their own.
std::uint64_t checksum(const void* from, std::size_t bytes) noexcept {
  std::uint64_t hash = 0xcbf2'9ce4'8422'2325ULL;
  const auto* p = static_cast<const unsigned char*>(from);
  for (std::size_t i = 0; i < bytes; i += sizeof(std::uint64_t)) {
    std::uint64_t word;
    std::memcpy(&word, p + i, sizeof word);
    hash = (hash ^ word) * 0x0000'0100'0000'01b3ULL;
    hash ^= hash >> 29;
  }
  return hash;
}

// Stores that must be seen in this order by whoever reads the memory after this process died.
void order_stores() noexcept {
  __atomic_thread_fence(__ATOMIC_RELEASE);
}

// e^x for 0 ≤ x ≤ 10 with the same bits everywhere: the series at x/16, squared four times.
double exponential(double x) noexcept {
  const double y = x / 16;
  double term = 1;
  double sum = 1;
  for (int n = 1; n < 20; ++n) {
    term *= y / n;
    sum += term;
  }
  for (int i = 0; i < 4; ++i) sum *= sum;
  return sum;
}

std::uint32_t below_for(double share) noexcept {
  return share >= 1.0 ? kAlways : static_cast<std::uint32_t>(share * 4294967296.0);
}

bool draw(std::uint32_t random, std::uint32_t below) noexcept {
  return below == kAlways || random < below;
}

std::uint64_t leading_bytes(std::span<const char, 64> hex) noexcept {
  std::uint64_t value = 0;
  for (const char c : hex.first(16)) {
    value = value << 4 | static_cast<std::uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return value;
}

}  // namespace

struct FeedbackQueue::Header {
  std::uint64_t magic;
  std::uint32_t record_bytes;
  std::uint32_t capacity;
  std::uint64_t sequence;
  std::uint64_t head;
  std::uint64_t tail;
  std::uint64_t lost;
  std::uint64_t reserved;
  std::uint64_t check;
};

struct FeedbackQueue::Record {
  char model[48];
  std::uint64_t schema;
  std::uint64_t nonce;
  std::uint32_t epsilon_milli;
  std::uint8_t view;
  std::uint8_t label;
  std::uint8_t uncertain;
  std::uint8_t truth;       // Truth, behind randomised response
  std::uint8_t confidence;  // (confidence − ½) · 64, rounded
  std::uint8_t features;
  std::uint8_t reserved[6];
  std::int16_t codes[kMaxFeatureCount];
  std::uint64_t check;
};

// ---------------------------------------------------------------- opening

std::size_t FeedbackQueue::memory_for(std::uint32_t records) noexcept {
  static_assert(sizeof(Header) == kHeaderBytes && sizeof(Record) == 184);
  if (records < 1 || records > kMaxRecords) return 0;
  return 2 * kHeaderBytes + std::size_t{records} * sizeof(Record);
}

FeedbackQueue::Header& FeedbackQueue::header(int which) const noexcept {
  return *std::launder(
      reinterpret_cast<Header*>(memory_ + which * static_cast<std::ptrdiff_t>(kHeaderBytes)));
}

FeedbackQueue::Record& FeedbackQueue::record(std::uint64_t number) const noexcept {
  return *std::launder(
      reinterpret_cast<Record*>(memory_ + 2 * kHeaderBytes + (number % capacity_) * sizeof(Record)));
}

// Takes the newer of the two headers that are whole.
bool FeedbackQueue::read_header() noexcept {
  bool found = false;
  for (const int which : {0, 1}) {
    const Header& candidate = header(which);
    const bool whole = candidate.magic == kMagic && candidate.record_bytes == sizeof(Record) &&
                       candidate.capacity >= 1 && candidate.capacity <= capacity_ &&
                       candidate.tail >= candidate.head &&
                       candidate.tail - candidate.head <= candidate.capacity &&
                       candidate.check == checksum(&candidate, sizeof(Header) - sizeof candidate.check);
    if (!whole || (found && candidate.sequence < sequence_)) continue;
    found = true;
    sequence_ = candidate.sequence;
    head_ = candidate.head;
    tail_ = candidate.tail;
    lost_ = candidate.lost;
  }
  if (found) capacity_ = header(static_cast<int>(sequence_ & 1)).capacity;
  return found;
}

void FeedbackQueue::name_schemas() {
  for (const View view : kAllViews) {
    const std::string hash = view_schema(view).hash();
    std::copy_n(hash.begin(), 64, schemas_[static_cast<std::size_t>(view)].begin());
  }
}

// As it was written, and of a feature table that this build has.
bool FeedbackQueue::is_whole(const Record& record) const noexcept {
  return record.check == checksum(&record, sizeof(Record) - sizeof record.check) &&
         record.view < std::size(kAllViews) && record.model[sizeof record.model - 1] == 0 &&
         record.features == view_schema(static_cast<View>(record.view)).features.size() &&
         record.schema == leading_bytes(schemas_[record.view]);
}

// Closes the gaps that damaged records left.
void FeedbackQueue::drop_damaged() noexcept {
  std::uint64_t kept = head_;
  for (std::uint64_t n = head_; n != tail_; ++n) {
    if (!is_whole(record(n))) {
      ++lost_;
      continue;
    }
    if (kept != n) record(kept) = record(n);
    ++kept;
  }
  if (kept == tail_) return;
  tail_ = kept;
  commit();
}

Result<FeedbackQueue> FeedbackQueue::open(std::span<std::byte> memory, const UeModel& model,
                                          const FeedbackOptions& options) {
  if (memory.data() == nullptr || reinterpret_cast<std::uintptr_t>(memory.data()) % kAlignment != 0) {
    return make_error(ErrorCode::kInvalidArgument, {"feedback memory is not at a multiple of 8 bytes"});
  }
  if (memory.size() < memory_for(1)) {
    return make_error(ErrorCode::kInvalidArgument,
                      {"feedback memory has {} bytes, expected {} or more", memory.size(), memory_for(1)});
  }
  if (!(options.sample >= 0.0 && options.sample <= 1.0)) {
    return make_error(ErrorCode::kInvalidArgument, {"sample is out of range, expected 0 to 1"});
  }
  if (!(options.epsilon >= 0.1 && options.epsilon <= 10.0)) {
    return make_error(ErrorCode::kInvalidArgument, {"epsilon is out of range, expected 0.1 to 10"});
  }
  const std::string name = to_text({"{}@{}", model.name(), model.version()});
  if (name.size() >= sizeof model_) {
    return make_error(ErrorCode::kLimit, {"the model is called '{}', expected at most 47 bytes", name});
  }

  FeedbackQueue queue;
  queue.memory_ = memory.data();
  const std::size_t fit = (memory.size() - 2 * kHeaderBytes) / sizeof(Record);
  queue.capacity_ = static_cast<std::uint32_t>(std::min<std::size_t>(fit, kMaxRecords));
  std::memcpy(queue.model_, name.data(), name.size());
  queue.view_ = model.view();
  queue.name_schemas();
  queue.sample_below_ = below_for(options.sample);
  queue.epsilon_milli_ = static_cast<std::uint32_t>(options.epsilon * 1000 + 0.5);
  const double e = exponential(queue.epsilon_milli_ / 1000.0);
  queue.truthful_below_ = below_for(e / (1 + e));

  const auto is_zero = [](std::byte b) { return b == std::byte{0}; };
  if (queue.read_header()) {
    queue.drop_damaged();
  } else if (std::all_of(memory.begin(), memory.begin() + 2 * kHeaderBytes, is_zero)) {
    queue.commit();
  } else {
    return make_error(ErrorCode::kCorrupt,
                      {"feedback memory is neither new (all zero) nor a feedback queue"});
  }
  return queue;
}

// Writes the header of the present state over the older of the two.
void FeedbackQueue::commit() noexcept {
  order_stores();
  ++sequence_;
  Header next = {kMagic, sizeof(Record), capacity_, sequence_, head_, tail_, lost_, 0, 0};
  next.check = checksum(&next, sizeof next - sizeof next.check);
  std::memcpy(&header(static_cast<int>(sequence_ & 1)), &next, sizeof next);
  order_stores();
}

// ---------------------------------------------------------------- adding

FeedbackQueue::Added FeedbackQueue::add(const float* features, const Decision& decision, Truth truth,
                                        FeedbackRandom random) noexcept {
  if (!draw(load_le<std::uint32_t>(random.data()), sample_below_) || sample_below_ == 0)
    return Added::kLeftOut;
  if (size() == capacity_) {
    ++lost_;
    commit();
    return Added::kFull;
  }
  Record next = {};
  std::memcpy(next.model, model_, sizeof next.model);
  next.view = static_cast<std::uint8_t>(view_);
  next.schema = leading_bytes(schemas_[next.view]);
  next.nonce = load_le<std::uint64_t>(random.data() + 8);
  next.epsilon_milli = epsilon_milli_;
  next.label = static_cast<std::uint8_t>(decision.label);
  next.uncertain = decision.uncertain ? 1 : 0;
  next.confidence = static_cast<std::uint8_t>(std::clamp(decision.confidence - 0.5F, 0.0F, 0.5F) * 64 + 0.5F);
  const bool truthful = draw(load_le<std::uint32_t>(random.data() + 4), truthful_below_);
  if (truth != Truth::kUnknown) {
    const bool video = (truth == Truth::kVideo) == truthful;
    next.truth = static_cast<std::uint8_t>(video ? Truth::kVideo : Truth::kNonVideo);
  }
  const ViewSchema& schema = view_schema(view_);
  next.features = static_cast<std::uint8_t>(schema.features.size());
  for (const FeatureDefinition& feature : schema.features) {
    next.codes[feature.index] = quantise(features[feature.index], quantisation_step(feature));
  }
  next.check = checksum(&next, sizeof next - sizeof next.check);
  std::memcpy(&record(tail_), &next, sizeof next);
  ++tail_;
  commit();
  return Added::kKept;
}

std::uint32_t FeedbackQueue::size() const noexcept {
  return static_cast<std::uint32_t>(tail_ - head_);
}

std::uint64_t FeedbackQueue::lost() const noexcept {
  return lost_;
}

void FeedbackQueue::discard(std::uint32_t records) noexcept {
  head_ += std::min(records, size());
  commit();
}

// ---------------------------------------------------------------- sending

FeedbackQueue::Batch FeedbackQueue::write(std::span<char> json, std::uint32_t max_records) const noexcept {
  constexpr std::string_view kEnd = "]}";
  constexpr std::size_t kBatchDigits = 32;
  const std::uint32_t most = std::min(max_records, size());
  if (most == 0 || json.size() < 512) return {};
  const Record& first = record(head_);
  const ViewSchema& schema = view_schema(static_cast<View>(first.view));

  JsonText text(json.first(json.size() - kEnd.size() - 1));
  text.add(R"({"batch":")");
  const std::size_t batch_at = text.size();
  text.add("00000000000000000000000000000000");
  text.add(R"(","model":")");
  text.add_escaped(first.model);
  text.add(R"(","view":")");
  text.add(schema.name);
  text.add(R"(","schema_hash":")");
  text.add({schemas_[first.view].data(), schemas_[first.view].size()});
  text.add(R"(","epsilon":)");
  text.add_decimal(first.epsilon_milli, 3);
  text.add(R"(,"sdk":")");
  text.add(kVersion);
  text.add(R"(","observations":[)");

  Batch batch;
  std::array<std::uint64_t, 2> identity = {kMagic,
                                           0};  // of the batch: from its records' random numbers alone
  for (; batch.records < most; ++batch.records) {
    const Record& next = record(head_ + batch.records);
    const bool same = std::memcmp(next.model, first.model, sizeof next.model) == 0 &&
                      next.view == first.view && next.epsilon_milli == first.epsilon_milli;
    if (!same) break;
    const std::size_t before = text.size();
    if (batch.records != 0) text.add(",");
    text.add(R"({"features":[)");
    for (std::size_t f = 0; f < next.features; ++f) {
      if (f != 0) text.add(",");
      text.add_integer(next.codes[f]);
    }
    text.add(R"(],"label":")");
    text.add(name_of(static_cast<Label>(next.label & 1)));
    text.add(R"(","confidence":)");
    text.add_decimal(500'000U + 15'625U * next.confidence, 6);
    text.add(next.uncertain != 0 ? R"(,"uncertain":true,"truth":)" : R"(,"uncertain":false,"truth":)");
    const auto truth = static_cast<Truth>(next.truth);
    text.add(truth == Truth::kUnknown ? "null" : truth == Truth::kVideo ? R"("video")" : R"("non-video")");
    text.add("}");
    if (!text.ok()) {
      text.cut(before);
      break;
    }
    for (std::uint64_t& half : identity) {
      half = (half ^ next.nonce) * 0x9e37'79b9'7f4a'7c15ULL;
      half ^= half >> 32;
    }
  }
  if (batch.records == 0) return {};
  for (std::size_t i = 0; i < kBatchDigits; ++i) {
    json[batch_at + i] = "0123456789abcdef"[(identity[i / 16] >> (60 - 4 * (i % 16))) & 15];
  }
  std::memcpy(json.data() + text.size(), kEnd.data(), kEnd.size());
  batch.bytes = text.size() + kEnd.size();
  json[batch.bytes] = 0;
  return batch;
}

}  // namespace reelsense
