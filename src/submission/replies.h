#pragma once

#include "accounts/directory.h"
#include "base/clock.h"
#include "intake/refusal.h"
#include "queue/queue.h"
#include "smtp/command.h"
#include "smtp/reply.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

/// Every reply of the submission side, once: code (RFC 5321 §4.2), enhanced code (RFC 3463, 5248), text.
/// Before AUTH no text gives policy or names away (RFC 6409 §7).
namespace postern::submission::replies {

using smtp::Reply;

[[nodiscard]] Reply banner(std::string_view hostname);
/// What the reply to EHLO announces besides what is always there.
struct Offer {
  std::string_view hostname;
  bool offer_starttls = false;
  bool tls = false;               ///< active: REQUIRETLS is offered (RFC 8689 §2)
  std::string_view mechanisms;    ///< of AUTH, parted by spaces; empty: AUTH is not offered
  std::uint64_t max_message = 0;  ///< octets
  std::uint32_t max_recipients = 0;
  std::chrono::seconds max_hold{0};  ///< 0: FUTURERELEASE is not offered
  TimePoint now;
};
[[nodiscard]] Reply ehlo(const Offer& offer);
[[nodiscard]] Reply helo(std::string_view hostname);
[[nodiscard]] Reply ok();
[[nodiscard]] Reply bye(std::string_view hostname);
[[nodiscard]] Reply help();
[[nodiscard]] Reply cannot_verify();
[[nodiscard]] Reply start_tls();
[[nodiscard]] Reply tls_unavailable();
[[nodiscard]] Reply tls_required();
[[nodiscard]] Reply tls_already();
[[nodiscard]] Reply auth_required();
[[nodiscard]] Reply challenge(std::string_view octets);
[[nodiscard]] Reply logged_in();
[[nodiscard]] Reply bad_credentials();
[[nodiscard]] Reply auth_cancelled();
[[nodiscard]] Reply auth_bad_base64();
[[nodiscard]] Reply auth_line_too_long();
[[nodiscard]] Reply auth_unknown_mechanism();
[[nodiscard]] Reply auth_unavailable();
[[nodiscard]] Reply auth_locked();
[[nodiscard]] Reply auth_needs_app_password();
[[nodiscard]] Reply log_in_again();  ///< the account was held, and its sessions end
[[nodiscard]] Reply on_hold(std::string_view account);
[[nodiscard]] Reply already_authenticated();
[[nodiscard]] Reply sender_ok();
/// The message goes at priority 0 instead of a higher one (RFC 6710 §4.1).
[[nodiscard]] Reply sender_ok_without_priority();
[[nodiscard]] Reply recipient_ok();
[[nodiscard]] Reply send_data();
/// The only way to the 250 after the data: a Receipt.
[[nodiscard]] Reply accepted(const queue::Receipt& receipt);
[[nodiscard]] Reply refused(const intake::Refusal& refusal);
[[nodiscard]] Reply chunk_ok(std::uint64_t octets);
[[nodiscard]] Reply binary_needs_bdat();
[[nodiscard]] Reply bare_line_end();
[[nodiscard]] Reply line_too_long_in_data();
[[nodiscard]] Reply not_your_sender(std::string_view account, std::string_view address);
[[nodiscard]] Reply not_in_good_standing(accounts::Standing standing);
[[nodiscard]] Reply over_limit(std::string_view reason);
[[nodiscard]] Reply not_fully_qualified();
[[nodiscard]] Reply sender_needs_smtputf8();
[[nodiscard]] Reply recipient_needs_smtputf8();
[[nodiscard]] Reply no_postmaster();
[[nodiscard]] Reply too_big(std::uint64_t limit);
[[nodiscard]] Reply hold_after_deliver_by();
[[nodiscard]] Reply hold_too_long(std::chrono::seconds most);
[[nodiscard]] Reply too_many_recipients();
[[nodiscard]] Reply bad_sequence(std::string_view hint);
[[nodiscard]] Reply syntax_error(std::string_view detail);
[[nodiscard]] Reply unknown_parameter();
[[nodiscard]] Reply unknown_command();
[[nodiscard]] Reply not_offered();
[[nodiscard]] Reply command_too_long();
[[nodiscard]] Reply too_many_errors();
[[nodiscard]] Reply too_many_failed_logins();
[[nodiscard]] Reply timed_out();
[[nodiscard]] Reply shutting_down();
[[nodiscard]] Reply too_busy();
[[nodiscard]] Reply too_many_connections();
[[nodiscard]] Reply store_down();
[[nodiscard]] Reply not_smtp();
[[nodiscard]] Reply tls_expected();
[[nodiscard]] Reply starttls_expected();

}  // namespace postern::submission::replies
