#pragma once

#include "accounts/directory.h"
#include "base/clock.h"
#include "guard/limits.h"
#include "guard/verdict.h"
#include "sasl/mechanism.h"
#include "smtp/command.h"
#include "smtp/envelope.h"
#include "smtp/reply.h"
#include "submission/data_reader.h"
#include "submission/options.h"
#include "submission/session_rules.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace postern::submission {

/// What a session asks about rights and limits; answered from memory. Declared here, plugged in by whoever
/// serves.
class Policy {
 public:
  virtual ~Policy() = default;
  [[nodiscard]] virtual bool may_send_as(const accounts::Account& account,
                                         const smtp::Mailbox& reverse_path) = 0;
  /// What has become of the account since it logged in.
  [[nodiscard]] virtual accounts::Standing standing(const accounts::Account& account) = 0;
  /// Whether the account may begin a message.
  [[nodiscard]] virtual guard::Verdict check_limits(const accounts::Account& account) = 0;
  /// Whether `recipient` may be added to a message that asks for `tally` so far. Accepted: `tally` has it.
  [[nodiscard]] virtual guard::Verdict check_recipient(const accounts::Account& account,
                                                       const smtp::Recipient& recipient,
                                                       guard::Tally& tally) = 0;
  /// Whether mail of the account is turned away because the account is held as stolen.
  [[nodiscard]] virtual bool refused_on_hold(const accounts::Account& account) = 0;
  /// What the mechanisms of this connection need; asked for under TLS only.
  [[nodiscard]] virtual sasl::Environment environment() = 0;
};

/// What the connection does after sending `reply`.
enum class Next {
  Read,          ///< read the next command
  ReadResponse,  ///< read a line of the AUTH exchange
  StartTls,      ///< begin the handshake, then tls_started()
  CheckLogin,    ///< check claim(), then logged_in(), login_refused() or login_failed()
  ReceiveData,   ///< read the message, then data_done()
  ReceiveChunk,  ///< read a chunk(), then data_done() or chunk_done()
  DropChunk,     ///< read a chunk() that was refused, and forget it
  Close,
};
struct Step {
  smtp::Reply reply;  ///< code 0: nothing to send
  Next next = Next::Read;
};

/// The state machine of one SMTP session: no I/O, so every rule can be tested with lines of text.
/// See RFC 5321 §4.1.4, RFC 6409 §4.3, RFC 3207 §4.2, RFC 4954 §4.
class Session {
 public:
  enum class Tls { None, Active };
  Session(const Options& options, std::string hostname, Policy& policy, const Clock& clock, Tls tls,
          bool tls_available);

  [[nodiscard]] Step greeting() const;
  // RFC 5321 §4.5.3.1.4 with the allowances of the extensions we announce (RFC 3461 §5.4 asks for 1036 and more).
  static constexpr std::size_t kMaxCommand = 2048;
  static constexpr std::size_t kMaxResponse = 12288;          ///< RFC 4954 §4
  static constexpr std::size_t kMaxLine = kMaxResponse + 32;  ///< AUTH with its initial response
  /// A command line without CRLF, of at most kMaxLine octets.
  [[nodiscard]] Step on_line(std::string_view line);
  [[nodiscard]] Step on_line_too_long();
  /// A line of an AUTH exchange, of at most kMaxResponse octets.
  [[nodiscard]] Step on_response(std::string_view line);
  [[nodiscard]] Step on_response_too_long();

  /// Forgets everything learned in clear (RFC 3207 §4.2).
  void tls_started();
  [[nodiscard]] const sasl::Claim& claim() const { return claim_; }
  [[nodiscard]] Step logged_in(accounts::Account account);
  /// The claim was looked at and is wrong; the mechanism may have something to say to that.
  [[nodiscard]] Step login_refused(smtp::Reply reply);
  /// The exchange ends here, without a look at the claim.
  [[nodiscard]] Step login_failed(const smtp::Reply& reply);
  /// The transaction is over, whatever came of it; the reply is the connection's.
  void data_done();
  /// What reads a message that begins with ReceiveData or ReceiveChunk.
  [[nodiscard]] DataReader make_reader(Next coding) const;
  /// The chunk that follows a BDAT (RFC 3030 §2).
  [[nodiscard]] smtp::Bdat chunk() const { return chunk_; }
  /// It was taken, and it was not the last.
  void chunk_done();
  /// Whether more of a message is awaited, so that what came of it must be kept.
  [[nodiscard]] bool between_chunks() const { return phase_ == Phase::Chunks; }
  /// The step that follows a reply; errors against the protocol are counted, and the last one ends the session.
  [[nodiscard]] Step after(smtp::Reply reply);

  [[nodiscard]] const std::optional<accounts::Account>& account() const { return account_; }
  /// When the transaction that is under way began.
  [[nodiscard]] std::optional<SteadyTime> transaction_began() const { return transaction_began_; }
  [[nodiscard]] const smtp::Envelope& envelope() const { return envelope_; }
  [[nodiscard]] const std::string& helo() const { return helo_; }
  [[nodiscard]] bool esmtp() const { return esmtp_; }

 private:
  [[nodiscard]] std::optional<smtp::Reply> check_rules(smtp::Verb verb) const;
  [[nodiscard]] const char* hint(smtp::Verb verb) const;
  [[nodiscard]] Step recipient_refused(smtp::Reply reply);
  [[nodiscard]] Step login_cancelled();
  void forget_exchange();
  [[nodiscard]] Step refuse_chunk(const smtp::Bdat& chunk, smtp::Reply reply);
  [[nodiscard]] Step dispatch(const smtp::Command& command);
  [[nodiscard]] Step on(const smtp::Ehlo& ehlo);
  [[nodiscard]] Step on(const smtp::Helo& helo);
  [[nodiscard]] Step on(const smtp::StartTls&);
  [[nodiscard]] Step on(const smtp::Auth& auth);
  [[nodiscard]] Step on(const smtp::MailFrom& mail);
  [[nodiscard]] std::optional<smtp::Reply> check_params(const smtp::MailParams& params) const;
  [[nodiscard]] Step on(const smtp::RcptTo& rcpt);
  [[nodiscard]] Step on(const smtp::Data&);
  [[nodiscard]] Step on(const smtp::Bdat& bdat);
  [[nodiscard]] Step on(const smtp::Rset&);
  [[nodiscard]] Step on(const smtp::Noop&);
  [[nodiscard]] Step on(const smtp::Quit&);
  [[nodiscard]] Step on(const smtp::Vrfy&);
  [[nodiscard]] Step on(const smtp::Help&);
  [[nodiscard]] Step on(const smtp::NotOffered&);
  [[nodiscard]] Step apply(sasl::Step step);
  /// The client's answer to what a mechanism had to say at its end.
  [[nodiscard]] Step on_last_response(std::string_view line);
  void reset_transaction();

  const Options& options_;
  const std::string hostname_;
  Policy& policy_;
  const Clock& clock_;
  Tls tls_;
  const bool tls_available_;
  Phase phase_ = Phase::Connected;
  bool first_line_ = true;
  bool esmtp_ = false;
  std::string helo_;
  smtp::Envelope envelope_;
  std::optional<SteadyTime> transaction_began_;
  guard::Tally tally_;  // what the limits count of it
  smtp::Bdat chunk_;
  std::uint64_t chunked_ = 0;  // octets of the message that came in chunks before this one
  std::optional<accounts::Account> account_;
  std::unique_ptr<sasl::Mechanism> mechanism_;
  sasl::Claim claim_;
  /// A login that is right or wrong already, while the mechanism's last word awaits its answer.
  std::optional<accounts::Account> login_ends_well_;
  std::optional<smtp::Reply> login_ends_badly_;
  std::uint32_t bad_recipients_ = 0;  // of this transaction
  std::uint64_t mails_ = 0;           // MAIL commands of this connection
  std::uint32_t errors_ = 0;
  std::uint32_t auth_failures_ = 0;
};

}  // namespace postern::submission
