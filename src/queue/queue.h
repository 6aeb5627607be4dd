#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "net/endpoint.h"
#include "net/loop.h"
#include "net/network.h"
#include "net/task.h"
#include "smtp/envelope.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::queue {

/// Before this nobody tries to deliver a message: its sender may have asked for later (RFC 4865 §4.2).
[[nodiscard]] inline TimePoint not_before(const smtp::Envelope& envelope, TimePoint accepted_at) {
  const std::optional<smtp::Hold>& hold = envelope.params.handling.hold;
  return hold ? std::max(accepted_at, smtp::end_of(*hold, accepted_at)) : accepted_at;
}

/// What is known of a message besides its content when it is handed in.
struct NewMessage {
  QueueId id;
  AccountId account;
  std::string account_name;  ///< the login, for history and operators; "" for mail the server makes itself
  SessionId session;
  smtp::Envelope envelope;
  std::string signing_domain;  ///< whose DKIM key signs it
  TimePoint accepted_at;
  bool eight_bit = false;  ///< the content needs 8BITMIME
  bool smtputf8 = false;   ///< header or envelope need SMTPUTF8
  bool binary = false;     ///< the content needs BINARYMIME (RFC 3030 §3): its lines are not text
  std::optional<net::IpAddress> client = std::nullopt;  ///< who handed it in; none: the server itself
  std::uint32_t novelty = 0;  ///< percent of its recipients to whom the account had not written before
  [[nodiscard]] TimePoint not_before() const { return queue::not_before(envelope, accepted_at); }
};

/// Proof that a message is durable. Only a Queue makes one, after its commit has been synced.
class Receipt {
 public:
  [[nodiscard]] QueueId id() const { return id_; }

 private:
  friend class SqliteQueue;
  explicit Receipt(QueueId id) : id_(id) {}
  QueueId id_;
};

/// A message that one dispatcher works on, with those of its recipients that are due. Nobody else gets it
/// until it is settled or released.
struct Lease {
  QueueId id;
  AccountId account;
  std::string account_name;
  SessionId session;
  smtp::Envelope envelope;              ///< recipients: only the leased ones
  std::vector<std::uint32_t> index;     ///< their numbers in the message, in the same order
  std::vector<std::uint32_t> attempts;  ///< how often each was tried before
  std::vector<TimePoint> due;           ///< since when each is due, as its row says
  std::vector<bool> bounce;             ///< an operator wants it returned to the sender instead of tried
  std::vector<bool> delay_reported;     ///< whether the sender was told that it takes long
  std::string signing_domain;
  std::string signature;  ///< kept DKIM-Signature field, or empty
  TimePoint accepted_at;
  std::uint64_t size = 0;  ///< content in octets, without the signature
  bool eight_bit = false;
  bool smtputf8 = false;
  bool binary = false;
  std::uint32_t novelty = 0;  ///< see NewMessage
};

/// A message straight from intake, already leased; its content when that is still in memory, else nullptr.
struct FreshMessage {
  Lease lease;
  std::shared_ptr<const std::string> content;
};

/// What a delivery attempt came to for one leased recipient.
struct RecipientOutcome {
  enum class Kind : std::uint8_t {
    Delivered,  ///< the next hop took it
    Retry,      ///< try again at `retry_at`
    Postponed,  ///< not tried, its destination has enough to do: due at `retry_at`, counts no attempt
    Failed,     ///< never; the report to the sender is already in the queue
    Held,       ///< not tried, a route says so: waits for Operation::Release
    Untried,    ///< nothing happened; due as before
  };
  std::uint32_t index = 0;  ///< number in the message
  Kind kind = Kind::Untried;
  TimePoint retry_at;
  std::string status;           ///< "4.4.1"
  std::string text;             ///< the reply or the reason, one line
  bool delay_reported = false;  ///< the sender was told with this attempt that it takes long
};

enum class RecipientState : std::uint8_t {
  Waiting,
  Held,     ///< until an operator releases it
  Removed,  ///< by an operator during an attempt; gone when that ends
};

/// A message as an operator sees it.
struct Listed {
  struct To {
    std::string address;
    RecipientState state = RecipientState::Waiting;
    std::uint32_t attempts = 0;
    TimePoint next_attempt;
    std::string status;
    std::string text;
  };
  QueueId id;
  std::string account;
  std::string sender;
  TimePoint accepted_at;
  TimePoint not_before;  ///< scheduled mail waits until then (RFC 4865); others: accepted_at
  std::uint64_t size = 0;
  bool active = false;        ///< being delivered now
  bool account_held = false;  ///< frozen with all of its account's mail; the recipients are shown as Held
  std::string client;         ///< the IP address that handed it in; "": not known
  std::uint32_t novelty = 0;  ///< see NewMessage
  std::vector<To> recipients;
};

/// Which mail an operator means; fields that are empty match everything. A message is meant when one of its
/// recipients is; a verb acts on those recipients only.
struct Filter {
  std::optional<QueueId> id = std::nullopt;
  std::string account = {};
  std::string sender = {};
  std::string recipient = {};                          ///< letter case aside
  std::string site = {};                               ///< the recipient's domain, lower case
  std::string reason = {};                             ///< the last status, or a part of the last reply
  std::optional<RecipientState> state = std::nullopt;  ///< Waiting or Held
  std::optional<TimePoint> accepted_before = std::nullopt;
  std::optional<TimePoint> scheduled_after =
      std::nullopt;  ///< its sender wants it to wait beyond that (RFC 4865)
  std::optional<TimePoint> accepted_since = std::nullopt;
  std::optional<net::Network> network = std::nullopt;  ///< the client's
  std::uint32_t min_novelty = 0;                       ///< percent; see NewMessage
  std::size_t limit = 100;                             ///< messages; the oldest ones

  /// Whether it means some recipients of a message and not others.
  [[nodiscard]] bool by_recipient() const {
    return !recipient.empty() || !site.empty() || !reason.empty() || state.has_value();
  }
  /// Whether it means every message.
  [[nodiscard]] bool everything() const {
    return !id && account.empty() && sender.empty() && !accepted_before && !accepted_since && !network &&
           min_novelty == 0 && !scheduled_after && !by_recipient();
  }
};

enum class GroupBy : std::uint8_t { Site, Reason, Account };

/// Waiting mail that has something in common.
struct Grouped {
  std::string key;  ///< the domain, the last status and reply, or the account
  std::size_t messages = 0;
  std::size_t recipients = 0;
  std::size_t held = 0;  ///< of the recipients
  TimePoint oldest;      ///< acceptance
  TimePoint next_attempt;
};

/// All of an account's undelivered mail is frozen, and so is what it hands in from now on.
struct AccountHold {
  AccountId account;
  std::string account_name;
  TimePoint since;
  std::string reason;  ///< in words
};

enum class Operation : std::uint8_t {
  Retry,    ///< what waits for its next attempt is due now, or when its sender's hold (RFC 4865) ends
  Hold,     ///< no further attempt until Release
  Release,  ///< what was held is due now, with the same exception
  Remove,   ///< gone, without a report to the sender
  /// Returned to the sender with a report (RFC 3464), held or not; what is under way: at its next attempt.
  Bounce,
};

/// What an operation came to.
struct Operated {
  std::size_t messages = 0;  ///< that matched
  /// Of them in the hands of a dispatcher: what has begun of an attempt is finished.
  std::size_t under_way = 0;
  std::size_t recipients = 0;  ///< that matched
};

/// Messages we have taken responsibility for and not yet delivered or returned.
///
/// Threads  safe from any thread; coroutines resume on the loop that is passed.
/// Durable  when commit() yields a Receipt, envelope and content survive kill -9 and power loss. Before that
///          nothing is promised. A settle() may be lost in a crash: those recipients are tried again
///          (duplicate, never loss).
/// Limits   memory does not grow with the number of queued messages: content passes in pieces of 64 KiB, and one
///          of at most 256 KiB stays whole while a budget that all share lasts (queue/body_memory.h).
/// Errors   Unavailable: the store does not work now (disk full, read-only, I/O error); it resumes by itself.
///          Corrupt: a record is damaged; it is set aside and named.
/// See      RFC 5321 §6.1; docs/decisions/0004-one-sync-per-group.md, 0005-leases-in-memory.md
class Queue {
 public:
  /// A message on its way in. Destroying it without commit() discards it.
  class Draft {
   public:
    virtual ~Draft() = default;
    /// More content. Waits while the store is behind. Error: Unavailable.
    virtual net::Task<Result<>> append(std::string_view content) = 0;
    /// Ends the content and makes the message durable; once. Error: Unavailable.
    virtual net::Task<Result<Receipt>> commit(NewMessage message) = 0;
  };

  virtual ~Queue() = default;
  [[nodiscard]] virtual std::unique_ptr<Draft> begin(net::Loop& loop, QueueId id) = 0;

  /// Who gets messages the moment they are durable, already leased; called on the queue's thread, must not
  /// block. Whoever cannot take one gives it back with release().
  virtual void set_on_accepted(std::function<void(FreshMessage)> taker) = 0;
  /// Called when lease_due() may yield what it did not yield before, from any thread; must neither block nor
  /// call the queue. After set_on_due() the one before is not called any more.
  virtual void set_on_due(std::function<void()> on_due) = 0;
  /// Which domains share one budget (see lease_due); asked often, from any thread, must not block. Default:
  /// each domain is a site of its own.
  virtual void set_site_of(std::function<std::string(std::string_view domain)> site_of) = 0;
  /// Leases up to `max` messages that have recipients due at `now`. Accounts take turns, and so do the domains of an
  /// account; no site and no account can fill the active set (queue/schedule.h). What is left out for that
  /// stays due. Held accounts' mail is not leased.
  virtual net::Task<Result<std::vector<Lease>>> lease_due(net::Loop& loop, TimePoint now,
                                                          std::size_t max) = 0;
  /// Gives a lease back untried.
  virtual void release(const Lease& lease) = 0;
  /// The content's piece number `piece`, from 0; empty: past the end.
  virtual net::Task<Result<std::string>> read(net::Loop& loop, QueueId id, std::uint32_t piece) = 0;
  /// Ends a lease. `keep_signature`: a signature made in this attempt, kept for the next; may be empty.
  /// After an error the lease goes on, so that nobody repeats what was delivered: settle again, or keep it.
  virtual net::Task<Result<>> settle(net::Loop& loop, const Lease& lease,
                                     std::vector<RecipientOutcome> outcomes, std::string keep_signature) = 0;

  /// `filter` of the four below must live until the task ends.
  virtual net::Task<Result<std::vector<Listed>>> list(net::Loop& loop, const Filter& filter) = 0;
  /// The groups with the most recipients first; filter.limit bounds them.
  virtual net::Task<Result<std::vector<Grouped>>> group(net::Loop& loop, const Filter& filter,
                                                        GroupBy by) = 0;
  /// What operate() would act on.
  virtual net::Task<Result<Operated>> count(net::Loop& loop, const Filter& filter) = 0;
  /// Applies `operation` to the matching recipients; durable when it returns. On a leased message Hold, Remove
  /// and Bounce of all its recipients make it withdrawn(), and Retry means nothing.
  virtual net::Task<Result<Operated>> operate(net::Loop& loop, const Filter& filter, Operation operation) = 0;
  /// Freezes an account's mail; durable when it returns, at once for what is not being sent. Again: a new reason.
  virtual net::Task<Result<>> hold_account(net::Loop& loop, AccountHold hold) = 0;
  /// Sends what was frozen. NotFound: the account is not held.
  virtual net::Task<Result<>> release_account(net::Loop& loop, AccountId account) = 0;
  [[nodiscard]] virtual std::vector<AccountHold> held_accounts() const = 0;
  /// Asked for each message; from memory.
  [[nodiscard]] virtual bool account_held(AccountId account) const = 0;
  /// Whether this leased message, or its account, was held or removed: a transaction that has not begun must not.
  [[nodiscard]] virtual bool withdrawn(QueueId id) const = 0;

  /// Why no mail can be taken now; empty when it can.
  [[nodiscard]] virtual std::string unavailable_because() const = 0;
};

}  // namespace postern::queue
