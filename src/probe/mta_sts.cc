#include "probe/mta_sts.h"

#include "dns/lookup.h"
#include "probe/connect.h"
#include "probe/recognise.h"

#include <boost/beast/http.hpp>

#include <algorithm>
#include <charconv>

namespace postern::probe {
namespace {

constexpr std::size_t kLargestPolicy = 64 * 1024;
constexpr std::uint16_t kHttps = 443;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

/// The strings of a TXT record put together (RFC 1035 §3.3.14).
std::string joined(const std::string& rdata) {
  std::string out;
  for (std::size_t at = 0; at < rdata.size();) {
    const std::size_t length = static_cast<unsigned char>(rdata[at]);
    out += rdata.substr(at + 1, length);
    at += 1 + length;
  }
  return out;
}

Result<> apply(MtaStsPolicy& policy, std::string_view key, std::string_view value) {
  if (key == "version" && value != "STSv1") return fail(Errc::Malformed, "version is not STSv1");
  if (key == "mx") policy.mx.push_back(lower(value));
  if (key == "max_age") std::from_chars(value.data(), value.data() + value.size(), policy.max_age);
  if (key != "mode") return {};
  if (value == "enforce") {
    policy.mode = MtaStsState::Enforce;
  } else if (value == "testing") {
    policy.mode = MtaStsState::Testing;
  } else if (value == "none") {
    policy.mode = MtaStsState::Off;
  } else {
    return fail(Errc::Malformed, "unknown mode " + printable(value));
  }
  return {};
}

Result<std::string> fetch(const std::string& host, const net::IpAddress& ip, const Handshaker& tls,
                          SteadyTime deadline) {
  auto [tcp, wire] = connect({ip, kHttps}, deadline);
  if (tcp.outcome != TcpOutcome::Open) return fail(Errc::Unavailable, "https://" + host + ": " + tcp.error);
  const TlsSeen seen = tls.handshake(wire, host, deadline);
  if (seen.outcome != TlsOutcome::Done) return fail(Errc::Unavailable, "https://" + host + ": " + seen.error);
  if (!seen.verified()) {  // RFC 8461 §3.3
    return fail(Errc::Denied,
                "https://" + host + ": its certificate is " +
                    (seen.name_matches ? "not trusted: " + seen.verify_errors.front() : "for another name"));
  }
  const std::string request = "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: " + host +
                              "\r\nUser-Agent: postern-check\r\nConnection: close\r\n\r\n";
  POSTERN_CHECK(wire.write(request, deadline));
  std::string answer;
  while (answer.size() <= 2 * kLargestPolicy) {
    const Result<std::string> piece = wire.read_some(deadline);
    if (!piece && piece.error().code == Errc::Closed) break;
    if (!piece) return piece.error();
    answer += *piece;
  }
  return http_body(answer);
}

}  // namespace

Result<MtaStsPolicy> parse_mta_sts_policy(std::string_view text) {
  MtaStsPolicy policy;
  bool version = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t colon = line.find(':');
    if (line.empty()) continue;
    if (colon == std::string_view::npos)
      return fail(Errc::Malformed, "a line without colon: " + printable(line));
    const std::string_view key = trimmed(line.substr(0, colon));
    version |= key == "version";
    POSTERN_CHECK(apply(policy, key, trimmed(line.substr(colon + 1))));
  }
  if (!version) return fail(Errc::Malformed, "no version");
  if (policy.mode == MtaStsState::None) return fail(Errc::Malformed, "no mode");
  if (policy.mode != MtaStsState::Off && policy.mx.empty()) return fail(Errc::Malformed, "no mx");
  return policy;
}

bool announces_mta_sts(const std::vector<std::string>& txt_rdata) {
  // More than one such record counts as none (RFC 8461 §3.1).
  return std::count_if(txt_rdata.begin(), txt_rdata.end(),
                       [](const std::string& rdata) { return joined(rdata).starts_with("v=STSv1;"); }) == 1;
}

void look_at_mta_sts(DomainSeen& seen, const NameOptions& names, const Handshaker& tls, SteadyTime deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  const auto answer = dns::lookup("_mta-sts." + seen.domain, dns::RecordType::Txt,
                                  {.servers = names.resolvers,
                                   .validate = false,
                                   .timeout = std::clamp<std::chrono::milliseconds>(
                                       left, std::chrono::milliseconds{1}, std::chrono::seconds{4})});
  if (!answer) return;
  seen.mta_sts = announces_mta_sts(answer->records) ? MtaStsState::Broken : MtaStsState::None;
  if (seen.mta_sts == MtaStsState::None) return;
  const std::string host = "mta-sts." + seen.domain;
  const DnsSeen addresses = resolve(host, names, deadline);
  if (addresses.ips.empty()) {
    seen.mta_sts_error = host + " has no address";
    return;
  }
  const Result<std::string> text =
      fetch(host, addresses.ips.front(), tls,
            std::min(deadline, std::chrono::steady_clock::now() + std::chrono::seconds{8}));
  const Result<MtaStsPolicy> policy = text ? parse_mta_sts_policy(*text) : Result<MtaStsPolicy>(text.error());
  if (!policy) {
    seen.mta_sts_error = policy.error().detail;
    return;
  }
  seen.mta_sts = policy->mode;
  seen.mta_sts_mx = policy->mx;
}

Result<std::string> http_body(std::string_view answer) {
  namespace http = boost::beast::http;
  http::response_parser<http::string_body> parser;
  parser.eager(true);
  parser.body_limit(kLargestPolicy);
  boost::beast::error_code error;
  if (answer.empty()) return fail(Errc::Malformed, "no HTTP answer");
  while (!answer.empty() && !parser.is_done() && !error) {
    answer.remove_prefix(parser.put(boost::asio::buffer(answer.data(), answer.size()), error));
    if (error == http::error::need_more) break;
  }
  if (!error && parser.got_some() && !parser.is_done()) parser.put_eof(error);
  if (error && error != http::error::need_more)
    return fail(Errc::Malformed, "not an HTTP answer: " + error.message());
  if (!parser.is_done()) return fail(Errc::Malformed, "half an HTTP answer");
  if (parser.get().result() != http::status::ok) {  // RFC 8461 §3.3: redirects are not followed
    return fail(Errc::NotFound, "HTTP status " + std::to_string(parser.get().result_int()));
  }
  return parser.get().body();
}

}  // namespace postern::probe
