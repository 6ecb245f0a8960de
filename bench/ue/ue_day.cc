// A day on a phone, fast forward: captures of the lab one after the other, with idle hours between them.
//
//   ue_day PLAN MODEL.onnx | none
//
// PLAN has a line for each stretch: "CAPTURE TIMES" plays a classic pcap that often, each time as a new set
// of flows; "idle SECONDS" lets time pass with a keep-alive of two packets a minute. With `none` the packets
// are read and parsed by nobody: what reading the plan costs. The app is one that calls once a second while
// it has traffic, and is otherwise asleep; feedback is on with its default sample. Prints one JSON object.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include "frames.h"

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kQuietNs = 21 * kSecond;  // the app stops its timer when a session is over

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Resident now: captures were read before, so the peak would hide what the SDK takes.
long resident_kib() {
  long pages = 0;
  long resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * 4;
}

struct Day {
  rs_classifier* classifier = nullptr;
  rs_feedback* feedback = nullptr;
  std::int64_t now_ns = 1'700'000'000 * kSecond;
  std::uint64_t packets = 0;
  std::uint64_t traffic_bytes = 0;
  std::uint64_t timer_calls = 0;  // wake-ups that the app made for the SDK
  std::uint64_t windows = 0;
  std::uint64_t uncertain = 0;
  std::uint64_t feedback_bytes = 0;
  std::uint64_t feedback_posts = 0;
  std::uint64_t random = 88172645463325252ULL;

  std::uint64_t next_random() {
    random ^= random << 13;
    random ^= random >> 7;
    return random ^= random << 17;
  }
  void tick_until(std::int64_t t_ns);
  void add(const rs_frame* frames, std::size_t n, std::uint32_t link);
  void send_feedback(std::uint32_t at_least);
};

void on_windows(void* user, const rs_window* windows, size_t n) {
  auto* day = static_cast<Day*>(user);
  day->windows += n;
  for (size_t i = 0; i < n; ++i) {
    day->uncertain += windows[i].decision.uncertain;
    std::uint64_t random[2] = {day->next_random(), day->next_random()};
    rs_feedback_add(day->feedback, nullptr, &windows[i], RS_TRUTH_UNKNOWN,
                    reinterpret_cast<std::uint8_t*>(random));
  }
}

// The app's timer: once a second, until nothing can come of it any more.
void Day::tick_until(std::int64_t t_ns) {
  const std::int64_t last = t_ns < now_ns + kQuietNs ? t_ns : now_ns + kQuietNs;
  for (std::int64_t tick = (now_ns / kSecond + 1) * kSecond; tick <= last; tick += kSecond) {
    ++timer_calls;
    if (classifier != nullptr) rs_classifier_advance(classifier, tick);
  }
}

void Day::add(const rs_frame* frames, std::size_t n, std::uint32_t link) {
  for (std::size_t i = 0; i < n; ++i) traffic_bytes += frames[i].wire_bytes;
  packets += n;
  if (classifier != nullptr && rs_add_frames(classifier, link, frames, n) != RS_OK) std::exit(2);
}

void Day::send_feedback(std::uint32_t at_least) {
  if (feedback == nullptr) return;
  static char json[1 << 16];
  while (rs_feedback_count(feedback) >= at_least) {
    std::size_t written = 0;
    std::uint32_t records = 0;
    if (rs_feedback_peek(feedback, json, sizeof json, &written, &records, 100) != RS_OK || records == 0)
      return;
    rs_feedback_discard(feedback, records);
    feedback_bytes += written;
    ++feedback_posts;
  }
}

// Plays a capture from the day's present time on, a second at a time as a VPN's reader gets it.
void play(Day& day, const bench_ue::Frames& capture) {
  const std::int64_t shift =
      (day.now_ns / kSecond + 2) * kSecond - capture.frames[0].time_ns / kSecond * kSecond;
  std::vector<rs_frame> batch;
  for (std::size_t i = 0; i < capture.frames.size();) {
    const std::int64_t second = (capture.frames[i].time_ns + shift) / kSecond;
    batch.clear();
    for (; i < capture.frames.size() && (capture.frames[i].time_ns + shift) / kSecond <= second; ++i) {
      batch.push_back(capture.frames[i]);
      batch.back().time_ns += shift;
    }
    day.tick_until(batch.front().time_ns);
    for (std::size_t at = 0; at < batch.size(); at += 32) {
      day.add(&batch[at], batch.size() - at < 32 ? batch.size() - at : 32, capture.link);
    }
    day.now_ns = batch.back().time_ns;
  }
  day.send_feedback(50);
}

void idle(Day& day, std::int64_t seconds) {
  std::uint8_t packet[28] = {0x45, 0, 0,   28, 0, 0, 0,    0,    64,   17,   0, 0, 10, 0,
                             0,    2, 192, 0,  2, 1, 0xc3, 0x50, 0x01, 0xbb, 0, 8, 0,  0};
  for (std::int64_t minute = 0; minute < seconds / 60; ++minute) {
    day.tick_until(day.now_ns + 60 * kSecond);
    day.now_ns += 60 * kSecond;
    const rs_frame keep_alive[2] = {{day.now_ns, packet, 28, 28}, {day.now_ns + 30'000'000, packet, 28, 28}};
    day.add(keep_alive, 2, RS_LINK_RAW);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: ue_day PLAN MODEL.onnx|none\n");
    return 2;
  }
  std::map<std::string, bench_ue::Frames> captures;
  std::vector<std::pair<std::string, long>> plan;
  std::ifstream file(argv[1]);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string what;
    long times = 0;
    if (!(words >> what >> times)) continue;
    if (what != "idle" && !captures.contains(what)) captures.emplace(what, bench_ue::read_frames(what));
    plan.emplace_back(what, times);
  }

  const long kib_before = resident_kib();
  Day day;
  rs_model* model = nullptr;
  std::vector<std::uint64_t> memory(rs_feedback_memory(1000) / 8);
  if (std::strcmp(argv[2], "none") != 0) {
    model = bench_ue::load_model(argv[2]);
    if (rs_feedback_open(&day.feedback, memory.data(), memory.size() * 8, model, nullptr, nullptr) != RS_OK)
      return 2;
    rs_options options;
    rs_options_init(&options, sizeof options);
    options.user = &day;
    options.on_windows = on_windows;
    options.on_second = [](void*, const rs_second*) {};
    if (rs_classifier_create(&day.classifier, model, &options, nullptr) != RS_OK) return 2;
  }
  const double cpu_before = cpu_seconds();
  for (const auto& [what, times] : plan) {
    if (what == "idle") {
      idle(day, times);
    } else {
      for (long i = 0; i < times; ++i) play(day, captures.at(what));
    }
  }
  day.send_feedback(1);
  const double cpu = cpu_seconds() - cpu_before;
  std::printf(
      R"({"packets": %llu, "traffic_bytes": %llu, "windows": %llu, "uncertain": %llu, "timer_calls": %llu, )"
      R"("feedback_posts": %llu, "feedback_bytes": %llu, "cpu_s": %.4f, "memory_kib": %ld, "hours": %.2f})"
      "\n",
      static_cast<unsigned long long>(day.packets), static_cast<unsigned long long>(day.traffic_bytes),
      static_cast<unsigned long long>(day.windows), static_cast<unsigned long long>(day.uncertain),
      static_cast<unsigned long long>(day.timer_calls), static_cast<unsigned long long>(day.feedback_posts),
      static_cast<unsigned long long>(day.feedback_bytes), cpu, resident_kib() - kib_before,
      static_cast<double>(day.now_ns - 1'700'000'000 * kSecond) / 3600e9);
  rs_classifier_free(day.classifier);
  rs_feedback_free(day.feedback);
  rs_model_free(model);
}
