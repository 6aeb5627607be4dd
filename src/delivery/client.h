#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "delivery/content.h"
#include "delivery/extensions.h"
#include "delivery/manners.h"
#include "delivery/options.h"
#include "delivery/outcome.h"
#include "delivery/reply_rules.h"
#include "delivery/route_table.h"
#include "delivery/target.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/task.h"
#include "smtp/envelope.h"
#include "smtp/reply.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::delivery {

/// One MAIL ... DATA ... dot: one message to some of its recipients. Only borrows.
struct Transaction {
  const smtp::Envelope& envelope;
  const std::vector<std::uint32_t>& recipients;  ///< indices into envelope.recipients
  bool eight_bit;                                ///< the content needs 8BITMIME
  bool smtputf8;                                 ///< the header or the envelope needs SMTPUTF8
  bool binary = false;                           ///< the content is not text: it needs BINARYMIME
  Content& content;
  std::chrono::seconds by_left{0};  ///< with BY (RFC 2852): what is left of its time; negative: late
};

/// The other side spoke, and not SMTP: `error` is of reading a reply.
[[nodiscard]] inline bool is_broken_answer(const Error& error) {
  return error.code == Errc::Malformed || error.code == Errc::Exhausted;
}

/// What came of a transaction, one entry for each of its recipients, in order.
struct TransactionResult {
  std::vector<std::optional<Outcome>> outcomes;  ///< nullopt: not refused, send it in another transaction
  bool untouched = false;                        ///< the connection was gone before the next hop read a word
};

/// One SMTP session with a next hop, from banner to QUIT, for any number of transactions one after the other.
///
/// Threads  lives on one loop.
/// Limits   one piece of content and one group of commands in memory; replies are bounded by
/// smtp::ReplyParser. Errors   never fails as such: whatever happens becomes an Outcome per recipient. A
/// connection lost after the final
///          dot is Retry: a duplicate is possible, a loss is not (RFC 5321 §4.5.5, RFC 1047).
/// See      RFC 5321 §3, §4.5.3.2 (timeouts), RFC 2920 (pipelining), RFC 3207 (STARTTLS).
class Client {
 public:
  struct Opened;
  /// What sessions with a next hop have in common. Borrowed: it outlives the client.
  struct Setting {
    const std::string& hostname;  ///< said in EHLO
    const Options& options;
    const Clock& clock;
    const std::vector<ReplyRule>& replies;  ///< what this next hop's replies mean
    const Egress& egress;
    /// Hears the session set-up, line by line, secrets left out; for `postern smarthost test`.
    const std::function<void(char who, std::string_view line)>* listener = nullptr;
    /// Wait for the TCP connection at most; 0: options.connect_timeout.
    std::chrono::seconds connect_within{0};
  };

  /// Connects to `target`, waits for the banner, says EHLO (HELO when that is unknown), and as `manners` ask,
  /// STARTTLS with a second EHLO and AUTH.
  [[nodiscard]] static net::Task<Opened> open(net::Loop& loop, Target target, const Manners& manners,
                                              const Setting& setting);

  /// Offers one message. Never sends what was not announced, and no content unless asked for with 354.
  /// `ahead` is a transaction that will follow: with PIPELINING its MAIL, RCPT and DATA leave together with
  /// this one's content (RFC 2920 §3.1), which saves a round trip. If usable() afterwards, the next call must
  /// be with it.
  [[nodiscard]] net::Task<TransactionResult> send(const Transaction& transaction,
                                                  const Transaction* ahead = nullptr);

  /// QUIT, and waits a little for the answer (RFC 5321 §4.1.1.10).
  [[nodiscard]] net::Task<> quit();

  /// Another transaction can follow.
  [[nodiscard]] bool usable() const { return usable_; }
  [[nodiscard]] const Target& target() const { return target_; }
  [[nodiscard]] const net::Stream& stream() const { return stream_; }
  [[nodiscard]] const Extensions& extensions() const { return extensions_; }
  /// Ends whatever is in progress as a lost connection.
  void cancel() { stream_.cancel(); }

 private:
  Client(net::Stream stream, Target target, const Setting& setting)
      : stream_(std::move(stream)),
        target_(std::move(target)),
        hostname_(setting.hostname),
        options_(setting.options),
        clock_(setting.clock),
        replies_(setting.replies),
        listener_(setting.listener) {}

  struct Envelope;  // what MAIL, RCPT and DATA came to

  // Session set-up: nullopt means go on.
  net::Task<std::optional<Outcome>> greet(const Manners& manners, Opened& opened);
  net::Task<std::optional<Outcome>> hello();
  net::Task<std::optional<Outcome>> start_tls(const Manners& manners, Opened& opened);

  // AUTH.
  net::Task<std::optional<Outcome>> authenticate(const Manners& manners);
  net::Task<Result<smtp::Reply>> authenticate_with(AuthMechanism mechanism, const Manners& manners);
  net::Task<Result<smtp::Reply>> initial_response(std::string mechanism, std::string response);
  net::Task<Result<smtp::Reply>> secret(std::string response);
  net::Task<Result<smtp::Reply>> auth_scram(const Manners& manners);
  net::Task<Result<smtp::Reply>> auth_token(AuthMechanism mechanism, const Manners& manners);

  // One transaction.
  std::optional<Outcome> refuse_unsent(const Transaction& transaction) const;
  std::string mail_command(const Transaction& transaction) const;
  std::string rcpt_command(const smtp::Envelope& envelope, const smtp::Recipient& recipient) const;
  bool keeps_tls() const;
  std::string command_group(const Transaction& transaction) const;
  std::size_t most_recipients(const Transaction& transaction) const;
  net::Task<Result<>> exchange_chunk(const Transaction& transaction, const Transaction* ahead,
                                     Envelope& envelope, TransactionResult& result);
  net::Task<Result<>> finish(Envelope& envelope, TransactionResult& result);
  net::Task<Result<>> send_chunk(Content& content, const Transaction* ahead);
  void append_ahead(std::string& wire, const Transaction* ahead);
  net::Task<Result<>> exchange_envelope(const Transaction& transaction, Envelope& envelope,
                                        TransactionResult& result);
  net::Task<Result<>> exchange_data(const Transaction& transaction, const Transaction* ahead,
                                    Envelope& envelope, TransactionResult& result);
  net::Task<Result<>> send_content(Content& content, const Transaction* ahead);

  net::Task<Result<smtp::Reply>> command(std::string line, std::chrono::seconds timeout);
  net::Task<Result<smtp::Reply>> secret_command(std::string line, std::string shown);
  net::Task<Result<smtp::Reply>> read_reply(std::chrono::seconds timeout);
  net::Task<Result<>> write(std::string_view data, std::chrono::seconds timeout);
  SteadyTime deadline(std::chrono::seconds timeout) const { return clock_.steady_now() + timeout; }

  net::Stream stream_;
  Target target_;
  const std::string& hostname_;
  const Options& options_;
  const Clock& clock_;
  const std::vector<ReplyRule>& replies_;
  const std::function<void(char who, std::string_view line)>* listener_;
  Extensions extensions_;
  smtp::ReplyParser parser_;
  bool usable_ = true;
  bool ahead_ = false;        // the next transaction's commands are sent already
  bool reset_first_ = false;  // a transaction without content is still open at the other side
};

struct Client::Opened {
  std::unique_ptr<Client> client;  ///< nullptr: it did not work
  Outcome failure;                 ///< why, when client is nullptr
  bool silent = false;             ///< no TCP connection or no banner
  bool tls_broke = false;          ///< STARTTLS was accepted and the handshake failed: cleartext may work
  bool tls_short = false;          ///< the host works, but its TLS is not what it has to be
  bool starttls_offered = false;
  std::optional<net::TlsInfo> tls;  ///< of a handshake, whatever became of it
  std::string local_ip;             ///< the address we connected from; empty: no connection
};

}  // namespace postern::delivery
