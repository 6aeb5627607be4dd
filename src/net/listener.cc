#include "net/listener.h"

#include "base/log.h"
#include "net/socket_wait.h"
#include "net/unix_address.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>

namespace postern::net {
namespace {
constexpr int kBacklog = 1024;
constexpr auto kPauseWithoutDescriptors = std::chrono::milliseconds{50};
/// New connections taken before those that are open get their turn.
constexpr unsigned kAcceptsInARow = 64;

Error socket_error(const std::string& what) {
  const int why = errno;
  return fail(why == EACCES || why == EPERM ? Errc::Denied : Errc::Unavailable,
              what + ": " + std::strerror(why));
}

/// A descriptor that closes itself unless it is handed on.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(Fd&& other) noexcept : fd_(other.take()) {}
  Fd& operator=(Fd&&) = delete;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  int take() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};
}  // namespace

struct Listener::Impl {
  SocketWait wait;
  bool closed = false;
  Impl(Loop& loop, int fd) : wait(loop, fd) {
    // What is accepted inherits it (tcp(7)); a unix socket refuses it, which is as good.
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
};

namespace {

Task<> accept_all(std::shared_ptr<Listener::Impl> listener, std::function<void(Stream)> on_connection) {
  Loop& loop = listener->wait.loop();
  unsigned in_a_row = 0;
  while (!listener->closed) {
    sockaddr_storage address{};
    socklen_t length = sizeof(address);
    const int fd = ::accept4(listener->wait.fd(), reinterpret_cast<sockaddr*>(&address), &length,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      on_connection(Stream(loop, fd, Endpoint::from_sockaddr(address)));
      if (++in_a_row % kAcceptsInARow == 0) co_await loop.yield();
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      log::Event(log::Level::Error, "net.accept_failed").with("why", std::strerror(errno));
      co_await loop.sleep_until(std::chrono::steady_clock::now() + kPauseWithoutDescriptors);
      continue;
    }
    if (errno != EAGAIN) continue;  // the client went away between SYN and accept
    const Result<> ready = co_await listener->wait.ready(SocketWait::kRead, SteadyTime::max());
    if (!ready) co_return;
  }
}

}  // namespace

Listener::Listener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::~Listener() { close(); }

namespace {

enum class Sharing : std::uint8_t { Never, AmongLoops };

Result<Fd> bound(const Endpoint& endpoint, Sharing sharing) {
  Fd fd(::socket(endpoint.ip.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const bool everywhere = endpoint.ip == IpAddress::parse("::").value();
  if (fd.get() < 0 && errno == EAFNOSUPPORT && everywhere) {
    return bound({IpAddress::parse("0.0.0.0").value(), endpoint.port}, sharing);  // a machine without IPv6
  }
  if (fd.get() < 0) return socket_error("socket for " + endpoint.text());
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (sharing == Sharing::AmongLoops) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  const int v6_only = everywhere ? 0 : 1;
  if (endpoint.ip.is_v6()) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only));
  sockaddr_storage address{};
  const socklen_t length = endpoint.to_sockaddr(address);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0)
    return socket_error("bind " + endpoint.text());
  return fd;
}

}  // namespace

Result<> Listener::is_free(const Endpoint& endpoint) {
  if (endpoint.port == 0) return {};
  POSTERN_TRY(const Fd fd, bound(endpoint, Sharing::Never));
  if (::listen(fd.get(), 1) != 0) return socket_error("listen on " + endpoint.text());
  return {};
}

Result<std::unique_ptr<Listener>> Listener::open(Loop& loop, const Endpoint& endpoint) {
  POSTERN_TRY(Fd fd, bound(endpoint, Sharing::AmongLoops));
  if (::listen(fd.get(), kBacklog) != 0) return socket_error("listen on " + endpoint.text());
  return std::make_unique<Listener>(std::make_unique<Impl>(loop, fd.take()));
}

Result<std::unique_ptr<Listener>> Listener::adopt(Loop& loop, int fd) {
  int listening = 0;
  socklen_t length = sizeof(listening);
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || listening == 0) {
    return fail(Errc::Malformed, "inherited descriptor " + std::to_string(fd) + " is not a listening socket");
  }
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return std::make_unique<Listener>(std::make_unique<Impl>(loop, fd));
}

Result<std::unique_ptr<Listener>> Listener::open_unix(Loop& loop, const std::string& path, mode_t mode) {
  POSTERN_TRY(const UnixAddress address, UnixAddress::of(path));
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return socket_error("socket for " + path);
  ::unlink(path.c_str());
  const mode_t old_mask = ::umask(static_cast<mode_t>(~mode & 0777U));
  const int bound = ::bind(fd.get(), address.get(), address.size());
  ::umask(old_mask);
  if (bound != 0) return socket_error("bind " + path);
  if (::listen(fd.get(), kBacklog) != 0) return socket_error("listen on " + path);
  return std::make_unique<Listener>(std::make_unique<Impl>(loop, fd.take()));
}

Endpoint Listener::local() const {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  ::getsockname(impl_->wait.fd(), reinterpret_cast<sockaddr*>(&address), &length);
  return Endpoint::from_sockaddr(address);
}

void Listener::serve(std::function<void(Stream)> on_connection) {
  impl_->wait.loop().spawn(accept_all(impl_, std::move(on_connection)));
}

void Listener::close() {
  if (impl_->closed) return;
  impl_->closed = true;
  impl_->wait.cancel();
}

}  // namespace postern::net
