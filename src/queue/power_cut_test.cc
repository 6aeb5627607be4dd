#include "base/log.h"
#include "queue/testing/traffic.h"
#include "store/sqlite.h"
#include "store/testing/power_cut_disk.h"
#include "store/testing/power_cut_vfs.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace postern::queue {
namespace {

using store::testing::PowerCutDisk;
using testing::Traffic;

/// One machine: a disk, and the queue on it that starts again after each loss of power.
class Machine {
 public:
  Machine(std::uint64_t seed, Traffic::Options traffic)
      : directory_(make_directory()),
        disk_(seed),
        vfs_(directory_, disk_),
        traffic_(seed, traffic, [this] { return disk_.is_off(); }) {}
  ~Machine() { std::filesystem::remove_all(directory_); }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  PowerCutDisk& disk() { return disk_; }
  Traffic& traffic() { return traffic_; }

  /// From start to an orderly end; the power may go at any time.
  void work() {
    const std::unique_ptr<SqliteQueue> queue = open();
    if (queue) traffic_.run(*queue);
  }
  /// The power is cut; what is wrong on the machine that starts again?
  std::vector<std::string> restart() {
    vfs_.power_on();
    std::string why;
    const std::unique_ptr<SqliteQueue> queue = open(&why);
    if (!queue) return {"does not open: " + why};
    std::vector<std::string> wrong = traffic_.verify(*queue);
    if (const std::string damage = integrity(); damage != "ok") wrong.push_back(damage);
    return wrong;
  }
  std::unique_ptr<SqliteQueue> open(std::string* why = nullptr) {
    using std::chrono::milliseconds;
    const Options options{.max_commit_delay = milliseconds{0},
                          .max_settle_delay = milliseconds{0},
                          .probe_interval = milliseconds{10}};
    Result<std::unique_ptr<SqliteQueue>> queue = SqliteQueue::open(path(), options, clock_, vfs_.name());
    if (queue) return *std::move(queue);
    if (why != nullptr) *why = queue.error().detail;
    return nullptr;
  }

 private:
  static std::string make_directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-power-XXXXXX").string();
    return ::mkdtemp(pattern.data());
  }
  [[nodiscard]] std::string path() const { return directory_ + "/queue.db"; }
  [[nodiscard]] std::string integrity() const {
    Result<store::Database> database =
        store::Database::open(path(), store::Database::Sync::Full, vfs_.name());
    if (!database) return database.error().detail;
    Result<store::Statement> query = database->prepare("PRAGMA integrity_check");
    if (!query || !query->step()) return "integrity_check does not run";
    return query->text(0);
  }

  const std::string directory_;
  PowerCutDisk disk_;
  store::testing::PowerCutVfs vfs_;
  FakeClock clock_;
  Traffic traffic_;
};

std::string joined(const std::vector<std::string>& sentences) {
  std::string all;
  for (const std::string& sentence : sentences) all += sentence + "\n";
  return all;
}

/// Each cut makes the queue complain once; hundreds of those lines would hide a failure.
class PowerCutTest : public ::testing::Test {
 protected:
  struct Silence final : log::Sink {
    void write(log::Level, std::string_view) override {}
  };
  void SetUp() override { log::set_sink(std::make_shared<Silence>()); }
  void TearDown() override { log::set_sink(nullptr); }
};

// RFC 5321 §6.1: after the 250 the message is ours. Each of these cuts the power somewhere and looks for
// everything that had a Receipt by then.

TEST_F(PowerCutTest, NothingIsLostAtAnySync) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    std::uint64_t cut = 0;
    for (bool was_cut = true; was_cut; ++cut) {
      ASSERT_LT(cut, 500U);
      Machine machine(seed * 1000 + cut, {});
      machine.disk().cut_at_sync(cut);
      machine.work();
      was_cut = machine.disk().is_off();
      ASSERT_EQ(joined(machine.restart()), "") << "seed " << seed << ", cut at sync " << cut;
    }
    EXPECT_GT(cut, 8U) << "there were syncs to cut at";
  }
}

TEST_F(PowerCutTest, NothingIsLostAtAnyMomentAgainAndAgain) {
  std::size_t receipts = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 rng(seed);
    // Now and then so much content that the WAL is copied into the database on the way.
    const bool large = seed % 10 == 0;
    Machine machine(seed, {.messages = large ? 8 : 4, .longest = large ? 200'000U : 3'000U});
    for (int life = 0; life < 4; ++life) {
      machine.disk().cut_after(rng() % (large ? 3000 : 300));
      machine.work();
      ASSERT_EQ(joined(machine.restart()), "") << "seed " << seed << ", life " << life;
    }
    receipts += machine.traffic().receipts();
  }
  EXPECT_GT(receipts, 150U);
}

/// How many of 30 machines are found in order although the disk lies about its syncs.
int machines_in_order(PowerCutDisk::Lie lie) {
  int in_order = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Machine machine(seed, {});
    machine.disk().lie(lie);
    machine.disk().cut_after(120);  // after the tables were made, in the middle of the traffic
    machine.work();
    if (machine.restart().empty()) ++in_order;
  }
  return in_order;
}

TEST_F(PowerCutTest, WithoutSyncsReceiptsAreLost) {
  EXPECT_EQ(machines_in_order(PowerCutDisk::Lie::None), 30);
  EXPECT_LT(machines_in_order(PowerCutDisk::Lie::FileSyncs), 20) << "this test cannot fail";
  EXPECT_LT(machines_in_order(PowerCutDisk::Lie::DirectorySyncs), 20) << "this test cannot fail";
}

}  // namespace
}  // namespace postern::queue
