#pragma once

#include "accounts/directory.h"
#include "base/bytes.h"
#include "base/live.h"
#include "base/options.h"
#include "guard/limits.h"
#include "guard/watch/watch_book.h"
#include "intake/refusal.h"
#include "intake/submission_facts.h"
#include "mail/header.h"
#include "mail/mime_scan.h"
#include "queue/history.h"
#include "queue/queue.h"

#include "scan/scanner.h"
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <variant>

namespace postern::intake {

/// Who signs what leaves, by the delivery's policy.
enum class Signing { Ours, NextHop };

/// The table [intake].
struct Options {
  /// Whether mail leaves with a signature of ours, so that a domain without a key is refused. No row of the table: the
  /// server sets it by [delivery] sign.
  Signing signing = Signing::Ours;
  Bytes max_header{256 * 1024};
  std::uint32_t max_hops = 100;
  std::uint32_t max_mime_depth = 100;
  std::uint32_t max_scheduled = 1000;
  bool remove_bcc = true;
  bool check_addresses = true;
  bool eight_bit_headers = false;
  bool add_sender = false;

  static auto fields() {
    using namespace literals;
    return std::tuple{
        field("max_header", &Options::max_header, 64_KiB, 16_MiB, Reload::Live,
              "Largest header section; it is kept in memory."),
        field("max_hops", &Options::max_hops, 100, 1000, Reload::Live,
              "Received fields before a message counts as looping."),
        field("max_mime_depth", &Options::max_mime_depth, 10, 1000, Reload::Live,
              "How deep the parts of a message may stand in each other."),
        field("max_scheduled", &Options::max_scheduled, 1, 1'000'000, Reload::Live,
              "Messages of one account that may wait for the time which their sender chose (FUTURERELEASE)."),
        field("check_addresses", &Options::check_addresses, Reload::Live,
              "From, Sender, Reply-To, To, Cc and Bcc must hold legal addresses with fully qualified domains "
              "(RFC "
              "6409 §4.2, §5.1)."),
        field("eight_bit_headers", &Options::eight_bit_headers, Reload::Live,
              "Octets above 127 are let through in headers without SMTPUTF8, for clients that do not encode "
              "them."),
        field("add_sender", &Options::add_sender, Reload::Live,
              "Sender names the account when From is another address (RFC 6409 §8.1)."),
        field("remove_bcc", &Options::remove_bcc, Reload::Live,
              "Bcc fields are removed; without it every recipient can read whom a client names there."),
    };
  }
};

/// What intake works with. Borrowed.
struct Services {
  const std::string& hostname;
  const Live<Options>& options;
  const Clock& clock;
  accounts::Directory& directory;
  guard::Limits& limits;
  queue::Queue& queue;
  queue::History& history;
  guard::WatchBook* watch = nullptr;  ///< nullptr: stolen accounts are not looked for
  /// The domain that signs mail of the server itself; "": none can.
  std::function<std::string()> report_domain = {};
  const Live<std::shared_ptr<scan::Scanner>>* scanner =
      nullptr;  ///< holds nullptr: nobody looks at the content
};

using Accepted = std::variant<queue::Receipt, Refusal>;

/// One message on its way in: the header is collected, the body goes through to the queue in pieces.
///
/// Threads  its loop's.
/// Limits   the header section (options.max_header) and one piece of the body in memory; while content scanners are
///          asked, the body is with them in a scan::Spool and goes to the queue after their verdict.
class IncomingMessage {
 public:
  IncomingMessage(net::Loop& loop, const Services& services, SubmissionFacts facts);

  /// More content, dot-stuffing removed. After something was found wrong the rest is only counted.
  net::Task<> feed(std::string_view content);
  /// The end of the data: the message is durable, or refused. Once.
  net::Task<Accepted> finish();

  /// The content is not text: its way on needs BINARYMIME (RFC 3030 §3). Before finish().
  void mark_binary() { binary_ = true; }

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] QueueId id() const { return id_; }
  /// What the sender should know of a message that was accepted; may be empty.
  [[nodiscard]] const std::string& note() const { return note_; }

 private:
  [[nodiscard]] std::optional<Refusal> process_header();
  net::Task<> begin_body();
  net::Task<> store(std::string_view content);
  /// `novelty`: percent of the recipients that are new to the account.
  net::Task<std::optional<Refusal>> ask_watch(std::uint32_t& novelty);
  net::Task<Result<>> freeze(const guard::Judgement& judged);
  [[nodiscard]] std::optional<Refusal> check_rights(const mail::Header& header);
  [[nodiscard]] std::optional<Refusal> check_sender_rights(const mail::Header& header) const;
  [[nodiscard]] bool needs_smtputf8() const;
  net::Task<std::optional<Refusal>> check_scheduled();
  [[nodiscard]] std::optional<Refusal> take_from_limits();
  [[nodiscard]] scan::Message shown_to_scanners(const mail::Header& header) const;
  net::Task<> ask_scanners();
  net::Task<> store_scanned(mail::Header header);
  void record_accepted(TimePoint at);
  void record_scanned(const scan::Verdict& verdict);
  void record(const char* kind, TimePoint at);

  net::Loop& loop_;
  const Services& services_;
  const std::shared_ptr<const Options> options_;
  SubmissionFacts facts_;
  const QueueId id_;
  std::unique_ptr<queue::Queue::Draft> draft_;
  std::shared_ptr<scan::Scanner> scanner_;  ///< those of the configuration by which the body began
  std::unique_ptr<scan::Spool> spool_;      ///< the body until ask_scanners(); nullptr: nobody looks at it
  std::string header_;
  bool in_body_ = false;
  bool eight_bit_ = false;
  bool binary_ = false;
  std::uint64_t size_ = 0;
  std::string signing_domain_;
  std::optional<mail::MimeScan> parts_;
  std::optional<Refusal> refusal_;
  guard::Sender sender_;
  guard::Tally tally_;
  std::string note_;
};

/// Puts a message that the server made itself (a report) into the queue: null reverse-path, one recipient,
/// signed by
/// `signing_domain`. Of `params` SMTPUTF8, REQUIRETLS and the priority make sense. Error: Unavailable.
net::Task<Result<>> enqueue_generated(net::Loop& loop, const Services& services, std::string recipient,
                                      std::string signing_domain, std::string content,
                                      smtp::MailParams params);

}  // namespace postern::intake
