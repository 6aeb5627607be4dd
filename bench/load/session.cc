#include "load/session.h"

#include "base/base64.h"

#include <fmt/format.h>

namespace postern::bench {
namespace {

constexpr std::size_t kLargestPiece = std::size_t{64} * 1024;
constexpr std::size_t kMaxReplyLine = 2048;
/// 70 octets and CRLF.
constexpr std::string_view kLine =
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusm.\r\n";

}  // namespace

Body::Body(std::size_t size) {
  while (piece.size() + kLine.size() <= std::min(size, kLargestPiece)) piece += kLine;
  if (piece.empty()) piece = kLine;
  times = std::max<std::size_t>(1, size / piece.size());
  for (std::size_t left = size - std::min(size, times * piece.size()); left >= kLine.size();
       left -= kLine.size())
    rest += kLine;
  rest += ".\r\n";
}

net::Task<Result<>> Session::open() {
  POSTERN_CO_TRY(net::Stream stream, co_await net::connect(loop_, options_.server, std::nullopt, deadline()));
  stream_.emplace(std::move(stream));
  if (options_.implicit_tls) POSTERN_CO_CHECK(co_await stream_->connect_tls(tls_, "localhost", deadline()));
  POSTERN_CO_CHECK(co_await expect(220));
  POSTERN_CO_CHECK(co_await command("EHLO load.example.org\r\n", 250));
  if (!options_.implicit_tls) {
    POSTERN_CO_CHECK(co_await command("STARTTLS\r\n", 220));
    POSTERN_CO_CHECK(co_await stream_->connect_tls(tls_, "localhost", deadline()));
    POSTERN_CO_CHECK(co_await command("EHLO load.example.org\r\n", 250));
  }
  const std::string credentials =
      std::string(1, '\0') + options_.user + std::string(1, '\0') + options_.password;
  const std::string line = "AUTH PLAIN " + base64_encode(credentials) + "\r\n";
  POSTERN_CO_CHECK(co_await command(line, 235));
  co_return Result<>{};
}

std::string Session::envelope_command(std::size_t step) const {
  if (step == 0) {
    const std::string& parameters = options_.mail_parameters;
    return fmt::format("MAIL FROM:<{}>{}{}\r\n", options_.sender, parameters.empty() ? "" : " ", parameters);
  }
  if (step == 1) return fmt::format("RCPT TO:<{}>\r\n", options_.recipient);
  if (step <= options_.recipients) return fmt::format("RCPT TO:<r{}.{}>\r\n", step, options_.recipient);
  return "DATA\r\n";
}

net::Task<Result<>> Session::begin_data() {
  const std::size_t last = options_.recipients + 1;
  if (options_.pipelining) {
    std::string group;
    for (std::size_t step = 0; step <= last; ++step) group += envelope_command(step);
    POSTERN_CO_CHECK(co_await write(group));
    for (std::size_t step = 0; step <= last; ++step) {
      const int code = step == last ? 354 : 250;
      POSTERN_CO_CHECK(co_await expect(code));
    }
    co_return Result<>{};
  }
  for (std::size_t step = 0; step <= last; ++step) {
    const std::string line = envelope_command(step);
    const int code = step == last ? 354 : 250;
    POSTERN_CO_CHECK(co_await command(line, code));
  }
  co_return Result<>{};
}

net::Task<Result<>> Session::send(const Body& body, std::size_t number) {
  POSTERN_CO_CHECK(co_await begin_data());
  const std::string header = fmt::format(
      "From: Alice <{}>\r\nTo: Bob <{}>\r\nSubject: load {}\r\nDate: Tue, 3 Mar 2026 09:30:00 +0000\r\n"
      "Message-ID: <{}.{}@load.example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
      "charset=utf-8\r\n\r\n",
      options_.sender, options_.recipient, number, number,
      std::chrono::steady_clock::now().time_since_epoch().count());
  stream_->queue(header);
  for (std::size_t i = 0; i < body.times; ++i) {
    stream_->queue(body.piece);
    if (i + 1 < body.times) POSTERN_CO_CHECK(co_await stream_->flush(deadline()));
  }
  POSTERN_CO_CHECK(co_await command(body.rest, 250));
  co_return Result<>{};
}

net::Task<Result<>> Session::write(std::string_view data) {
  const Result<> written = co_await stream_->write(data, deadline());
  co_return written;
}

net::Task<> Session::quit() {
  const Result<> said = co_await command("QUIT\r\n", 221);
  if (said) co_await stream_->shutdown(deadline());
}

net::Task<Result<>> Session::command(std::string_view line, int code) {
  POSTERN_CO_CHECK(co_await write(line));
  const Result<> answered = co_await expect(code);
  co_return answered;
}

net::Task<Result<>> Session::expect(int code) {
  for (;;) {
    POSTERN_CO_TRY(const std::string_view line, co_await stream_->read_line(kMaxReplyLine, deadline()));
    if (line.size() > 3 && line[3] == '-') continue;
    if (line.substr(0, 3) != std::to_string(code)) co_return fail(Errc::Malformed, std::string(line));
    co_return Result<>{};
  }
}

}  // namespace postern::bench
