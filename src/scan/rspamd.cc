#include "scan/rspamd.h"

#include "scan/rspamd_answer.h"

namespace postern::scan {
namespace {

constexpr std::size_t kPiece = std::size_t{64} * 1024;

net::HttpRequest request_for(std::string url, const Message& m) {
  net::HttpRequest request;
  request.method = "POST";
  request.url = std::move(url);
  request.fields = {{"Queue-Id", m.queue_id},    {"IP", m.client.text()},  {"Helo", m.helo},
                    {"User", m.account},         {"From", m.reverse_path}, {"MTA-Name", m.hostname},
                    {"TLS-Cipher", m.tls_cipher}};
  for (const std::string& recipient : m.recipients) request.fields.emplace_back("Rcpt", recipient);
  // The header's octets, the empty line, the body.
  const std::string head = m.header.octets() + "\r\n";
  const Spool& body = m.body;
  request.source.emplace();
  request.source->size = head.size() + body.size();
  request.source->read = [head, &body](std::uint64_t at) -> Result<std::string> {
    if (at < head.size()) return head.substr(static_cast<std::size_t>(at));
    return body.read(at - head.size(), kPiece);
  };
  return request;
}

}  // namespace

net::Task<Result<Verdict>> ask_rspamd(net::Loop& loop, net::HttpClient& http, std::string url,
                                      const Message& message, SteadyTime deadline) {
  net::HttpRequest request = request_for(std::move(url), message);
  const Result<net::HttpResponse> response = co_await http.fetch(loop, std::move(request), deadline);
  if (!response) co_return response.error();
  if (response->status != 200)
    co_return fail(Errc::Unavailable, "it answered with HTTP status " + std::to_string(response->status));
  co_return read_rspamd_answer(response->body);
}

}  // namespace postern::scan
