#pragma once

#include "base/clock.h"
#include "guard/watch/account_state.h"
#include "store/sqlite.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace postern::guard {

/// An account that is held, and why.
struct HeldAccount {
  std::string account;
  TimePoint since;
  double score = 0;
  std::vector<std::string> reasons;
  bool told = false;  ///< the queue is frozen, and those who have to know were told
};

/// Something that the watch or an operator did about an account.
struct WatchEvent {
  TimePoint time;
  std::string
      kind;  ///< "hold", "warning", "spared", "release", "forgive", "purge", "complaint", "failed logins"
  std::string detail;
};

/// Something of which an operator's program has not been told yet.
struct PendingCall {
  std::string id;  ///< the same for the same event
  TimePoint since;
  std::string body;
};

/// watch.db: what the watch remembers.
///
/// Threads  safe from any thread; what reads does not wait for what writes.
/// Durable  against the end of the process when a call returns; a loss of power may take the last second. (A hold is
///          then found again in the queue, which freezes the account's mail durably.)
/// Limits   about 870 octets an account, and kEvents events of it; kMostCalls calls.
/// Errors   Unavailable, Corrupt.
class WatchStore {
 public:
  static constexpr int kEvents = 100;
  static constexpr int kMostCalls = 1000;

  /// A damaged file is set aside, and a new one begins: the queue knows who is held.
  [[nodiscard]] static Result<std::unique_ptr<WatchStore>> open(const std::string& path);

  /// None: it is not known, or its record is damaged (then `why` says so).
  [[nodiscard]] std::optional<AccountState> load(const std::string& account, std::string& why);
  [[nodiscard]] std::string surroundings();
  [[nodiscard]] Result<std::vector<HeldAccount>> holds();
  /// The newest kEvents, oldest first.
  [[nodiscard]] Result<std::vector<WatchEvent>> events(const std::string& account);

  using Encoded = std::vector<std::pair<std::string, std::string>>;  ///< account and encode(state)
  /// `surroundings` empty: as before.
  [[nodiscard]] Result<> save(const Encoded& states, const std::string& surroundings);
  [[nodiscard]] Result<> put_hold(const HeldAccount& hold, const std::string& state);
  [[nodiscard]] Result<> end_hold(const std::string& account, const std::string& state);
  [[nodiscard]] Result<> mark_told(const std::string& account);
  [[nodiscard]] Result<> add_event(const std::string& account, const WatchEvent& event);
  /// False: it is kept already, or kMostCalls are.
  [[nodiscard]] Result<bool> add_call(const PendingCall& call);
  /// The oldest first.
  [[nodiscard]] Result<std::vector<PendingCall>> calls();
  [[nodiscard]] Result<> end_call(const std::string& id);

 private:
  [[nodiscard]] static Result<std::unique_ptr<WatchStore>> open_file(const std::string& path);
  struct Writer {
    store::Database database;
    store::Statement find, name, add, update, hold, unhold, told, event, trim, surroundings, call, calls,
        called;
  };
  struct Reader {
    store::Database database;
    store::Statement load, holds, events, surroundings;
  };
  /// Within a transaction, under writer_mutex_.
  [[nodiscard]] Result<> save_one(const std::string& account, const std::string& state);
  WatchStore(Writer writer, Reader reader) : writer_(std::move(writer)), reader_(std::move(reader)) {}

  std::mutex writer_mutex_;
  Writer writer_;
  std::mutex reader_mutex_;
  Reader reader_;
};

}  // namespace postern::guard
