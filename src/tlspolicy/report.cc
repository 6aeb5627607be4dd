#include "tlspolicy/report.h"

#include "base/base64.h"
#include "mail/date.h"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace postern::tlspolicy {
namespace {

namespace json = boost::json;

constexpr std::size_t kBase64Line = 76;  // RFC 2045 §6.8

std::string date_of(Day day) {
  const std::chrono::year_month_day date(day);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

json::array strings(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

/// What sessions must share to stand under one policy.
auto policy_key(const AppliedPolicy& policy) { return std::tie(policy.type, policy.lines, policy.mx_hosts); }

json::object policy_json(const AppliedPolicy& policy) {
  json::object out{{"policy-type", policy.type}, {"policy-domain", policy.domain}};
  if (!policy.lines.empty()) out["policy-string"] = strings(policy.lines);
  if (!policy.mx_hosts.empty()) out["mx-host"] = strings(policy.mx_hosts);
  return out;
}

json::object failure_json(const SessionCount& failed) {
  const SessionResult& session = failed.session;
  json::object out{{"result-type", to_string(session.result)}, {"failed-session-count", failed.count}};
  const auto add = [&out](const char* name, const std::string& value) {
    if (!value.empty()) out[name] = value;
  };
  add("sending-mta-ip", session.sending_ip);
  add("receiving-mx-hostname", session.mx_host);
  add("receiving-ip", session.mx_ip);
  add("failure-reason-code", session.reason);
  return out;
}

/// The sessions [begin, end) are those of one policy.
json::object entry_json(std::vector<SessionCount>::const_iterator begin,
                        std::vector<SessionCount>::const_iterator end) {
  std::uint64_t good = 0;
  std::uint64_t bad = 0;
  json::array failures;
  for (auto at = begin; at != end; ++at) {
    if (at->session.result == TlsResult::Success) {
      good += at->count;
    } else {
      bad += at->count;
      failures.push_back(failure_json(*at));
    }
  }
  json::object out{
      {"policy", policy_json(begin->session.policy)},
      {"summary", {{"total-successful-session-count", good}, {"total-failure-session-count", bad}}}};
  if (!failures.empty()) out["failure-details"] = std::move(failures);
  return out;
}

std::string in_lines(const std::string& base64) {
  std::string out;
  for (std::size_t at = 0; at < base64.size(); at += kBase64Line)
    out += base64.substr(at, kBase64Line) + "\r\n";
  return out;
}

std::int64_t seconds_of(Day day) { return std::chrono::sys_seconds(day).time_since_epoch().count(); }

}  // namespace

std::string report_id(const TlsReport& report, const ReportAuthor& author) {
  return date_of(report.day) + '.' + report.domain + '@' + author.domain();
}

std::string report_json(const TlsReport& report, const ReportAuthor& author) {
  std::vector<SessionCount> sessions = report.sessions;
  std::ranges::stable_sort(sessions, [](const SessionCount& a, const SessionCount& b) {
    return policy_key(a.session.policy) < policy_key(b.session.policy);
  });
  json::array policies;
  for (auto begin = sessions.cbegin(); begin != sessions.cend();) {
    const auto end = std::find_if(begin, sessions.cend(), [&begin](const SessionCount& other) {
      return policy_key(other.session.policy) != policy_key(begin->session.policy);
    });
    policies.push_back(entry_json(begin, end));
    begin = end;
  }
  return json::serialize(json::object{{"organization-name", author.organization},
                                      {"date-range",
                                       {{"start-datetime", date_of(report.day) + "T00:00:00Z"},
                                        {"end-datetime", date_of(report.day) + "T23:59:59Z"}}},
                                      {"contact-info", author.contact},
                                      {"report-id", report_id(report, author)},
                                      {"policies", std::move(policies)}});
}

std::string report_filename(const TlsReport& report, const ReportAuthor& author) {
  const std::int64_t begin = seconds_of(report.day);
  return fmt::format("{}!{}!{}!{}.json.gz", author.domain(), report.domain, begin, begin + 86'399);
}

Result<std::string> gzip(const std::string& text) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16;  // the largest window, and a gzip header
  constexpr int kMemory = 8;
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, kMemory, Z_DEFAULT_STRATEGY) != Z_OK)
    return fail(Errc::Internal, "zlib cannot start");
  std::string input = text;
  std::string out(deflateBound(&stream, input.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (status != Z_STREAM_END) return fail(Errc::Internal, "zlib: status " + std::to_string(status));
  return out;
}

std::string report_mail(const TlsReport& report, const ReportAuthor& author, const std::string& recipient,
                        const std::string& compressed, TimePoint now) {
  const std::string id = report_id(report, author);
  const std::string boundary = "=_tlsrpt_" + std::to_string(seconds_of(report.day));
  const std::string filename = report_filename(report, author);
  return fmt::format(
             "From: {}\r\nTo: {}\r\nDate: {}\r\nMessage-ID: <{}.{}@{}>\r\n"
             "Subject: Report Domain: {}\r\n Submitter: {}\r\n Report-ID: <{}>\r\n"
             "TLS-Report-Domain: {}\r\nTLS-Report-Submitter: {}\r\nTLS-Required: No\r\n"
             "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
             "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"{}\"\r\n\r\n",
             author.contact, recipient, mail::format_date(now), id.substr(0, id.rfind('@')),
             now.time_since_epoch().count(), author.domain(), report.domain, author.domain(), id,
             report.domain, author.domain(), boundary) +
         fmt::format(
             "--{0}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
             "This is an aggregate TLS report (RFC 8460) from {1}\r\nabout mail to {2} on {3} (UTC).\r\n\r\n"
             "--{0}\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
             "Content-Disposition: attachment;\r\n filename=\"{4}\"\r\n\r\n{5}--{0}--\r\n",
             boundary, author.domain(), report.domain, date_of(report.day), filename,
             in_lines(base64_encode(compressed)));
}

}  // namespace postern::tlspolicy
