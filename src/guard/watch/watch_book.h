#pragma once

#include "base/clock.h"
#include "base/live.h"
#include "guard/watch/login_trail.h"
#include "guard/watch/options.h"
#include "guard/watch/watch.h"
#include "guard/watch/watch_store.h"
#include "net/endpoint.h"
#include "smtp/envelope.h"

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

namespace postern::guard {

/// Begins the reason of every freeze in the queue that a hold of the watch made.
constexpr std::string_view kFrozenByWatch = "watch: ";
[[nodiscard]] std::string frozen_because(const std::vector<std::string>& reasons);

/// A message that an account hands in.
struct Sending {
  std::string account;
  /// What the operator says it is; a person is what an account is when nobody said otherwise.
  SenderClass stated = SenderClass::Person;
  net::IpAddress client;
  std::span<const smtp::Recipient> recipients;
};

/// What `postern watch show` tells of an account.
struct WatchedAccount {
  std::string account;
  std::optional<HeldAccount> hold;
  double score = 0;
  double threshold = 0;
  std::vector<std::string> reasons;  ///< what speaks against it now
  std::uint32_t messages = 0;
  std::uint32_t active_days = 0;
  double releases = 0;
  std::vector<WatchEvent> events;  ///< the newest, oldest first
};

/// The watch over all accounts of a server: states on disk, those in use in memory.
///
/// Owns     watch.db and a thread that writes to it.
/// Threads  safe from any thread. An account that is not in memory costs judge() one read of a row.
/// Durable  holds, releases and events when the call returns (see WatchStore); what was learned, within kWriteEvery.
/// Limits   in memory 1.3 KB for each account that sent within kIdle, at most kMostInMemory of them (more only for
///          as long as they wait to be written); nothing for the others.
/// Errors   a state that cannot be read counts as a new account, and is logged: mail does not wait for it.
class WatchBook {
 public:
  static constexpr std::chrono::milliseconds kWriteEvery{1000};
  static constexpr std::chrono::minutes kIdle{5};
  static constexpr std::size_t kMostInMemory = 50'000;
  static constexpr std::uint32_t kFewFailures = 3;  ///< failed logins before one that an owner may well need

  /// How near an address (in lower case) is; its domain as given with it.
  using NearnessOf = std::function<Nearness(const std::string& address, const std::string& domain)>;
  /// Told of each new hold, on the thread that saw it; must not block or call the book.
  using OnHold = std::function<void(const HeldAccount&)>;
  using OnWarning = std::function<void()>;

  /// `options` are checked (WatchOptions::check). Errors: Unavailable, Corrupt.
  [[nodiscard]] static Result<std::unique_ptr<WatchBook>> open(const std::string& path, const Clock& clock,
                                                               const WatchOptions& options,
                                                               NearnessOf nearness_of);
  ~WatchBook();

  /// Before the first judge().
  void on_hold(OnHold call) { on_hold_ = std::move(call); }
  void on_warning(OnWarning call) { on_warning_ = std::move(call); }
  [[nodiscard]] std::shared_ptr<const WatchOptions> options() const { return options_.now(); }
  /// Other options from the next judgement on; who is held stays held. Any thread.
  void use(WatchOptions options) { options_.replace(std::move(options)); }

  /// What the watch makes of `sending`, which is about to be accepted. Hold or Held: it must not leave.
  [[nodiscard]] Judgement judge(const Sending& sending);
  /// What became of recipients of the account's mail.
  void delivered(const std::string& account, std::span<const Answered> answers);
  void report(const std::string& account, Report report, double amount = 1);
  /// See Watch::scanned().
  void scanned(const std::string& account, double suspicion);
  /// Somebody reported `count` messages of the account as spam. Error: NotFound: it has never sent.
  [[nodiscard]] Result<> complain(const std::string& account, std::uint32_t count);
  void login_failed(const net::IpAddress& client, std::string_view name);
  /// `name` as it was typed, `account` whose it is.
  void login_succeeded(const net::IpAddress& client, std::string_view name, const std::string& account);

  [[nodiscard]] bool is_held(const std::string& account) const;
  /// Accounts that are held, the longest first.
  [[nodiscard]] std::vector<HeldAccount> held() const;
  /// Errors: NotFound: it has never sent; those of the store.
  [[nodiscard]] Result<WatchedAccount> show(const std::string& account);
  /// Lets a held account go on. Error: NotFound: it is not held.
  [[nodiscard]] Result<> release(const std::string& account);
  /// The same, and what it did counts as its habit from now on; also for an account that is not held.
  [[nodiscard]] Result<> forgive(const std::string& account);
  /// Holds an account whose mail is frozen in the queue although no hold is known here: the end of a process came in
  /// between.
  [[nodiscard]] Result<> adopt(HeldAccount hold);
  [[nodiscard]] Result<> mark_told(const std::string& account);
  /// For the account's history; a failure is logged.
  void note_event(const std::string& account, const std::string& kind, const std::string& detail);

  /// Calls of the webhook that were not answered yet: kept until somebody took them. See WatchStore.
  [[nodiscard]] Result<bool> add_call(const PendingCall& call) { return store_->add_call(call); }
  [[nodiscard]] Result<std::vector<PendingCall>> calls() { return store_->calls(); }
  [[nodiscard]] Result<> end_call(const std::string& id) { return store_->end_call(id); }

  /// Writes what waits; for tests and the end.
  [[nodiscard]] Result<> flush();
  [[nodiscard]] std::size_t in_memory() const;

 private:
  struct Cached {
    AccountState state;
    bool dirty = false;    // differs from the file
    bool writing = false;  // on its way there
    bool holding = false;  // its hold is being written, and its state with it
    std::int64_t used = 0;
    std::int64_t spared_at = 0;
  };
  WatchBook(std::unique_ptr<WatchStore> store, const Clock& clock, WatchOptions options,
            NearnessOf nearness_of);
  [[nodiscard]] bool spared(const std::string& account, SenderClass stated) const;
  [[nodiscard]] std::int64_t now() const;
  [[nodiscard]] Cached& cached(const std::string& account);
  void make_room();
  struct News;
  [[nodiscard]] News note(const std::string& account, Judgement& judged, SenderClass stated);
  void tell(const News& news);
  template <class Judge>
  void judge_known(const std::string& account, Judge judge);
  [[nodiscard]] Result<> end_hold(const std::string& account, std::string state);
  void work();
  void forget_idle();

  std::unique_ptr<WatchStore> store_;
  const Clock& clock_;
  Live<WatchOptions> options_;
  const NearnessOf nearness_of_;
  OnHold on_hold_;
  OnWarning on_warning_;
  LoginTrail trail_;

  mutable std::mutex mutex_;  // never held while the file is written
  std::condition_variable wake_;
  bool ending_ = false;
  std::unordered_map<std::string, Cached> accounts_;
  std::map<std::string, HeldAccount> holds_;
  Surroundings surroundings_;
  std::thread writer_;
};

}  // namespace postern::guard
