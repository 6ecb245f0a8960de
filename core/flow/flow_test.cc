#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "reelsense/flow/event_clock.h"
#include "reelsense/flow/flow_key.h"
#include "reelsense/flow/flow_table.h"
#include "reelsense/flow/fragment_table.h"

namespace reelsense {
namespace {

Address v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d};
}

Address v6(std::uint8_t first, std::uint8_t second, std::uint8_t last) {
  Address address{};
  address[0] = first;
  address[1] = second;
  address[15] = last;
  return address;
}

ParsedPacket packet(Address source, std::uint16_t source_port, Address destination,
                    std::uint16_t destination_port, std::uint8_t protocol = kProtocolUdp,
                    std::uint8_t flags = 0) {
  ParsedPacket p;
  p.ip_version = source[10] == 0xff && source[0] == 0 ? 4 : 6;
  p.source = source;
  p.destination = destination;
  p.source_port = source_port;
  p.destination_port = destination_port;
  p.protocol = protocol;
  p.tcp_flags = flags;
  return p;
}

ParsedPacket at(std::int64_t t_ns) {
  ParsedPacket p;
  p.time_ns = t_ns;
  return p;
}

TEST(FlowKeyTest, BothDirections_GiveOneKeyAndOppositeSides) {
  const Address addresses[] = {v4(10, 0, 0, 1), v4(93, 184, 216, 34), v6(0xfd, 0, 1), v6(0x20, 1, 2)};
  for (const Address& a : addresses) {
    for (const Address& b : addresses) {
      if ((a[0] == 0) != (b[0] == 0)) continue;  // one packet has one IP version
      const KeyedPacket one = key_of(packet(a, 40000, b, 443));
      const KeyedPacket other = key_of(packet(b, 443, a, 40000));
      EXPECT_EQ(one.key, other.key);
      EXPECT_EQ(one.hash, other.hash);
      EXPECT_NE(one.from_a, other.from_a);
      EXPECT_NE(key_of(packet(a, 40001, b, 443)).key, one.key);
      EXPECT_NE(key_of(packet(a, 40000, b, 443, kProtocolTcp)).key, one.key);
    }
  }
}

TEST(DirectionTest, Rules_InTheirOrder) {
  const Address inside = v4(192, 168, 1, 5);
  const Address outside = v4(93, 184, 216, 34);
  const Address outside2 = v4(8, 8, 8, 8);
  // 1: TCP SYN decides against every later rule.
  EXPECT_TRUE(sender_is_client(packet(outside, 80, inside, 50000, kProtocolTcp, kTcpSyn)));
  EXPECT_FALSE(sender_is_client(packet(outside, 80, inside, 50000, kProtocolTcp, kTcpSyn | kTcpAck)));
  // 2: a group address is never the client.
  EXPECT_TRUE(sender_is_client(packet(outside, 1900, v4(239, 255, 255, 250), 60000)));
  EXPECT_TRUE(sender_is_client(packet(v6(0x20, 1, 1), 1, v6(0xff, 2, 1), 9)));
  EXPECT_TRUE(sender_is_client(packet(outside, 67, v4(255, 255, 255, 255), 68)));
  // 3: the private side.
  EXPECT_TRUE(sender_is_client(packet(inside, 80, outside, 50000)));
  EXPECT_FALSE(sender_is_client(packet(outside, 50000, inside, 80)));
  for (const Address& address : {v4(10, 1, 1, 1), v4(172, 16, 0, 1), v4(172, 31, 255, 1), v4(100, 64, 0, 1),
                                 v4(169, 254, 1, 1), v4(127, 0, 0, 1)}) {
    EXPECT_FALSE(sender_is_client(packet(outside, 50000, address, 80)));
  }
  EXPECT_TRUE(sender_is_client(packet(outside, 50000, v4(172, 32, 0, 1), 80)));
  for (const Address& address : {v6(0xfc, 0, 1), v6(0xfd, 9, 1), v6(0xfe, 0x80, 1), v6(0, 0, 1)}) {
    ParsedPacket p = packet(v6(0x20, 1, 7), 50000, address, 80);
    p.ip_version = 6;
    EXPECT_FALSE(sender_is_client(p));
  }
  // 4: the higher port, whoever sends.
  EXPECT_TRUE(sender_is_client(packet(outside, 50000, outside2, 443)));
  EXPECT_FALSE(sender_is_client(packet(outside, 443, outside2, 50000)));
  // 5: the sender.
  EXPECT_TRUE(sender_is_client(packet(outside, 123, outside2, 123)));
}

// A table small enough to collide all the time, against std::map.
TEST(FlowTableTest, RandomOperations_AgreeWithAMap) {
  constexpr std::uint32_t kCapacity = 37;
  FlowTable table(kCapacity);
  std::map<std::uint16_t, std::uint32_t> reference;  // port → slot
  std::mt19937 random(7);
  for (int i = 0; i < 200'000; ++i) {
    const auto port = static_cast<std::uint16_t>(random() % 60);
    const KeyedPacket keyed = key_of(packet(v4(10, 0, 0, 1), port, v4(10, 0, 0, 2), 443));
    // A hash of few values makes long probe chains.
    const std::uint32_t hash = keyed.hash & 0x00f00007U;
    const std::uint32_t slot = table.find(keyed.key, hash);
    const auto known = reference.find(port);
    ASSERT_EQ(slot, known == reference.end() ? FlowTable::kNone : known->second) << i;
    if (slot != FlowTable::kNone) {
      if (random() % 3 == 0) {
        table.erase(slot);
        reference.erase(port);
      } else if (random() % 4 == 0 && !table[slot].finished) {
        table.finish(slot);
      } else {
        table.touch(slot);
      }
    } else if (!table.full()) {
      reference[port] = table.insert(keyed.key, hash);
    }
    ASSERT_EQ(table.size(), reference.size());
  }
}

TEST(FlowTableTest, Lists_KeepTheOrderOfTouchAndFinish) {
  FlowTable table(4);
  std::vector<std::uint32_t> slots;
  for (std::uint16_t port = 0; port < 4; ++port) {
    const KeyedPacket keyed = key_of(packet(v4(10, 0, 0, 1), port, v4(10, 0, 0, 2), 443));
    slots.push_back(table.insert(keyed.key, keyed.hash));
  }
  EXPECT_TRUE(table.full());
  EXPECT_EQ(table.oldest_live(), slots[0]);
  table.touch(slots[0]);
  EXPECT_EQ(table.oldest_live(), slots[1]);
  EXPECT_EQ(table.oldest_finished(), FlowTable::kNone);
  table.finish(slots[2]);
  table.finish(slots[1]);
  EXPECT_EQ(table.oldest_finished(), slots[2]);
  EXPECT_EQ(table.next_of(slots[2]), slots[1]);
  EXPECT_EQ(table.oldest_live(), slots[3]);
  table.erase(slots[2]);
  EXPECT_EQ(table.oldest_finished(), slots[1]);
}

TEST(FragmentTableTest, LaterFragment_TakesThePortsOfItsFirstForThirtySeconds) {
  FragmentTable table;
  ParsedPacket first = packet(v4(10, 0, 0, 1), 5004, v4(10, 0, 0, 2), 6000);
  first.first_fragment = true;
  first.fragment_id = 77;
  first.time_ns = 1'000'000'000;
  table.remember(first);

  ParsedPacket later = packet(first.source, 0, first.destination, 0);
  later.later_fragment = true;
  later.fragment_id = 77;
  later.time_ns = first.time_ns + FragmentTable::kLifetimeNs;
  ASSERT_TRUE(table.resolve(later));
  EXPECT_EQ(later.source_port, 5004);
  EXPECT_EQ(later.destination_port, 6000);

  ++later.time_ns;
  EXPECT_FALSE(table.resolve(later)) << "an identification comes round again";
  later.time_ns = first.time_ns;
  later.fragment_id = 78;
  EXPECT_FALSE(table.resolve(later));
}

TEST(EventClockTest, OneOutlier_IsDroppedWhenTimeGoesOn) {
  EventClock clock;
  EXPECT_FALSE(clock.follows(5));
  EXPECT_EQ(clock.judge(at(5)), EventClock::Verdict::kFits);
  clock.move_to(5);
  EXPECT_TRUE(clock.follows(6));
  EXPECT_EQ(clock.judge(at(6 + EventClock::kForwardNs)), EventClock::Verdict::kHeld);
  EXPECT_FALSE(clock.follows(7)) << "held packets wait to be judged";
  EXPECT_EQ(clock.judge(at(7)), EventClock::Verdict::kFits);
  EXPECT_EQ(clock.dropped(), 1U);
  clock.move_to(7);
  EXPECT_TRUE(clock.follows(7));
}

TEST(EventClockTest, EightAgreeingPackets_AreAStep) {
  constexpr std::int64_t kHour = 3'600'000'000'000;
  EventClock clock;
  clock.move_to(10 * kHour);
  for (std::int64_t i = 0; i < 7; ++i) EXPECT_EQ(clock.judge(at(kHour + i)), EventClock::Verdict::kHeld);
  EXPECT_EQ(clock.judge(at(kHour + 7)), EventClock::Verdict::kStep);
  ASSERT_EQ(clock.held().size(), 8U);
  EXPECT_EQ(clock.held()[7].time_ns, kHour + 7);
  clock.restart();
  EXPECT_FALSE(clock.started());
  EXPECT_TRUE(clock.held().empty());
}

TEST(EventClockTest, OutlierThatDisagreesWithTheHeld_StartsANewHold) {
  constexpr std::int64_t kHour = 3'600'000'000'000;
  EventClock clock;
  clock.move_to(10 * kHour);
  EXPECT_EQ(clock.judge(at(kHour)), EventClock::Verdict::kHeld);
  EXPECT_EQ(clock.judge(at(5 * kHour)), EventClock::Verdict::kHeld);
  EXPECT_EQ(clock.dropped(), 1U);
  EXPECT_EQ(clock.held().size(), 1U);
}

TEST(EventClockTest, ImpossibleYears_AreInvalid) {
  EventClock clock;
  EXPECT_EQ(clock.judge(at(-1)), EventClock::Verdict::kInvalid);
  EXPECT_EQ(clock.judge(at(EventClock::kLatestNs + 1)), EventClock::Verdict::kInvalid);
  clock.move_to(EventClock::kLatestNs);
  EXPECT_FALSE(clock.follows(EventClock::kLatestNs + 1));
}

}  // namespace
}  // namespace reelsense
