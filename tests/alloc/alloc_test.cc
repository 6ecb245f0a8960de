// Holds the packet path to its promise: after set-up, nothing is allocated. This binary counts every operator
// new.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <new>
#include <random>
#include <vector>

#include "reelsense.h"
#include "reelsense/classifier/classifier.h"
#include "reelsense/model/ue_model.h"
#include "reelsense/packet/packet.h"

namespace {
std::size_t allocations = 0;

void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  void* p = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (p == nullptr) std::abort();
  return p;
}
}  // namespace

void* operator new(std::size_t size) {
  return counted(size, alignof(std::max_align_t));
}
void* operator new[](std::size_t size) {
  return counted(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
// The nothrow forms too (std::stable_sort's buffer): a sanitizer's own would not match the deletes below.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return counted(size, alignof(std::max_align_t));
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return counted(size, alignof(std::max_align_t));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete[](void* p, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete[](void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}

namespace reelsense {
namespace {

struct Counter : ClassifierSink {
  void on_windows(std::span<const WindowRow> rows) override { windows += rows.size(); }
  void on_flow_end(const FlowSummary&) override { ++flows; }
  std::size_t windows = 0;
  std::size_t flows = 0;
};

// A UDP or TCP packet of one of 600 flows, as bytes on an Ethernet link.
std::vector<std::uint8_t> frame(std::mt19937& random) {
  std::vector<std::uint8_t> bytes(60, 0);
  bytes[12] = 0x08;
  bytes[14] = 0x45;
  const bool tcp = random() % 2 == 0;
  bytes[16] = static_cast<std::uint8_t>(random() % 6);
  bytes[17] = 60;
  bytes[23] = tcp ? kProtocolTcp : kProtocolUdp;
  bytes[26] = 10;
  bytes[29] = static_cast<std::uint8_t>(random() % 200);
  bytes[30] = 93;
  bytes[33] = static_cast<std::uint8_t>(random() % 3);
  bytes[37] = 80;
  bytes[34] = 200;
  bytes[46] = 0x50;
  bytes[47] = static_cast<std::uint8_t>(random() % 40 == 0   ? kTcpRst
                                        : random() % 20 == 0 ? kTcpSyn
                                                             : kTcpAck);
  return bytes;
}

TEST(PacketPath, AfterSetUp_AllocatesNothing) {
  std::ifstream file(REELSENSE_SOURCE_DIR "/models/reelsense-ue/1.0.0/model.onnx", std::ios::binary);
  const std::vector<char> model_bytes((std::istreambuf_iterator<char>(file)),
                                      std::istreambuf_iterator<char>());
  auto model =
      UeModel::parse({reinterpret_cast<const std::uint8_t*>(model_bytes.data()), model_bytes.size()});
  ASSERT_TRUE(model.ok()) << model.error().message;

  Counter counter;
  ClassifierOptions options;
  options.max_flows = 256;  // fewer than the flows, so that eviction runs too
  auto classifier = Classifier::create(&model.value(), counter, options);
  ASSERT_TRUE(classifier.ok());

  std::mt19937 random(3);
  std::vector<std::vector<std::uint8_t>> frames;
  for (int i = 0; i < 2000; ++i) frames.push_back(frame(random));

  const std::size_t before = allocations;
  std::int64_t t_ns = 1'700'000'000 * kSecondNs;
  ParsedPacket batch[64];
  for (std::size_t i = 0; i < 200'000; i += 64) {
    std::size_t n = 0;
    for (std::size_t j = 0; j < 64; ++j) {
      t_ns += random() % 1000 == 0 ? 700 * kSecondNs : 60'000;
      const DropReason reason =
          parse_packet(LinkType::kEthernet, frames[random() % frames.size()], 1514, batch[n]);
      batch[n].time_ns = t_ns;
      if (reason == DropReason::kNone) {
        ++n;
      } else {
        classifier.value().count_drop(reason);
      }
    }
    classifier.value().add({batch, n});
  }
  classifier.value().finish();
  EXPECT_EQ(allocations, before);
  EXPECT_GT(counter.windows, 1000U);
  EXPECT_GT(counter.flows, 600U);
  EXPECT_GT(classifier.value().stats().ended[static_cast<std::size_t>(FlowEnd::kEvicted)], 100U);
}

// The C ABI's promise: after set-up no call allocates, whatever it is.
TEST(CAbi, AfterSetUp_AllocatesNothing) {
  std::ifstream file(REELSENSE_SOURCE_DIR "/models/reelsense-ue-socket/1.0.0/model.onnx", std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  rs_model* model = nullptr;
  ASSERT_EQ(rs_model_load(&model, bytes.data(), bytes.size(), nullptr), RS_OK);
  std::vector<std::uint64_t> memory(rs_feedback_memory(64) / sizeof(std::uint64_t));
  rs_feedback_options sampling;
  rs_feedback_options_init(&sampling, sizeof sampling);
  sampling.sample = 1.0;
  rs_feedback* feedback = nullptr;
  ASSERT_EQ(rs_feedback_open(&feedback, memory.data(), memory.size() * 8, model, &sampling, nullptr), RS_OK);
  rs_options options;
  rs_options_init(&options, sizeof options);
  options.view = RS_VIEW_SOCKET;
  options.max_flows = 32;
  options.user = feedback;
  options.on_windows = [](void* user, const rs_window* windows, size_t n) {
    for (size_t i = 0; i < n; ++i) {
      const std::uint8_t chance[16] = {};
      rs_feedback_add(static_cast<rs_feedback*>(user), nullptr, &windows[i], RS_TRUTH_VIDEO, chance);
    }
  };
  rs_classifier* classifier = nullptr;
  ASSERT_EQ(rs_classifier_create(&classifier, model, &options, nullptr), RS_OK);
  std::vector<char> json(1 << 16);
  std::mt19937 random(5);

  const std::size_t before = allocations;
  std::vector<std::uint64_t>::size_type posts = 0;
  std::uint64_t flows[64] = {};
  std::int64_t t_ns = 1'700'000'000 * kSecondNs;
  for (int i = 0; i < 100'000; ++i) {
    t_ns += random() % 500 == 0 ? 90 * kSecondNs : 3'000'000;
    std::uint64_t& flow = flows[random() % 64];  // more than the table holds
    rs_decision decision;
    switch (random() % 8) {
      case 0:
        rs_flow_open(classifier, &flow, t_ns);
        break;
      case 1:
        rs_flow_close(classifier, flow, t_ns);
        break;
      case 2:
        rs_flow_write(classifier, flow, random() % 2000, t_ns);
        break;
      case 3:
        rs_flow_peek(classifier, &decision, flow);
        break;
      case 4:
        rs_classifier_advance(classifier, t_ns);
        break;
      default:
        rs_flow_read(classifier, flow, random() % 50'000, t_ns);
    }
    if (rs_feedback_count(feedback) == 64) {
      std::size_t written = 0;
      std::uint32_t records = 0;
      rs_feedback_peek(feedback, json.data(), json.size(), &written, &records, 64);
      rs_feedback_discard(feedback, records);
      ++posts;
    }
  }
  rs_classifier_finish(classifier);
  EXPECT_EQ(allocations, before);
  EXPECT_GT(posts, 10U);
  rs_classifier_free(classifier);
  rs_feedback_free(feedback);
  rs_model_free(model);
}

}  // namespace
}  // namespace reelsense
