#include "accounts/dovecot_backend.h"

#include "base/base64.h"
#include "net/stream.h"

#include <sodium.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace postern::accounts {
namespace {

constexpr std::size_t kMaxLine = 8192;
constexpr std::size_t kMaxLines = 200;  // of the handshake: one a mechanism and some more

/// The fields of a line, which tabs part.
std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t tab = line.find('\t');
    out.push_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return out;
    line.remove_prefix(tab + 1);
  }
}

bool has(const std::vector<std::string_view>& fields, std::string_view wanted) {
  return std::find(fields.begin(), fields.end(), wanted) != fields.end();
}

/// The next line without its LF.
net::Task<Result<std::string>> read_line(net::Stream& stream, SteadyTime deadline) {
  std::string line;
  for (;;) {
    const Result<std::string_view> more = co_await stream.read_some(deadline);
    if (!more) co_return more.error();
    const std::size_t end = more->find('\n');
    line += more->substr(0, end);
    stream.consume(end == std::string_view::npos ? more->size() : end + 1);
    if (end != std::string_view::npos) co_return line;
    if (line.size() > kMaxLine)
      co_return fail(Errc::Malformed, "a line of the authentication service is too long");
  }
}

/// Reads what the service says of itself, up to DONE. Error: Unavailable, when it speaks something else.
net::Task<Result<>> shake_hands(net::Stream& stream, SteadyTime deadline) {
  for (std::size_t lines = 0; lines < kMaxLines; ++lines) {
    const Result<std::string> line = co_await read_line(stream, deadline);
    if (!line) co_return line.error();
    const std::vector<std::string_view> fields = fields_of(*line);
    if (fields[0] == "VERSION" && (fields.size() < 2 || fields[1] != "1"))
      co_return fail(Errc::Unavailable, "the authentication service speaks another version");
    if (fields[0] == "DONE") co_return Result<>{};
  }
  co_return fail(Errc::Unavailable, "the authentication service does not end its greeting");
}

net::Task<Result<>> read_verdict(net::Stream& stream, SteadyTime deadline) {
  const Result<std::string> line = co_await read_line(stream, deadline);
  if (!line) co_return line.error();
  const std::vector<std::string_view> fields = fields_of(*line);
  if (fields.size() >= 2 && fields[1] == "1") {
    if (fields[0] == "OK") co_return Result<>{};
    if (fields[0] == "FAIL" && (has(fields, "temp") || has(fields, "code=temp_fail")))
      co_return fail(Errc::Unavailable, "the authentication service cannot tell now");
    if (fields[0] == "FAIL") co_return fail(Errc::Denied, "wrong password or unknown account");
  }
  co_return fail(Errc::Unavailable, "the authentication service answers something else");
}

}  // namespace

DovecotBackend::DovecotBackend(DovecotOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock), next_id_(randombytes_random()) {}

net::Task<Result<>> DovecotBackend::check(net::Loop& loop, std::string name, std::string password,
                                          net::IpAddress client) {
  const SteadyTime deadline = clock_.steady_now() + options_.timeout;
  Result<net::Stream> connected = co_await net::connect_unix(loop, options_.socket);
  if (!connected) co_return fail(Errc::Unavailable, connected.error().detail);
  net::Stream stream = *std::move(connected);
  const std::uint32_t id = next_id_.fetch_add(1) & 0x7FFF'FFFFU;
  stream.queue("VERSION\t1\t1\nCPID\t" + std::to_string(id == 0 ? 1 : id) + '\n');
  const Result<> flushed = co_await stream.flush(deadline);
  if (!flushed) co_return fail(Errc::Unavailable, flushed.error().detail);
  const Result<> greeted = co_await shake_hands(stream, deadline);
  if (!greeted) co_return fail(Errc::Unavailable, greeted.error().detail);
  std::string response = '\0' + name + '\0' + password;
  // no-penalty: our own lock-outs know the client; Dovecot's growing delays would only use up the deadline.
  stream.queue("AUTH\t1\tPLAIN\tservice=smtp\tsecured\tno-penalty\trip=" + client.text() +
               "\tresp=" + base64_encode(response) + '\n');
  sodium_memzero(response.data(), response.size());
  const Result<> asked = co_await stream.flush(deadline);
  if (!asked) co_return fail(Errc::Unavailable, asked.error().detail);
  const Result<> verdict = co_await read_verdict(stream, deadline);
  co_return verdict;
}

}  // namespace postern::accounts
