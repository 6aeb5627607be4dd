#include "app/hold_notice.h"

#include "base/ids.h"
#include "mail/date.h"
#include "mail/message_id.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace postern::app {
namespace {

std::string reasons_of(const guard::HeldAccount& hold) {
  std::string out;
  for (const std::string& reason : hold.reasons) out += "  - " + reason + "\r\n";
  return out;
}

/// What its owner needs: what happened, what became of the mail, what to do. No verb of an operator.
std::string for_owner(const NoticeFacts& facts, const guard::HeldAccount& hold) {
  return fmt::format(
      "Your account {0} looks as if somebody else were using it, so its mail\r\n"
      "does not leave for now. Mail that was not yet delivered waits{1}\r\n\r\n"
      "What was seen:\r\n\r\n{2}\r\n"
      "Did you not send this? Change your password now, and tell your operator.\r\n"
      "Was it you? Tell your operator, who can let the mail go; nothing is lost.\r\n",
      hold.account,
      facts.keeps_new_mail ? ",\r\nand what you send meanwhile is kept with it."
                           : ";\r\nwhat you send meanwhile stays in your mail program.",
      reasons_of(hold));
}

std::string for_operator(const guard::HeldAccount& hold) {
  return fmt::format(
      "The account {0} is held as stolen (score {1:.1f}). What was seen:\r\n\r\n{2}\r\n"
      "Its undelivered mail is frozen and its sessions have ended. What to do:\r\n\r\n"
      "  postern watch show {0}            what was seen, and from which networks its mail came\r\n"
      "  postern account passwd {0}        if it was stolen: before anything else\r\n"
      "  postern watch purge {0} --network N --new-recipients\r\n"
      "                                    names the thief's mail; with --really removes it\r\n"
      "  postern watch release {0}         sends what is left, and goes on watching\r\n"
      "  postern watch forgive {0}         the same if it was the owner, and normal\r\n",
      hold.account, hold.score, reasons_of(hold));
}

}  // namespace

std::string hold_notice(const NoticeFacts& facts, const guard::HeldAccount& hold) {
  const QueueId unique{make_id(facts.now.time_since_epoch().count())};
  return fmt::format(
             "From: Mail system <postmaster@{0}>\r\nTo: <{1}>\r\nSubject: Sending of {2} is on hold\r\n"
             "Date: {3}\r\nMessage-ID: {4}\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
             "Content-Type: text/plain; charset=utf-8\r\n\r\n",
             facts.hostname, facts.to, hold.account, mail::format_date(facts.now),
             mail::make_message_id(unique, facts.hostname)) +
         (facts.to == hold.account ? for_owner(facts, hold) : for_operator(hold));
}

}  // namespace postern::app
