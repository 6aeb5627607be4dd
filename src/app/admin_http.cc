#include "app/admin_http.h"

namespace postern::app {
namespace {

constexpr std::size_t kMaxLine = 8192;
constexpr int kMaxHeaders = 100;
constexpr std::chrono::seconds kDeadline{10};

std::string response(const char* status, const std::string& body) {
  return std::string("HTTP/1.1 ") + status +
         "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nConnection: "
         "close\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string answer(std::string_view request, const AdminAnswers& answers) {
  const std::size_t space = request.find(' ');
  const std::size_t end = space == std::string_view::npos ? space : request.find(' ', space + 1);
  if (end == std::string_view::npos) return response("400 Bad Request", "not HTTP\n");
  if (request.substr(0, space) != "GET") return response("405 Method Not Allowed", "only GET\n");
  const std::string_view path = request.substr(space + 1, end - space - 1);
  if (path == "/metrics") return response("200 OK", answers.metrics());
  if (path == "/healthz") return response("200 OK", "alive\n");
  if (path == "/readyz") {
    const std::string why = answers.not_ready_because();
    return why.empty() ? response("200 OK", "ready\n") : response("503 Service Unavailable", why + "\n");
  }
  return response("404 Not Found", "there are /metrics, /healthz and /readyz\n");
}

}  // namespace

net::Task<> serve_admin_request(net::Stream stream, const AdminAnswers& answers, const Clock& clock) {
  const SteadyTime deadline = clock.steady_now() + kDeadline;
  const Result<std::string_view> first = co_await stream.read_line(kMaxLine, deadline);
  if (!first) co_return;
  const std::string reply = answer(*first, answers);
  for (int i = 0; i < kMaxHeaders; ++i) {
    const Result<std::string_view> header = co_await stream.read_line(kMaxLine, deadline);
    if (!header) co_return;
    if (header->empty()) break;
  }
  stream.queue(reply);
  co_await stream.shutdown(deadline);
}

}  // namespace postern::app
