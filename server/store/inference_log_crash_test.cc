// The inference log when the machine does not play along: killed at any moment, no space left.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>

#include "server/store/store_testing.h"

namespace reelsense::server {
namespace {

class InferenceLogCrashTest : public StoreTest {
 protected:
  // Runs `body` in a child of its own; its failed expectations become a non-zero status.
  template <class Body>
  pid_t in_child(Body body) {
    const pid_t child = fork();
    if (child != 0) return child;
    body();
    _exit(HasFailure() ? 1 : 0);
  }
  static int wait_for(pid_t child) {
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
  }
};

TEST_F(InferenceLogCrashTest, KilledAnywhere_LosesNothingAcknowledged) {
  std::mt19937 random(20'251'125);
  std::int64_t acknowledged = 0;
  std::int64_t first = 0;  // of this round
  for (int round = 0; round < 10; ++round) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = in_child([&] {
      open();
      std::vector<LogEntry> entries(50, entry(1, 1));
      for (std::int64_t id = first;; ++id) {
        log_->append(entries);
        log_->feedback({truth(7, id, true)}, [id, out = ends[1]](Status status) {
          if (!status.ok()) return;
          EXPECT_EQ(write(out, &id, sizeof id), static_cast<ssize_t>(sizeof id));
        });
        if (id % 3 == 0) (void)log_->flush();
      }
    });
    ASSERT_GT(child, 0);
    close(ends[1]);
    std::vector<std::int64_t> seen;
    const std::size_t enough = 1 + random() % 60;
    std::int64_t id = 0;
    while (read(ends[0], &id, sizeof id) == static_cast<ssize_t>(sizeof id)) {
      seen.push_back(id);
      if (seen.size() == enough) kill(child, SIGKILL);  // and read on what it still wrote
    }
    close(ends[0]);
    const int status = wait_for(child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ASSERT_GE(seen.size(), enough);

    open();
    log_.reset();
    acknowledged += static_cast<std::int64_t>(seen.size());
    for (const std::int64_t one : seen) {
      ASSERT_EQ(
          sql_number("SELECT count(*) FROM feedback WHERE flow = 7 AND second = " + std::to_string(one)), 1)
          << "round " << round;
    }
    first = seen.back() + 100'000;
  }
  EXPECT_GE(sql_number("SELECT count(*) FROM feedback"), acknowledged);
  EXPECT_EQ(sql_text("PRAGMA integrity_check"), "ok");
}

TEST_F(InferenceLogCrashTest, KilledAnywhere_LosesNoObservationAcknowledged) {
  std::mt19937 random(20'261'126);
  for (std::uint8_t round = 0; round < 10; ++round) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = in_child([&] {
      open();
      for (std::uint32_t id = 0;; ++id) {
        ObservationBatch batch;
        batch.id = {round, static_cast<std::uint8_t>(id >> 16), static_cast<std::uint8_t>(id >> 8),
                    static_cast<std::uint8_t>(id)};
        batch.width = 1;
        batch.observations.resize(1 + id % 5);
        batch.values.assign(batch.observations.size(), static_cast<std::int16_t>(id));
        log_->observations(std::move(batch), [id, out = ends[1]](const Result<ObservationsStored>& result) {
          if (!result.ok()) return;
          EXPECT_EQ(write(out, &id, sizeof id), static_cast<ssize_t>(sizeof id));
        });
        if (id % 3 == 0) (void)log_->flush();
      }
    });
    ASSERT_GT(child, 0);
    close(ends[1]);
    std::vector<std::uint32_t> seen;
    const std::size_t enough = 1 + random() % 60;
    std::uint32_t id = 0;
    while (read(ends[0], &id, sizeof id) == static_cast<ssize_t>(sizeof id)) {
      seen.push_back(id);
      if (seen.size() == enough) kill(child, SIGKILL);  // and read on what it still wrote
    }
    close(ends[0]);
    const int status = wait_for(child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    open();
    log_.reset();
    for (const std::uint32_t one : seen) {
      char batch[7];
      std::snprintf(batch, sizeof batch, "%06X", one & 0xffffffU);
      ASSERT_EQ(
          sql_number("SELECT observations FROM observation_batches WHERE substr(hex(batch), 1, 8) = '0" +
                     std::to_string(round) + batch + "'"),
          1 + one % 5)
          << "round " << int{round};
    }
    // All of a batch or nothing.
    ASSERT_EQ(sql_number("SELECT count(*) FROM observations"),
              sql_number("SELECT sum(observations) FROM observation_batches"));
  }
  EXPECT_EQ(sql_text("PRAGMA integrity_check"), "ok");
}

// A file that may not grow stands for a full disk: writes fail half-way.
TEST_F(InferenceLogCrashTest, FullDisk_DropsRefusesAndRecovers) {
  const pid_t child = in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    open();
    append(std::vector<LogEntry>(100, entry(1, 1)));
    rlimit limit = {};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const rlim_t all = limit.rlim_cur;
    limit.rlim_cur = 200'000;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);

    EXPECT_EQ(log_->append(std::vector<LogEntry>(20'000, entry(0x9e3779b97f4a7c15ULL, 2))), 20'000U);
    EXPECT_FALSE(log_->flush().ok());
    LogStats stats = log_->stats();
    EXPECT_EQ(stats.written + stats.dropped, 20'100U);
    EXPECT_GT(stats.dropped, 0U);
    EXPECT_GT(stats.failures, 0U);
    EXPECT_FALSE(stats.last_error.empty());
    const std::vector<FeedbackEntry> many(20'000, truth(1, 1, false));
    std::vector<FeedbackEntry> distinct = many;
    for (std::size_t i = 0; i < distinct.size(); ++i) distinct[i].flow = i * 0x9e3779b97f4a7c15ULL;
    const Status refused = feedback(distinct);
    EXPECT_FALSE(refused.ok());
    if (!refused.ok()) {
      EXPECT_EQ(refused.error().code, ErrorCode::kIo);
      EXPECT_NE(refused.error().message.find(options_.file.string()), std::string::npos)
          << refused.error().message;
    }
    EXPECT_EQ(query({}).rows.size(), 100U);  // reading goes on

    limit.rlim_cur = all;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    append({entry(5, 3)});
    EXPECT_TRUE(feedback({truth(5, 3, false)}).ok());
    EXPECT_EQ(seconds({.misclassified = true}), Seconds{3});
    EXPECT_EQ(log_->stats().last_error, "");
    EXPECT_EQ(sql_number("SELECT count(*) FROM feedback"), 1);
    EXPECT_EQ(sql_text("PRAGMA integrity_check"), "ok");
    log_.reset();
  });
  ASSERT_GT(child, 0);
  EXPECT_EQ(wait_for(child), 0);
}

TEST_F(InferenceLogCrashTest, FolderThatVanishes_DropsRefusesAndRecovers) {
  open();
  append({entry(1, 1)});
  std::filesystem::remove_all(folder_);
  const LogEntry one = entry(1, 2);
  EXPECT_EQ(log_->append({&one, 1}), 1U);
  EXPECT_FALSE(log_->flush().ok());
  EXPECT_FALSE(feedback({truth(1, 2, true)}).ok());
  EXPECT_EQ(log_->stats().dropped, 1U);
  EXPECT_NE(log_->stats().last_error.find(options_.file.string()), std::string::npos)
      << log_->stats().last_error;
  std::filesystem::create_directory(folder_);
  append({one});
  EXPECT_TRUE(feedback({truth(1, 2, true)}).ok());
  EXPECT_EQ(log_->stats().last_error, "");
  EXPECT_EQ(seconds({}), Seconds{2});
}

}  // namespace
}  // namespace reelsense::server
