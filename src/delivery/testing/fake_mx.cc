#include "delivery/testing/fake_mx.h"

#include "base/assert.h"

#include <chrono>
#include <utility>

namespace postern::delivery::testing {
namespace {

/// Far more than any test needs: a hang fails by the test's own limit.
SteadyTime patience() { return std::chrono::steady_clock::now() + std::chrono::seconds{20}; }

}  // namespace

FakeMx::FakeMx(net::Loop& loop, Script script) : loop_(loop), script_(std::move(script)) {
  const Result<net::Endpoint> any = net::Endpoint::parse("127.0.0.1:0");
  POSTERN_ASSERT(any.has_value());
  Result<std::unique_ptr<net::Listener>> listener = net::Listener::open(loop, *any);
  POSTERN_ASSERT(listener.has_value());
  listener_ = *std::move(listener);
  listener_->serve([this](net::Stream stream) { loop_.spawn(serve(std::move(stream))); });
}

std::string FakeMx::transcript() const {
  std::string all;
  for (const auto& session : sessions_) {
    for (const std::string& command : session->commands) all += command + "\n";
  }
  return all;
}

std::vector<std::string> FakeMx::contents() const {
  std::vector<std::string> all;
  for (const auto& session : sessions_)
    all.insert(all.end(), session->contents.begin(), session->contents.end());
  return all;
}

std::string FakeMx::reply_to(std::string_view command, std::string_view otherwise) {
  for (Rule& rule : script_.rules) {
    if (rule.times > 0 && command.starts_with(rule.command)) {
      --rule.times;
      return rule.reply;
    }
  }
  return std::string(otherwise);
}

std::string FakeMx::ehlo_reply(const Seen& seen) const {
  const std::vector<std::string>& offered = seen.tls ? script_.extensions_in_tls : script_.extensions;
  std::string reply = offered.empty() ? "250 mx.test" : "250-mx.test";
  for (std::size_t i = 0; i < offered.size(); ++i) {
    reply += (i + 1 == offered.size() ? "\r\n250 " : "\r\n250-") + offered[i];
  }
  return reply;
}

net::Task<bool> FakeMx::say(net::Stream& stream, std::string reply) {
  if (reply == kClose) co_return false;
  if (reply == kStall) {
    co_await loop_.sleep_until(patience());
    co_return false;
  }
  reply += "\r\n";
  Result<> written = co_await stream.write(reply, patience());
  co_return written.has_value();
}

net::Task<bool> FakeMx::start_tls(net::Stream& stream, Seen& seen) {
  if (!script_.tls) {
    Result<> garbage = co_await stream.write("this is not TLS\r\n", patience());
    co_return garbage.has_value() && false;
  }
  Result<> handshake = co_await stream.accept_tls(script_.tls, patience());
  seen.tls = handshake.has_value();
  co_return seen.tls;
}

net::Task<bool> FakeMx::receive_content(net::Stream& stream, Seen& seen) {
  std::string content;
  while (true) {
    Result<std::string_view> line = co_await stream.read_line(1 << 20, patience());
    if (!line) co_return false;
    if (*line == ".") break;
    content.append(*line).append("\r\n");
  }
  seen.contents.push_back(std::move(content));
  bool open = co_await say(stream, reply_to(".", "250 2.0.0 taken"));
  co_return open;
}

net::Task<bool> FakeMx::receive_chunk(net::Stream& stream, Seen& seen, std::size_t octets) {
  std::string content;
  while (content.size() < octets) {
    Result<std::string_view> some = co_await stream.read_some(patience());
    if (!some) co_return false;
    const std::string_view used = some->substr(0, octets - content.size());
    content.append(used);
    stream.consume(used.size());
  }
  seen.contents.push_back(std::move(content));
  bool open = co_await say(stream, reply_to(".", "250 2.0.0 taken"));
  co_return open;
}

net::Task<> FakeMx::serve(net::Stream stream) {
  sessions_.push_back(std::make_unique<Seen>());
  sessions_.back()->from = stream.peer().ip.text();
  Seen& seen = *sessions_.back();
  bool open = co_await say(stream, reply_to("banner", "220 mx.test ESMTP"));
  while (open) {
    Result<std::string_view> line = co_await stream.read_line(4096, patience());
    if (!line) break;
    const std::string command(*line);
    seen.commands.push_back(command);
    if (command.starts_with("EHLO")) {
      open = co_await say(stream, reply_to(command, ehlo_reply(seen)));
    } else if (command == "STARTTLS") {
      const std::string reply = reply_to(command, "220 go");
      open = co_await say(stream, reply);
      if (open && reply.starts_with("220")) open = co_await start_tls(stream, seen);
    } else if (command.starts_with("BDAT ")) {
      open = co_await receive_chunk(stream, seen, std::stoul(command.substr(5)));
    } else if (command == "DATA") {
      const std::string reply = reply_to(command, "354 go");
      open = co_await say(stream, reply);
      if (open && reply.starts_with("354")) open = co_await receive_content(stream, seen);
    } else {
      open = co_await say(stream, reply_to(command, command == "QUIT" ? "221 bye" : "250 ok"));
      if (command == "QUIT") break;
    }
  }
  co_await stream.shutdown(patience());
}

}  // namespace postern::delivery::testing
