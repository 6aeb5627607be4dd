#pragma once

#include "accounts/directory.h"
#include "base/clock.h"
#include "guard/verdict.h"
#include "intake/refusal.h"
#include "queue/queue.h"
#include "smtp/command.h"
#include "smtp/reply.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

/// Every reply of the submission side, once: code (RFC 5321 §4.2), enhanced code (RFC 3463, 5248), text, and above its
/// declaration when it is given. docs/generated/replies.md is made from this (tools/replies_page.py).
/// Before AUTH no text gives policy or names away (RFC 6409 §7).
namespace postern::submission::replies {

using smtp::Reply;

/// A connection begins.
[[nodiscard]] Reply banner(std::string_view hostname);
/// What the reply to EHLO announces besides what is always there.
struct Offer {
  std::string_view hostname;
  bool offer_starttls = false;
  bool tls = false;               ///< active: REQUIRETLS is offered (RFC 8689 §2)
  std::string_view mechanisms;    ///< of AUTH, parted by spaces; empty: AUTH is not offered
  std::uint64_t max_message = 0;  ///< octets
  std::uint32_t max_recipients = 0;
  std::uint32_t max_messages = 0;    ///< 0: as many as they like
  std::chrono::seconds max_hold{0};  ///< 0: FUTURERELEASE is not offered
  TimePoint now;
};
/// EHLO; one line for each extension follows.
[[nodiscard]] Reply ehlo(const Offer& offer);
/// HELO.
[[nodiscard]] Reply helo(std::string_view hostname);
/// RSET, NOOP.
[[nodiscard]] Reply ok();
/// QUIT.
[[nodiscard]] Reply bye(std::string_view hostname);
/// HELP.
[[nodiscard]] Reply help();
/// VRFY: whether an address exists is not told (RFC 5321 §7.3).
[[nodiscard]] Reply cannot_verify();
/// STARTTLS; the handshake follows.
[[nodiscard]] Reply start_tls();
/// STARTTLS while no certificate is configured or usable.
[[nodiscard]] Reply tls_unavailable();
/// AUTH or mail before STARTTLS (RFC 3207 §4).
[[nodiscard]] Reply tls_required();
/// STARTTLS under TLS.
[[nodiscard]] Reply tls_already();
/// MAIL, RCPT, DATA or BDAT before a login (RFC 6409 §4.3).
[[nodiscard]] Reply auth_required();
/// AUTH: the mechanism wants more.
[[nodiscard]] Reply challenge(std::string_view octets);
/// AUTH succeeded.
[[nodiscard]] Reply logged_in();
/// AUTH failed, whatever was wrong: name, password, suspended account.
[[nodiscard]] Reply bad_credentials();
/// The client gave the exchange up with "*".
[[nodiscard]] Reply auth_cancelled();
/// AUTH: a response that cannot be decoded.
[[nodiscard]] Reply auth_bad_base64();
/// AUTH: a response above 12,288 octets (RFC 4954 §4).
[[nodiscard]] Reply auth_line_too_long();
/// AUTH with a mechanism that is not offered.
[[nodiscard]] Reply auth_unknown_mechanism();
/// AUTH while the directory, LDAP or who vouches for tokens cannot be asked.
[[nodiscard]] Reply auth_unavailable();
/// AUTH from a network or for an account with too many failures; [lockout] says how many.
[[nodiscard]] Reply auth_locked();
/// AUTH with the account's own password where accounts.app_passwords_only is set.
[[nodiscard]] Reply auth_needs_app_password();
/// The account was held while the session was open, and its sessions end.
[[nodiscard]] Reply log_in_again();
/// MAIL or the end of the data of an account that is on hold.
[[nodiscard]] Reply on_hold(std::string_view account);
/// AUTH after a login, or inside a transaction.
[[nodiscard]] Reply already_authenticated();
/// MAIL.
[[nodiscard]] Reply sender_ok();
/// MAIL: the message goes at priority 0 instead of a higher one (RFC 6710 §4.1).
[[nodiscard]] Reply sender_ok_without_priority();
/// RCPT.
[[nodiscard]] Reply recipient_ok();
/// DATA.
[[nodiscard]] Reply send_data();
/// The end of the data: the message is durable in the queue. Only a Receipt makes it.
[[nodiscard]] Reply accepted(const queue::Receipt& receipt, std::string_view note = {});
/// The end of the data:
[[nodiscard]] Reply refused(const intake::Refusal& refusal);
/// BDAT that is not the last.
[[nodiscard]] Reply chunk_ok(std::uint64_t octets);
/// DATA after BODY=BINARYMIME (RFC 3030 §3).
[[nodiscard]] Reply binary_needs_bdat();
/// The end of the data: a CR or LF that is no part of a CRLF was in it.
[[nodiscard]] Reply bare_line_end();
/// The end of the data.
[[nodiscard]] Reply line_too_long_in_data();
/// The end of the data: NUL is neither 7bit nor 8bit data (RFC 2045 §2.7, §2.8).
[[nodiscard]] Reply nul_in_data();
/// MAIL with an address that is not the account's.
[[nodiscard]] Reply not_your_sender(std::string_view account, std::string_view address);
/// MAIL of an account that was changed since its login:
[[nodiscard]] Reply not_in_good_standing(accounts::Standing standing);
/// MAIL, RCPT or the end of the data: a limit of [limits]; the text names it, the use, and when it frees.
[[nodiscard]] Reply over_limit(const guard::Verdict& verdict);
/// MAIL with a domain of one label (RFC 6409 §4.2).
[[nodiscard]] Reply sender_not_fully_qualified();
/// RCPT with a domain of one label.
[[nodiscard]] Reply recipient_not_fully_qualified();
/// MAIL with a non-ASCII address without SMTPUTF8 (RFC 6531 §3.5).
[[nodiscard]] Reply sender_needs_smtputf8();
/// RCPT with a non-ASCII address in a transaction without SMTPUTF8.
[[nodiscard]] Reply recipient_needs_smtputf8();
/// RCPT TO postmaster without a postmaster in the configuration (RFC 5321 §4.5.1).
[[nodiscard]] Reply no_postmaster();
/// MAIL with a SIZE above submission.max_message, or the end of data that was.
[[nodiscard]] Reply too_big(std::uint64_t limit);
/// MAIL with a hold (RFC 4865) that ends after the time of BY (RFC 2852).
[[nodiscard]] Reply hold_after_deliver_by();
/// MAIL with HOLDFOR or HOLDUNTIL beyond submission.max_hold (RFC 4865).
[[nodiscard]] Reply hold_too_long(std::chrono::seconds most);
/// RCPT above submission.max_recipients (RFC 5321 §4.5.3.1.10).
[[nodiscard]] Reply too_many_recipients();
/// A command that has no place here, such as DATA before RCPT.
[[nodiscard]] Reply bad_sequence(std::string_view hint);
/// Arguments that break the grammar; the text says which.
[[nodiscard]] Reply syntax_error(std::string_view detail);
/// MAIL with an address that breaks the grammar; the text says how.
[[nodiscard]] Reply bad_sender_address(std::string_view detail);
/// RCPT with an address that breaks the grammar.
[[nodiscard]] Reply bad_recipient_address(std::string_view detail);
/// MAIL or RCPT with a parameter that EHLO does not offer (RFC 5321 §4.1.1.11).
[[nodiscard]] Reply unknown_parameter();
/// A verb that does not exist.
[[nodiscard]] Reply unknown_command();
/// A verb of SMTP that has no place at a submission server: EXPN, ETRN.
[[nodiscard]] Reply not_offered();
/// A command line beyond the limits of RFC 5321 §4.5.3.1.
[[nodiscard]] Reply command_too_long();
/// The budget of errors of one connection is used up; it is closed.
[[nodiscard]] Reply too_many_errors();
/// MAIL beyond submission.max_messages_per_connection (RFC 9422 §4.1); the connection is closed.
[[nodiscard]] Reply too_many_messages();
/// AUTH failed too often on one connection; it is closed.
[[nodiscard]] Reply too_many_failed_logins();
/// The client said nothing for submission.command_timeout; the connection is closed.
[[nodiscard]] Reply timed_out();
/// The server stops; the connection is closed.
[[nodiscard]] Reply shutting_down();
/// In place of the banner: submission.max_connections are open.
[[nodiscard]] Reply too_busy();
/// In place of the banner: submission.max_connections_per_network are open from there.
[[nodiscard]] Reply too_many_connections();
/// In place of the banner: the queue cannot be written (disk full, read-only, I/O error).
[[nodiscard]] Reply store_down();
/// A first line of another protocol (HTTP, SSH, TLS); the connection is closed.
[[nodiscard]] Reply not_smtp();
/// Clear text on a port that begins with TLS; the connection is closed.
[[nodiscard]] Reply tls_expected();
/// A TLS handshake on a port that begins in clear; the connection is closed.
[[nodiscard]] Reply starttls_expected();

}  // namespace postern::submission::replies
