#include "admin/control_client.h"

#include "base/clock.h"
#include "net/loop.h"
#include "net/stream.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <array>

namespace postern::admin {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kTime{60};
/// An answer is bounded by the filter's limit; this only stops what is not a Postern.
constexpr std::size_t kMaxAnswer = std::size_t{1} << 30;

Errc code_named(std::string_view name) {
  constexpr std::array kCodes{Errc::Malformed, Errc::Denied,      Errc::NotFound,
                              Errc::Exhausted, Errc::Unavailable, Errc::Timeout,
                              Errc::Closed,    Errc::Corrupt,     Errc::Internal};
  for (const Errc code : kCodes) {
    if (name == to_string(code)) return code;
  }
  return Errc::Internal;
}

net::Task<Result<std::string>> converse(net::Loop& loop, const std::string& path, std::string request) {
  POSTERN_CO_TRY(net::Stream stream, co_await net::connect_unix(loop, path));
  const SteadyTime deadline = SystemClock().steady_now() + kTime;
  POSTERN_CO_CHECK(co_await stream.write(request, deadline));
  std::string answer;
  while (answer.size() < kMaxAnswer) {
    const Result<std::string_view> more = co_await stream.read_some(deadline);
    if (!more && more.error().code == Errc::Closed) break;
    if (!more) co_return more.error();
    answer += *more;
    stream.consume(more->size());
  }
  co_return answer;
}

net::Task<> run(net::Loop& loop, const std::string& path, std::string request, Result<std::string>& answer) {
  answer = co_await converse(loop, path, std::move(request));
  loop.stop();
}

}  // namespace

Result<json::value> ask(const std::string& path, const json::object& request) {
  net::Loop loop;
  Result<std::string> answer = fail(Errc::Internal, "did not run");
  loop.spawn(run(loop, path, json::serialize(request) + "\n", answer));
  loop.run();
  if (!answer && answer.error().code == Errc::NotFound) return Error{Errc::Closed, answer.error().detail};
  if (!answer) return answer.error();

  boost::system::error_code broken;
  const json::value parsed = json::parse(*answer, broken);
  if (broken || !parsed.is_object()) return fail(Errc::Unavailable, "the server broke off the conversation");
  const json::object& reply = parsed.as_object();
  if (const json::value* result = reply.if_contains("result")) return *result;
  const json::value* error = reply.if_contains("error");
  if (error == nullptr || !error->is_object()) return fail(Errc::Internal, "an answer that is neither");
  const json::value* code = error->as_object().if_contains("code");
  const json::value* message = error->as_object().if_contains("message");
  if (code == nullptr || !code->is_string() || message == nullptr || !message->is_string())
    return fail(Errc::Internal, "an error without code or message");
  return Error{code_named(std::string_view(code->as_string())), std::string(message->as_string())};
}

}  // namespace postern::admin
