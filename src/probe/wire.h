#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

struct ssl_st;

namespace postern::probe {

/// One non-blocking socket with blocking calls, each with a deadline; in clear or under TLS.
///
/// net::Stream hides what a check wants to see (ICMP errors, the first octets of a failed handshake, weak
/// certificates), so the probe has its own; docs/decisions/0014-probe-has-its-own-sockets.md.
///
/// Owns     the descriptor and the TLS session. Move-only.
/// Threads  one at a time.
/// Limits   a line of 16 KiB; longer ones are Malformed.
/// Errors   Timeout, Closed ("closed"), Unavailable ("reset" and other system errors, TLS errors in words).
class Wire {
 public:
  struct SslDelete {
    void operator()(ssl_st* ssl) const;
  };

  explicit Wire(int fd) : fd_(fd) {}
  ~Wire();
  Wire(Wire&& other) noexcept;
  Wire& operator=(Wire&&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  /// False at the deadline.
  [[nodiscard]] bool wait_readable(SteadyTime deadline) const;
  [[nodiscard]] bool wait_writable(SteadyTime deadline) const;

  /// The first octets that wait, without taking them. "" when the peer closed.
  [[nodiscard]] Result<std::string> peek(SteadyTime deadline) const;
  /// What comes next, at least one octet, taken.
  [[nodiscard]] Result<std::string> read_some(SteadyTime deadline);
  /// The next line without CRLF or LF. At the end of the stream what is left counts as a line.
  [[nodiscard]] Result<std::string> read_line(SteadyTime deadline);
  [[nodiscard]] Result<> write(std::string_view data, SteadyTime deadline);
  /// Octets received and not yet read.
  [[nodiscard]] const std::string& buffered() const { return buffer_; }
  void discard_buffered() { buffer_.clear(); }

  /// From now on through this session, whose handshake is done.
  void use_tls(std::unique_ptr<ssl_st, SslDelete> ssl) { ssl_ = std::move(ssl); }
  [[nodiscard]] bool is_tls() const { return ssl_ != nullptr; }

 private:
  [[nodiscard]] Result<std::size_t> receive(char* into, std::size_t size, SteadyTime deadline);

  int fd_ = -1;
  std::unique_ptr<ssl_st, SslDelete> ssl_;
  std::string buffer_;
};

}  // namespace postern::probe
