#include "probe/wire.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace postern::probe {
namespace {

constexpr std::size_t kMaxLine = 16 * 1024;

int milliseconds_left(SteadyTime deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::chrono::milliseconds::rep>(left.count(), 0, 3'600'000));
}

bool wait_for(int fd, short events, SteadyTime deadline) {
  while (true) {
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, milliseconds_left(deadline));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

Error system_error(int error) {
  if (error == ECONNRESET || error == EPIPE) return fail(Errc::Unavailable, "reset");
  return fail(Errc::Unavailable, std::strerror(error));
}

}  // namespace

void Wire::SslDelete::operator()(ssl_st* ssl) const { SSL_free(ssl); }

Wire::~Wire() {
  ssl_.reset();
  if (fd_ >= 0) ::close(fd_);
}

Wire::Wire(Wire&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), ssl_(std::move(other.ssl_)), buffer_(std::move(other.buffer_)) {}

bool Wire::wait_readable(SteadyTime deadline) const { return wait_for(fd_, POLLIN, deadline); }
bool Wire::wait_writable(SteadyTime deadline) const { return wait_for(fd_, POLLOUT, deadline); }

Result<std::string> Wire::peek(SteadyTime deadline) const {
  if (!buffer_.empty()) return buffer_;
  if (!wait_readable(deadline)) return fail(Errc::Timeout, "timeout");
  std::array<char, 256> octets{};
  const ssize_t got = ::recv(fd_, octets.data(), octets.size(), MSG_PEEK | MSG_DONTWAIT);
  if (got < 0) return system_error(errno);
  return std::string(octets.data(), static_cast<std::size_t>(got));
}

Result<std::size_t> Wire::receive(char* into, std::size_t size, SteadyTime deadline) {
  while (true) {
    bool want_write = false;
    if (ssl_) {
      std::size_t got = 0;
      ERR_clear_error();
      errno = 0;
      const int outcome = SSL_read_ex(ssl_.get(), into, size, &got);
      if (outcome == 1) return got;
      const int why = SSL_get_error(ssl_.get(), outcome);
      if (why == SSL_ERROR_ZERO_RETURN) return std::size_t{0};
      if (why == SSL_ERROR_SYSCALL) return errno == 0 ? Result<std::size_t>(0) : system_error(errno);
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return std::size_t{0};
        const char* const words = ERR_reason_error_string(ERR_peek_error());
        return fail(Errc::Unavailable, words != nullptr ? words : "TLS error");
      }
      want_write = why == SSL_ERROR_WANT_WRITE;
    } else {
      const ssize_t got = ::recv(fd_, into, size, MSG_DONTWAIT);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return system_error(errno);
    }
    if (!wait_for(fd_, want_write ? POLLOUT : POLLIN, deadline)) return fail(Errc::Timeout, "timeout");
  }
}

Result<std::string> Wire::read_some(SteadyTime deadline) {
  if (!buffer_.empty()) return std::exchange(buffer_, {});
  std::array<char, 4096> octets{};
  POSTERN_TRY(const std::size_t got, receive(octets.data(), octets.size(), deadline));
  if (got == 0) return fail(Errc::Closed, "closed");
  return std::string(octets.data(), got);
}

Result<std::string> Wire::read_line(SteadyTime deadline) {
  while (true) {
    if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      return line;
    }
    if (buffer_.size() > kMaxLine) return fail(Errc::Malformed, "a line without end");
    std::array<char, 4096> octets{};
    POSTERN_TRY(const std::size_t got, receive(octets.data(), octets.size(), deadline));
    if (got == 0) {
      if (buffer_.empty()) return fail(Errc::Closed, "closed");
      return std::exchange(buffer_, {});
    }
    buffer_.append(octets.data(), got);
  }
}

Result<> Wire::write(std::string_view data, SteadyTime deadline) {
  while (!data.empty()) {
    short events = POLLOUT;
    std::size_t sent = 0;
    if (ssl_) {
      ERR_clear_error();
      const int outcome = SSL_write_ex(ssl_.get(), data.data(), data.size(), &sent);
      if (outcome != 1) {
        const int why = SSL_get_error(ssl_.get(), outcome);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
          return fail(Errc::Unavailable, "reset");
        if (why == SSL_ERROR_WANT_READ) events = POLLIN;
      }
    } else {
      const ssize_t written = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (written < 0 && errno != EAGAIN && errno != EINTR) return system_error(errno);
      sent = written > 0 ? static_cast<std::size_t>(written) : 0;
    }
    data.remove_prefix(sent);
    if (sent == 0 && !wait_for(fd_, events, deadline)) return fail(Errc::Timeout, "timeout");
  }
  return {};
}

}  // namespace postern::probe
