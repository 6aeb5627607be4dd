#include "probe/mta_sts.h"

#include "dns/lookup.h"
#include "dns/rdata.h"
#include "probe/connect.h"
#include "tlspolicy/sts_policy.h"

#include <boost/beast/http.hpp>

#include <algorithm>

namespace postern::probe {
namespace {

constexpr std::uint16_t kHttps = 443;

MtaStsState state_of(tlspolicy::StsPolicy::Mode mode) {
  switch (mode) {
    case tlspolicy::StsPolicy::Mode::Enforce:
      return MtaStsState::Enforce;
    case tlspolicy::StsPolicy::Mode::Testing:
      return MtaStsState::Testing;
    case tlspolicy::StsPolicy::Mode::None:
      break;
  }
  return MtaStsState::Off;
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
  while (answer.size() <= 2 * tlspolicy::kMaxPolicy) {
    const Result<std::string> piece = wire.read_some(deadline);
    if (!piece && piece.error().code == Errc::Closed) break;
    if (!piece) return piece.error();
    answer += *piece;
  }
  return http_body(answer);
}

}  // namespace

void look_at_mta_sts(DomainSeen& seen, const NameOptions& names, const Handshaker& tls, SteadyTime deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  const auto answer = dns::lookup("_mta-sts." + seen.domain, dns::RecordType::Txt,
                                  {.servers = names.resolvers,
                                   .validate = false,
                                   .trust_anchor = {},
                                   .timeout = std::clamp<std::chrono::milliseconds>(
                                       left, std::chrono::milliseconds{1}, std::chrono::seconds{4})});
  if (!answer) return;
  std::vector<std::string> texts;
  for (const std::string& rdata : answer->records) texts.push_back(dns::text_from_rdata(rdata));
  seen.mta_sts = tlspolicy::announced_id(texts) ? MtaStsState::Broken : MtaStsState::None;
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
  const auto policy = text ? tlspolicy::parse_sts_policy(*text) : Result<tlspolicy::StsPolicy>(text.error());
  if (!policy) {
    seen.mta_sts_error = policy.error().detail;
    return;
  }
  seen.mta_sts = state_of(policy->mode);
  seen.mta_sts_mx = policy->mx;
}

Result<std::string> http_body(std::string_view answer) {
  namespace http = boost::beast::http;
  http::response_parser<http::string_body> parser;
  parser.eager(true);
  parser.body_limit(tlspolicy::kMaxPolicy);
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
