#include "net/stream.h"

#include "net/readiness.h"
#include "net/socket_wait.h"
#include "net/tls_impl.h"
#include "net/unix_address.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace postern::net {
namespace {

constexpr std::size_t kReadSize = std::size_t{16} * 1024;
/// A buffer that shrank to nothing gives its memory back when it had grown beyond this.
constexpr std::size_t kKeptCapacity = 512;
/// Replies wait to go out together, but not more than this: a peer that sends and never reads gets no more of
/// our memory.
constexpr std::size_t kMostQueued = std::size_t{16} * 1024;
/// A read of no more than this was probably a command, and the peer waits for its answer.
constexpr std::size_t kShortRead = 1024;
/// A peer that always has more to read lets the loop's other connections run after this many reads.
constexpr unsigned kReadsInARow = 16;

void release_if_large(std::string& buffer) {
  buffer.clear();
  if (buffer.capacity() > kKeptCapacity) std::string().swap(buffer);
}

/// Replies are small and wanted now; a unix socket refuses the option, which is as good.
void send_at_once(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

Endpoint endpoint_of(int fd, int (*query)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  query(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return Endpoint::from_sockaddr(address);
}

}  // namespace

struct Stream::Impl {
  SocketWait wait;
  SSL* ssl = nullptr;
  Endpoint peer;
  std::optional<Endpoint> local;  // asked for when somebody wants to know
  std::string in;
  std::size_t in_start = 0;
  std::string out;
  std::size_t out_start = 0;
  unsigned reads_in_a_row = 0;
  bool drained = false;  ///< the last read took all there was: wait before the next one
  bool corked = false;   ///< what is written is kept back until uncork(), 200 ms at most
  /// Keeps the contexts that `ssl` was made from, across certificate reloads.
  std::shared_ptr<void> tls_owner;

  Impl(Loop& loop, int fd) : wait(loop, fd) {}
  ~Impl() { SSL_free(ssl); }

  /// What one attempt at reading or writing came to.
  enum class Try { Done, WantRead, WantWrite, End, Broken };

  void cork(bool on) {
    if (corked == on) return;
    corked = on;
    const int value = on ? 1 : 0;  // a unix socket refuses the option, which is as good
    ::setsockopt(wait.fd(), IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
  }
  /// Nothing is kept back while we wait.
  SocketWait::Awaiter ready(Try what, SteadyTime deadline) {
    cork(false);
    return wait.ready(what == Try::WantWrite ? SocketWait::kWrite : SocketWait::kRead, deadline);
  }

  Try classify_ssl(int result) const {
    switch (SSL_get_error(ssl, result)) {
      case SSL_ERROR_WANT_READ:
        return Try::WantRead;
      case SSL_ERROR_WANT_WRITE:
        return Try::WantWrite;
      case SSL_ERROR_ZERO_RETURN:
      case SSL_ERROR_SYSCALL:
        return Try::End;
      default:
        return Try::Broken;
    }
  }

  Try try_read(std::size_t& got) {
    std::vector<char>& scratch = wait.loop().impl().scratch;
    if (ssl != nullptr) {
      ERR_clear_error();
      const int n = SSL_read(ssl, scratch.data(), static_cast<int>(kReadSize));
      if (n <= 0) return classify_ssl(n);
      got = static_cast<std::size_t>(n);
      return Try::Done;
    }
    const ssize_t n = ::recv(wait.fd(), scratch.data(), kReadSize, 0);
    if (n > 0) {
      got = static_cast<std::size_t>(n);
      return Try::Done;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Try::WantRead;
    return Try::End;
  }

  Try try_write(std::string_view data, std::size_t& sent) {
    if (ssl != nullptr) {
      ERR_clear_error();
      const int n =
          SSL_write(ssl, data.data(), static_cast<int>(std::min<std::size_t>(data.size(), 1U << 30U)));
      if (n <= 0) return classify_ssl(n);
      sent = static_cast<std::size_t>(n);
      return Try::Done;
    }
    const ssize_t n = ::send(wait.fd(), data.data(), data.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      sent = static_cast<std::size_t>(n);
      return Try::Done;
    }
    return errno == EAGAIN || errno == EINTR ? Try::WantWrite : Try::End;
  }

  static Error error_of(Try what) {
    return what == Try::Broken ? fail(Errc::Malformed, "broken TLS: " + openssl_error())
                               : fail(Errc::Closed, "the connection was closed");
  }

  enum class Then { Go, MoreFollows };
  Task<Result<>> flush(SteadyTime deadline, Then then = Then::Go) {
    if (then == Then::MoreFollows) cork(true);
    while (out_start < out.size()) {
      std::size_t sent = 0;
      const Try what = try_write(std::string_view(out).substr(out_start), sent);
      if (what == Try::Done) {
        out_start += sent;
        continue;
      }
      if (what == Try::End || what == Try::Broken) co_return error_of(what);
      const Result<> done = co_await ready(what, deadline);
      if (!done) co_return done.error();
    }
    if (then == Then::Go) cork(false);
    out_start = 0;
    release_if_large(out);
    co_return Result<>{};
  }

  /// Gives way to others; a peer that never stops sending meets its deadline here.
  Task<Result<>> take_turns(SteadyTime deadline) {
    reads_in_a_row = 0;
    co_await wait.loop().yield();
    if (std::chrono::steady_clock::now() > deadline) co_return fail(Errc::Timeout, "no end in time");
    co_return Result<>{};
  }

  /// Appends at least one octet to `in`.
  Task<Result<>> fill(SteadyTime deadline) {
    if (in_start > 0) {
      in.erase(0, in_start);
      in_start = 0;
    }
    for (;;) {
      if (out.size() - out_start > kMostQueued) {
        const Result<> flushed = co_await flush(deadline);
        if (!flushed) co_return flushed.error();
      }
      if (++reads_in_a_row > kReadsInARow) {
        const Result<> turn = co_await take_turns(deadline);
        if (!turn) co_return turn.error();
      }
      if (wait.cancelled()) co_return fail(Errc::Closed, "cancelled");
      std::size_t got = 0;
      // A read that is sure to find nothing costs as much as the wait that follows it anyway.
      const Try what = std::exchange(drained, false) ? Try::WantRead : try_read(got);
      if (what == Try::Done) {
        in.append(wait.loop().impl().scratch.data(), got);
        drained = got <= kShortRead && (ssl == nullptr || SSL_has_pending(ssl) == 0);
        co_return Result<>{};
      }
      if (what == Try::Broken) co_return error_of(what);
      if (out_start < out.size()) {
        // Also to a peer that will send no more: it may still read what it is told.
        const Result<> flushed = co_await flush(deadline);
        if (!flushed) co_return flushed.error();
      }
      if (what == Try::End) co_return error_of(what);
      if (in.empty()) release_if_large(in);
      reads_in_a_row = 0;
      const Result<> done = co_await ready(what, deadline);
      if (!done) co_return done.error();
    }
  }

  /// A server's session ticket follows the handshake (RFC 8446 §4.6.1); nobody waits for it, so it goes out with the
  /// first reply or when we wait, whichever comes first.
  Task<Result<>> accept(bool wait_first, SteadyTime deadline) {
    if (wait_first) {
      const Result<> done = co_await ready(Try::WantRead, deadline);
      if (!done) co_return done.error();
    }
    for (bool answered = false;; answered = true) {
      if (wait.cancelled()) co_return fail(Errc::Closed, "cancelled");
      cork(answered);
      const Try what = handshake_step(SSL_accept);
      if (what == Try::Done) break;
      if (what == Try::End || what == Try::Broken) co_return handshake_error(what);
      const Result<> done = co_await ready(what, deadline);
      if (!done) co_return done.error();
    }
    if (SSL_version(ssl) != TLS1_3_VERSION) cork(false);  // its last flight is waited for
    co_return Result<>{};
  }

  Task<Result<>> connect(SteadyTime deadline) {
    for (;;) {
      if (wait.cancelled()) co_return fail(Errc::Closed, "cancelled");
      const Try what = handshake_step(SSL_connect);
      if (what == Try::Done) co_return Result<>{};
      if (what == Try::End || what == Try::Broken) co_return handshake_error(what);
      const Result<> done = co_await ready(what, deadline);
      if (!done) co_return done.error();
    }
  }

  Try handshake_step(int (*step)(SSL*)) const {
    ERR_clear_error();
    const int result = step(ssl);
    return result == 1 ? Try::Done : classify_ssl(result);
  }

  static Error handshake_error(Try what) {
    return what == Try::Broken ? fail(Errc::Malformed, "TLS handshake failed: " + openssl_error())
                               : fail(Errc::Closed, "the peer closed during the TLS handshake");
  }
};

Stream::Stream(Loop& loop, int connected_fd) : impl_(std::make_unique<Impl>(loop, connected_fd)) {
  send_at_once(connected_fd);
  impl_->peer = endpoint_of(connected_fd, ::getpeername);
}
Stream::Stream(Loop& loop, int accepted_fd, const Endpoint& peer)
    : impl_(std::make_unique<Impl>(loop, accepted_fd)) {
  impl_->peer = peer;
}
Stream::~Stream() = default;
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;

Loop& Stream::loop() const { return impl_->wait.loop(); }
const Endpoint& Stream::peer() const { return impl_->peer; }
const Endpoint& Stream::local() const {
  if (!impl_->local) impl_->local = endpoint_of(impl_->wait.fd(), ::getsockname);
  return *impl_->local;
}
std::string_view Stream::buffered() const { return std::string_view(impl_->in).substr(impl_->in_start); }
void Stream::consume(std::size_t octets) { impl_->in_start += octets; }
void Stream::discard_buffered() { impl_->in_start = impl_->in.size(); }
void Stream::cancel() { impl_->wait.cancel(); }
void Stream::expire() { impl_->wait.expire(); }
bool Stream::is_tls() const { return impl_->ssl != nullptr; }

Task<Result<std::string_view>> Stream::read_line(std::size_t max, SteadyTime deadline) {
  bool too_long = false;
  std::size_t searched = 0;
  for (;;) {
    const std::string_view have = buffered();
    const std::size_t end = have.find("\r\n", searched);
    if (end != std::string_view::npos) {
      consume(end + 2);
      if (too_long || end > max) co_return fail(Errc::Exhausted, "line too long");
      co_return have.substr(0, end);
    }
    const bool half_end = !have.empty() && have.back() == '\r';
    if (too_long || have.size() > max + 1) {
      // Dropped as it comes, so that a line without end costs no memory.
      too_long = true;
      consume(have.size() - (half_end ? 1U : 0U));
    }
    searched = too_long || have.empty() ? 0 : have.size() - 1;
    const Result<> filled = co_await impl_->fill(deadline);
    if (!filled) co_return filled.error();
  }
}

Task<Result<unsigned char>> Stream::peek(SteadyTime deadline) {
  if (!buffered().empty()) co_return static_cast<unsigned char>(buffered().front());
  // Who was just told something has not answered yet.
  bool wait_first = impl_->out_start < impl_->out.size();
  const Result<> flushed = co_await impl_->flush(deadline);
  if (!flushed) co_return flushed.error();
  for (;; wait_first = true) {
    if (wait_first) {
      const Result<> ready = co_await impl_->wait.ready(SocketWait::kRead, deadline);
      if (!ready) co_return ready.error();
    }
    unsigned char octet = 0;
    const ssize_t n = ::recv(impl_->wait.fd(), &octet, 1, MSG_PEEK);
    if (n == 1) co_return octet;
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
      co_return fail(Errc::Closed, "the connection was closed");
  }
}

Task<Result<std::string>> Stream::read_raw(std::size_t octets, SteadyTime deadline) {
  std::string out(octets, '\0');
  std::size_t have = 0;
  while (have < octets) {
    const ssize_t n = ::recv(impl_->wait.fd(), out.data() + have, octets - have, 0);
    if (n > 0) {
      have += static_cast<std::size_t>(n);
      continue;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
      co_return fail(Errc::Closed, "the connection was closed");
    const Result<> ready = co_await impl_->wait.ready(SocketWait::kRead, deadline);
    if (!ready) co_return ready.error();
  }
  co_return out;
}

void Stream::set_peer(const Endpoint& client) { impl_->peer = client; }

Task<Result<std::string_view>> Stream::read_some(SteadyTime deadline) {
  if (buffered().empty()) {
    const Result<> filled = co_await impl_->fill(deadline);
    if (!filled) co_return filled.error();
  }
  co_return buffered();
}

void Stream::queue(std::string_view data) { impl_->out.append(data); }

Task<Result<>> Stream::flush(SteadyTime deadline) { return impl_->flush(deadline); }

Task<Result<>> Stream::write(std::string_view data, SteadyTime deadline) {
  queue(data);
  return impl_->flush(deadline);
}

Task<Result<>> Stream::accept_tls(std::shared_ptr<TlsServer> tls, SteadyTime deadline) {
  discard_buffered();
  const bool wait_first = std::exchange(impl_->drained, false);
  POSTERN_CO_TRY(TlsSession session, tls_server_session(*tls));
  impl_->ssl = session.ssl;
  impl_->tls_owner = std::move(session.owner);
  SSL_set_fd(impl_->ssl, impl_->wait.fd());
  const Result<> done = co_await impl_->accept(wait_first, deadline);
  co_return done;
}

Task<Result<>> Stream::connect_tls(std::shared_ptr<TlsClient> tls, std::string server_name,
                                   SteadyTime deadline) {
  TlsPeer peer{.name = std::move(server_name), .other_names = {}, .tlsa = {}};
  const Result<> done = co_await connect_tls(std::move(tls), std::move(peer), deadline);
  co_return done;
}

Task<Result<>> Stream::connect_tls(std::shared_ptr<TlsClient> tls, TlsPeer peer, SteadyTime deadline) {
  discard_buffered();
  impl_->drained = false;
  POSTERN_CO_TRY(TlsSession session, tls_client_session(*tls, peer));
  impl_->ssl = session.ssl;
  impl_->tls_owner = std::move(session.owner);
  SSL_set_fd(impl_->ssl, impl_->wait.fd());
  const Result<> done = co_await impl_->connect(deadline);
  co_return done;
}

TlsInfo Stream::tls_info() const {
  TlsInfo info;
  SSL* const ssl = impl_->ssl;
  if (ssl == nullptr) return info;
  info.version = SSL_get_version(ssl);
  if (const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl)) info.cipher = SSL_CIPHER_standard_name(cipher);
  if (const auto group = SSL_get_negotiated_group(ssl); group != 0) {
    if (const char* name = SSL_group_to_name(ssl, static_cast<int>(group))) info.group = name;
  }
  describe_verification(ssl, info);
  return info;
}

TlsBinding Stream::tls_binding() const {
  return impl_->ssl == nullptr ? TlsBinding{} : tls_binding_of(impl_->ssl);
}

std::vector<std::string> Stream::certified_addresses() const {
  return impl_->ssl == nullptr ? std::vector<std::string>{} : certified_addresses_of(impl_->ssl);
}

Task<> Stream::shutdown(SteadyTime deadline) {
  // The last reply, close_notify and FIN in one packet.
  const Result<> flushed = co_await impl_->flush(deadline, Impl::Then::MoreFollows);
  if (!flushed) co_return;
  if (impl_->ssl != nullptr) {
    ERR_clear_error();
    SSL_shutdown(impl_->ssl);  // close_notify (RFC 8314 §3.4); the peer's own is not waited for
  }
  ::shutdown(impl_->wait.fd(), SHUT_WR);  // sends what was kept back as well
  // Reading to the end keeps the kernel from answering late input with RST, which could destroy our last
  // reply.
  std::size_t drained = 0;
  bool wait_first = true;
  while (drained < kReadSize * 4) {
    if (std::exchange(wait_first, false)) {
      const Result<> ready = co_await impl_->wait.ready(SocketWait::kRead, deadline);
      if (!ready) co_return;
    }
    const ssize_t n = ::recv(impl_->wait.fd(), impl_->wait.loop().impl().scratch.data(), kReadSize, 0);
    if (n > 0) {
      drained += static_cast<std::size_t>(n);
      continue;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) co_return;
    wait_first = true;
  }
}

Task<Result<Stream>> connect(Loop& loop, Endpoint remote, std::optional<IpAddress> source,
                             SteadyTime deadline) {
  const int fd =
      ::socket(remote.ip.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return fail(Errc::Unavailable, std::string("socket: ") + std::strerror(errno));
  sockaddr_storage address{};
  if (source) {
    const socklen_t length = Endpoint{*source, 0}.to_sockaddr(address);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0) {
      const int why = errno;
      ::close(fd);
      co_return fail(Errc::Unavailable, "bind " + source->text() + ": " + std::strerror(why));
    }
  }
  const socklen_t length = remote.to_sockaddr(address);
  const int connected = ::connect(fd, reinterpret_cast<sockaddr*>(&address), length);
  const int why = errno;
  if (connected != 0 && why != EINPROGRESS) {
    ::close(fd);
    co_return fail(Errc::Unavailable, remote.text() + ": " + std::strerror(why));
  }
  Stream stream(loop, fd);
  if (connected != 0) {
    const Result<> ready = co_await stream.impl_->wait.ready(SocketWait::kWrite, deadline);
    if (!ready) co_return ready.error();
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) co_return fail(Errc::Unavailable, remote.text() + ": " + std::strerror(error));
    stream.impl_->peer = remote;
    stream.impl_->local.reset();
  }
  co_return std::move(stream);
}

Task<Result<Stream>> connect_unix(Loop& loop, std::string path) {
  POSTERN_CO_TRY(const UnixAddress address, UnixAddress::of(path));
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return fail(Errc::Unavailable, std::string("socket: ") + std::strerror(errno));
  if (::connect(fd, address.get(), address.size()) != 0) {
    const int why = errno;
    ::close(fd);
    const bool nobody = why == ENOENT || why == ECONNREFUSED;
    const Errc code = nobody ? Errc::NotFound : why == EACCES ? Errc::Denied : Errc::Unavailable;
    co_return fail(code, path + ": " + std::strerror(why));
  }
  co_return Stream(loop, fd);
}

Task<Result<>> wait_readable(Loop& loop, int fd, SteadyTime deadline) {
  // Released also when the loop destroys this coroutine while it waits: the descriptor is not ours to close.
  struct Lent {
    SocketWait wait;
    Lent(Loop& l, int borrowed) : wait(l, borrowed) {}
    ~Lent() { wait.release(); }
  };
  Lent lent(loop, fd);
  const Result<> ready = co_await lent.wait.ready(SocketWait::kRead, deadline);
  co_return ready;
}

}  // namespace postern::net
