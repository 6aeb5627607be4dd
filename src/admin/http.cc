#include "admin/http.h"

#include "smtp/ascii.h"

#include <boost/beast/http.hpp>

#include <algorithm>
#include <sstream>

namespace postern::admin {
namespace {

namespace http = boost::beast::http;

constexpr std::size_t kMaxRequest = 8192;
constexpr std::chrono::seconds kDeadline{10};

std::string written(http::status status, std::string body, bool head = false) {
  http::response<http::string_body> response(status, 11);
  response.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
  response.set(http::field::cache_control, "no-store");
  if (status == http::status::method_not_allowed) response.set(http::field::allow, "GET, HEAD");
  response.keep_alive(false);
  response.content_length(body.size());
  if (!head) response.body() = std::move(body);
  std::ostringstream out;
  out << response;
  return out.str();
}

/// The path of a request target: origin-form and absolute-form are understood alike (RFC 9112 §3.2.1, §3.2.2); the
/// query means nothing here (RFC 9110 §4.2.3: an empty path is "/").
std::string_view path_of(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() < scheme.size() || !smtp::iequals(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    target.remove_prefix(std::min(target.find_first_of("/?"), target.size()));
    break;
  }
  target = target.substr(0, target.find('?'));
  return target.empty() ? "/" : target;
}

}  // namespace

std::string http_response(std::string_view request, const HttpAnswers& answers) {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(kMaxRequest);
  boost::system::error_code error;
  parser.put(boost::asio::const_buffer(request.data(), request.size()), error);
  if (error == http::error::need_more && request.size() < kMaxRequest) return "";
  if (error) return written(http::status::bad_request, "not HTTP\n");
  const http::verb method = parser.get().method();
  const bool head = method == http::verb::head;
  if (method != http::verb::get && !head)
    return written(http::status::method_not_allowed, "only GET and HEAD\n");
  const auto target = parser.get().target();
  const std::string_view path = path_of({target.data(), target.size()});
  if (path == "/metrics") return written(http::status::ok, answers.metrics(), head);
  if (path == "/healthz") return written(http::status::ok, "alive\n", head);
  if (path == "/readyz") {
    const std::string why = answers.not_ready_because();
    return why.empty() ? written(http::status::ok, "ready\n", head)
                       : written(http::status::service_unavailable, why + "\n", head);
  }
  return written(http::status::not_found, "there are /metrics, /healthz and /readyz\n", head);
}

net::Task<> serve_http(net::Stream stream, const HttpAnswers& answers, const Clock& clock) {
  const SteadyTime deadline = clock.steady_now() + kDeadline;
  std::string request;
  std::string response;
  while (response.empty()) {
    const Result<std::string_view> more = co_await stream.read_some(deadline);
    if (!more) co_return;
    request += *more;
    stream.consume(more->size());
    response = http_response(request, answers);
  }
  stream.queue(response);
  co_await stream.shutdown(deadline);
}

}  // namespace postern::admin
