#pragma once

#include "queue/queue.h"
#include "queue/schedule.h"

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace postern::queue {

/// Which messages are in whose hands, and whose turn comes next. In memory only: a process that starts finds
/// every message free (docs/decisions/0005-leases-in-memory.md).
///
/// Threads  safe from any thread.
/// Limits   one entry per message in delivery, and the schedule's.
class Leases {
 public:
  /// A recipient that waits in the file: where, and since or until when, as Schedule::add() wants it.
  struct Waiting {
    std::string domain;
    TimePoint due;
  };

  explicit Leases(std::size_t capacity) : schedule_(capacity) {}

  /// See Queue.
  void set_on_due(std::function<void()> on_due);
  void set_site_of(Schedule::SiteOf site_of);

  /// Takes the message, before it is known what it is. False: somebody has it.
  bool reserve(QueueId id);
  /// A reserved message becomes a lease: it is counted, and recipients whose site has no room are taken out of it.
  /// False: nothing of it may go now; it is free again, and its turn will come.
  bool admit(Lease& lease);
  /// Frees a message. `again`: those of its recipients that wait now.
  /// @return true when it was removed meanwhile, and the removal has to be finished.
  bool end(QueueId id, AccountId account, const std::vector<Waiting>& again);

  void add(AccountId account, const std::vector<Waiting>& waiting);
  [[nodiscard]] std::optional<Schedule::Turn> next(TimePoint now);
  void seen(const Schedule::Turn& turn, std::optional<Position> reached, std::optional<TimePoint> next_due);
  /// A due row of a turn. True: its message was free and is reserved now. Otherwise the row is looked at again
  /// when that message is free, unless the lease contains it.
  bool take(const Schedule::Turn& turn, const Position& row);

  /// An operator's verb on a message: nothing has changed in the file yet.
  enum class Owner : std::uint8_t {
    Operator,    ///< it was free, and is reserved now
    Dispatcher,  ///< it is under way; hold, removal and release are noted
    Gone,        ///< it is under way and was removed before
  };
  /// `in_part`: it concerns only some of the message's recipients; those that were not begun are not stopped then.
  Owner operate(QueueId id, Operation operation, bool in_part);
  /// Recipients of a message under way in these domains have become due: they are looked for when it is free.
  void look_again(QueueId id, const std::vector<std::string>& domains);
  /// A damaged message: it is not freed any more. False: it was known to be.
  bool keep(QueueId id);
  [[nodiscard]] bool withdrawn(QueueId id) const;
  [[nodiscard]] bool leased(QueueId id) const;

  void hold(AccountId account);
  void release(AccountId account);
  [[nodiscard]] bool held(AccountId account) const;

 private:
  struct Leased {
    bool counted = false;
    bool kept = false;         // never freed
    bool has_removed = false;  // some recipients were removed under way
    AccountId account;
    std::vector<std::string> sites;
    std::vector<std::uint32_t> numbers;  // of its recipients, ascending
    /// Domains with other recipients of it that are due, and since when the first of them is.
    std::map<std::string, TimePoint> left;
    void leave(const std::string& domain, TimePoint due);
  };
  void tell();

  mutable std::mutex mutex_;
  Schedule schedule_;
  std::function<void()> on_due_;
  std::unordered_map<QueueId, Leased> leased_;
  std::unordered_map<QueueId, Operation> withdrawn_;
};

}  // namespace postern::queue
