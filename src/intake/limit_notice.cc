#include "intake/limit_notice.h"

#include "base/log.h"
#include "mail/date.h"
#include "mail/message_id.h"
#include "smtp/ascii.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace postern::intake {
namespace {

std::string utc(TimePoint when) {
  return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::chrono::system_clock::to_time_t(when)));
}

const char* words_for(guard::Counted what) {
  switch (what) {
    case guard::Counted::Messages:
      return "messages";
    case guard::Counted::Recipients:
      return "recipients";
    case guard::Counted::FirstTime:
      return "recipients that you have not written to before";
  }
  return "";
}

const char* words_for(guard::LimitAction action) {
  switch (action) {
    case guard::LimitAction::Defer:
      return "is not accepted for the time being";
    case guard::LimitAction::Delay:
      return "is accepted, and waits until there is room";
    case guard::LimitAction::Reject:
      return "is refused";
  }
  return "";
}

}  // namespace

std::string limit_notice(const std::string& account, const guard::Allowance& near,
                         const std::string& hostname, TimePoint now) {
  const auto percent = near.used * 100 / near.limit.count;
  std::string out;
  out += "From: Mail server <postmaster@" + hostname + ">\r\n";
  out += "To: <" + account + ">\r\n";
  out += fmt::format("Subject: You have used {} % of a sending limit\r\n", percent);
  out += "Date: " + mail::format_date(now) + "\r\n";
  out += "Message-ID: " + mail::make_message_id(QueueId{make_id(now.time_since_epoch().count())}, hostname) +
         "\r\n";
  out += "Auto-Submitted: auto-generated\r\n";  // RFC 3834 §5
  out += "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n";
  out += fmt::format("The limit {} of {} comes near: {} of {} {} are used.\r\n\r\n", to_string(near.limit),
                     near.of, near.used, near.limit.count, words_for(near.what));
  out += fmt::format(
      "Above the limit further mail {}.\r\nThe first of the present use leaves the limit at {}, all of it "
      "by {}.\r\n\r\n",
      words_for(near.limit.action), utc(near.next_frees), utc(near.all_free));
  out += "If this mail was not sent by you, change your password now and tell your mail administrator.\r\n";
  return out;
}

net::Task<> send_limit_notice(net::Loop& loop, const Services& services, std::string account,
                              guard::Allowance near) {
  const std::string limit = to_string(near.limit);
  log::Event(log::Level::Info, "limits.near")
      .with("account", account)
      .with("limit", limit)
      .with("counts", to_string(near.what))
      .with("used", near.used);
  std::string content = limit_notice(account, near, services.hostname, services.clock.now());
  std::string domain = services.report_domain ? services.report_domain() : std::string();
  smtp::MailParams params;
  params.smtputf8 = smtp::has_eight_bit(account);
  const Result<> sent = co_await enqueue_generated(loop, services, account, std::move(domain),
                                                   std::move(content), std::move(params));
  if (!sent) {
    log::Event(log::Level::Error, "limits.notice_failed")
        .with("account", account)
        .with("why", sent.error().detail);
  }
}

}  // namespace postern::intake
