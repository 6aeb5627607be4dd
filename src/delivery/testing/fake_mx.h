#pragma once

#include "net/listener.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/tls.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace postern::delivery::testing {

/// What the fake next hop does instead of being polite.
inline constexpr std::string_view kClose = "close";  ///< drop the connection without a word
inline constexpr std::string_view kStall = "stall";  ///< never answer

/// "When a command starts like this, say that." The first rule that matches and is not used up wins.
struct Rule {
  std::string
      command;  ///< start of the command line; "." is the end of the content, "banner" the connection itself
  std::string reply;    ///< "550 5.1.1 no", several lines joined with "\r\n", kClose or kStall
  int times = 1 << 30;  ///< how often
};

/// The script of a next hop. Without rules it says yes to everything.
struct Script {
  std::vector<std::string> extensions{"PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "DSN"};
  std::vector<std::string> extensions_in_tls{"PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "DSN"};
  std::vector<Rule> rules;
  std::shared_ptr<net::TlsServer>
      tls{};  ///< after a 220 to STARTTLS; nullptr: garbage instead of a handshake
};

/// What one connection brought.
struct Seen {
  std::vector<std::string> commands;  ///< lines without CRLF, in order
  std::vector<std::string> contents;  ///< octets between 354 and the dot line, as sent
  bool tls = false;
  std::string from = {};  ///< the client's address
};

/// A next hop in this process, on a port of its own, that does what its script says and remembers what it
/// saw. Threads  one loop. Destroy it after the loop stopped running.
class FakeMx {
 public:
  FakeMx(net::Loop& loop, Script script);
  [[nodiscard]] std::uint16_t port() const { return listener_->local().port; }
  [[nodiscard]] const std::vector<std::unique_ptr<Seen>>& sessions() const { return sessions_; }
  /// All commands of all sessions, one a line.
  [[nodiscard]] std::string transcript() const;
  /// All contents of all sessions.
  [[nodiscard]] std::vector<std::string> contents() const;

 private:
  net::Task<> serve(net::Stream stream);
  net::Task<bool> say(net::Stream& stream, std::string reply);
  net::Task<bool> start_tls(net::Stream& stream, Seen& seen);
  net::Task<bool> receive_content(net::Stream& stream, Seen& seen);
  net::Task<bool> receive_chunk(net::Stream& stream, Seen& seen, std::size_t octets);
  std::string reply_to(std::string_view command, std::string_view otherwise);
  std::string ehlo_reply(const Seen& seen) const;

  net::Loop& loop_;
  Script script_;
  std::unique_ptr<net::Listener> listener_;
  std::vector<std::unique_ptr<Seen>> sessions_;
};

}  // namespace postern::delivery::testing
