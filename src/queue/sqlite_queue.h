#pragma once

#include "base/options.h"
#include "net/offload.h"
#include "queue/body_memory.h"
#include "queue/leases.h"
#include "queue/queue.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace postern::queue {

class QueueTables;

/// The table [queue].
struct Options {
  std::chrono::milliseconds max_commit_delay{1};
  std::chrono::milliseconds max_settle_delay{10};
  std::chrono::milliseconds probe_interval{1000};
  std::size_t active_capacity = 2000;  ///< messages in delivery: [delivery] max_active, set by the server
  std::size_t body_memory = BodyMemory::kBudget;

  static auto fields() {
    using std::chrono::milliseconds;
    return std::tuple{
        field("max_commit_delay", &Options::max_commit_delay, milliseconds{0}, milliseconds{100},
              Reload::Restart, "How long a commit waits for others that are under way, to share its sync."),
        field("max_settle_delay", &Options::max_settle_delay, milliseconds{0}, milliseconds{1000},
              Reload::Restart,
              "How long the record of a finished delivery may wait for a commit to ride along with."),
        field("probe_interval", &Options::probe_interval, milliseconds{10}, milliseconds{60'000},
              Reload::Restart, "How often a store that failed is tried again."),
    };
  }
};

/// The embedded queue: one SQLite file, one writer thread, one sync for all who wait.
///
/// Owns     queue.db; the caller holds the lock on the data directory.
/// See      queue/queue.h; docs/decisions/0004-one-sync-per-group.md
class SqliteQueue final : public Queue {
 public:
  /// Errors: Unavailable, Corrupt (a newer schema, a file that is no database).
  [[nodiscard]] static Result<std::unique_ptr<SqliteQueue>> open(const std::string& path,
                                                                 const Options& options, const Clock& clock,
                                                                 const char* vfs = nullptr);
  ~SqliteQueue() override;

  [[nodiscard]] std::unique_ptr<Draft> begin(net::Loop& loop, QueueId id) override;
  void set_on_accepted(std::function<void(FreshMessage)> taker) override;
  void set_on_due(std::function<void()> on_due) override;
  void set_site_of(std::function<std::string(std::string_view)> site_of) override;
  net::Task<Result<std::vector<Lease>>> lease_due(net::Loop& loop, TimePoint now, std::size_t max) override;
  void release(const Lease& lease) override;
  net::Task<Result<std::string>> read(net::Loop& loop, QueueId id, std::uint32_t piece) override;
  net::Task<Result<>> settle(net::Loop& loop, const Lease& lease, std::vector<RecipientOutcome> outcomes,
                             std::string keep_signature) override;
  net::Task<Result<std::vector<Listed>>> list(net::Loop& loop, const Filter& filter) override;
  net::Task<Result<std::vector<Grouped>>> group(net::Loop& loop, const Filter& filter, GroupBy by) override;
  net::Task<Result<Operated>> count(net::Loop& loop, const Filter& filter) override;
  net::Task<Result<Operated>> operate(net::Loop& loop, const Filter& filter, Operation operation) override;
  net::Task<Result<>> hold_account(net::Loop& loop, AccountHold hold) override;
  net::Task<Result<>> release_account(net::Loop& loop, AccountId account) override;
  [[nodiscard]] std::vector<AccountHold> held_accounts() const override;
  [[nodiscard]] bool account_held(AccountId account) const override;
  [[nodiscard]] bool withdrawn(QueueId id) const override;
  [[nodiscard]] std::string unavailable_because() const override;

  /// How much mail there is, for whoever watches from outside.
  struct Depth {
    std::int64_t waiting =
        0;                  ///< recipients, with those that are being delivered and those of frozen accounts
    std::int64_t held = 0;  ///< recipients that wait for an operator
    std::size_t held_accounts = 0;
    std::size_t set_aside = 0;  ///< damaged messages met since the start
    std::optional<TimePoint>
        oldest_waiting;  ///< when the oldest message with waiting recipients was accepted
    std::optional<TimePoint> oldest_held;
  };
  /// The numbers are kept with every commit. The ages are those of the last look; a new one begins in the background
  /// when that was some seconds ago. Any thread; does not block.
  [[nodiscard]] Depth depth();

 private:
  class SqliteDraft;
  struct Files;
  struct Request;

  SqliteQueue(std::unique_ptr<Files> files, const Options& options, const Clock& clock);
  [[nodiscard]] Result<> load_state();
  void submit(std::unique_ptr<Request> request);
  net::Task<Result<>> submit_and_wait(net::Loop& loop, std::unique_ptr<Request> request);
  void write_groups();
  enum class WaitsFor {
    Anything,  ///< a request
    Urgent,    ///< one that a client waits for
    Company,   ///< all that are likely to come soon
  };
  /// Whether what the writer waits for is there. Needs mutex_.
  [[nodiscard]] bool enough() const;
  bool wait_for(std::unique_lock<std::mutex>& lock, WaitsFor what, SteadyTime until);
  void wait_for_company(std::unique_lock<std::mutex>& lock);
  void write_group(std::deque<std::unique_ptr<Request>> group);
  [[nodiscard]] Result<> execute(const std::deque<std::unique_ptr<Request>>& group);
  void note_state_of_store(const Result<>& written);
  void finish(Request& request, const Result<>& written);
  void probe();
  [[nodiscard]] Result<std::vector<Lease>> find_due(TimePoint now, std::size_t max);
  void set_aside(QueueId id, const std::string& why);
  void note_depth();
  void look_for_oldest();
  void end_lease(QueueId id, AccountId account, const std::vector<Leases::Waiting>& again);
  struct Operating;
  [[nodiscard]] Result<> operate_on(QueueTables& tables, QueueId id, Operating& operating);
  net::Task<Result<>> operate_on_some(net::Loop& loop, std::shared_ptr<Operating> operating);
  Receipt make_receipt(QueueId id) { return Receipt(id); }

  std::unique_ptr<Files> files_;
  const Options options_;
  const Clock& clock_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Request>> requests_;
  std::size_t urgent_ = 0;       // requests that a client waits for
  std::size_t open_drafts_ = 0;  // transactions under way: worth waiting for
  std::size_t last_group_ = 0;   // urgent requests that shared the last sync
  WaitsFor waits_for_ = WaitsFor::Anything;
  bool writer_waits_ = false;  // asleep, and not woken yet
  bool stopping_ = false;
  std::string failure_;  // why the store does not work; empty: it does

  std::mutex
      taker_mutex_;  // held while it is called, so that nobody is called whom set_on_accepted() has replaced
  std::function<void(FreshMessage)> taker_;

  const std::shared_ptr<BodyMemory> body_memory_;
  mutable std::mutex depth_mutex_;
  Depth depth_;
  SteadyTime looked_at_{};  // for the oldest
  bool looking_ = false;
  std::atomic<bool> released_{false};  // mail that was held may be the oldest that waits

  Leases leases_;
  mutable std::mutex holds_mutex_;
  std::unordered_map<AccountId, AccountHold> holds_;

  std::thread writer_;
  net::Offload readers_{1, 100'000};
  net::Offload operators_{1, 1000};  // what an operator asks may take seconds in a deep queue
};

}  // namespace postern::queue
