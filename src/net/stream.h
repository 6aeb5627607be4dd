#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "net/endpoint.h"
#include "net/loop.h"
#include "net/task.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::net {

class TlsServer;
class TlsClient;
struct TlsPeer;

/// What was wrong with a certificate.
enum class VerifyFailure {
  None,
  Expired,      ///< or not valid yet
  Name,         ///< made out to somebody else
  Untrusted,    ///< no way to a trusted root
  NoTlsaMatch,  ///< no TLSA record fits it
  Other,
};

/// What was agreed in a TLS handshake.
struct TlsInfo {
  std::string version;       ///< "TLSv1.3"
  std::string cipher;        ///< the suite's registered name, "TLS_AES_256_GCM_SHA384"
  std::string group;         ///< key exchange group, may be empty
  std::string verify_error;  ///< client side: empty when the certificate was verified
  VerifyFailure verify_failure = VerifyFailure::None;
  /// Client side: "pkix" (chain and name), "dane-ta", "dane-ee"; empty: not verified.
  std::string verified_by;
};

/// What both ends of a TLS connection know and nobody between them does; "" where the connection has none.
struct TlsBinding {
  std::string exporter;          ///< 32 octets (RFC 9266); with TLS 1.2 only under the extended master secret
  std::string server_end_point;  ///< hash of the server's certificate (RFC 5929 §4.1)
};

/// One TCP or unix connection, in clear or under TLS.
///
/// Owns     the socket; closed by the destructor. Move-only.
/// Threads  belongs to its loop's thread; at most one operation at a time.
/// Limits   a stream that waits for input holds no buffer of its own (OpenSSL's are released as well).
/// Errors   Timeout: the deadline passed. Closed: the peer closed, reset, or cancel() was called.
///          Malformed: broken TLS records. After an error the stream is good for nothing but destruction,
///          except after Exhausted from read_line().
class Stream {
 public:
  struct Impl;

  Stream(Loop& loop, int connected_fd);
  /// From a listener whose sockets send at once.
  Stream(Loop& loop, int accepted_fd, const Endpoint& peer);
  ~Stream();
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;

  [[nodiscard]] Loop& loop() const;
  [[nodiscard]] const Endpoint& peer() const;
  [[nodiscard]] const Endpoint& local() const;

  /// The next line without its CRLF; only CRLF ends a line. The view lives until the next read.
  /// Exhausted: more than `max` octets before CRLF; the rest of the line has been read and dropped.
  Task<Result<std::string_view>> read_line(std::size_t max, SteadyTime deadline);
  /// The first octet that is to come, which stays there: before a handshake that may not be one. In clear only.
  Task<Result<unsigned char>> peek(SteadyTime deadline);
  /// Exactly so many octets, straight from the socket: for what stands before TLS and SMTP. In clear, and before
  /// anything else is read.
  Task<Result<std::string>> read_raw(std::size_t octets, SteadyTime deadline);
  /// The client is really `client`: a trusted proxy in front of us says so.
  void set_peer(const Endpoint& client);
  /// Whatever is buffered, or else what one read brings (up to 16 KiB). The view lives until the next read;
  /// what is not consume()d is seen again.
  Task<Result<std::string_view>> read_some(SteadyTime deadline);
  void consume(std::size_t octets);
  [[nodiscard]] std::string_view buffered() const;
  void discard_buffered();

  /// Keeps `data` to be sent by flush(), or by the next read just before it would wait: replies to a
  /// pipelined group go out in one write (RFC 2920 §3.2).
  void queue(std::string_view data);
  Task<Result<>> flush(SteadyTime deadline);
  /// queue() and flush() in one.
  Task<Result<>> write(std::string_view data, SteadyTime deadline);

  /// Server handshake. What was buffered in clear is dropped first (RFC 3207 §4.2: command injection).
  Task<Result<>> accept_tls(std::shared_ptr<TlsServer> tls, SteadyTime deadline);
  /// Client handshake with SNI `server_name`; the same name is verified when `tls` verifies.
  Task<Result<>> connect_tls(std::shared_ptr<TlsClient> tls, std::string server_name, SteadyTime deadline);
  /// The same for a peer that may have other names or TLSA records. Error also: Malformed, when `tls` verifies by
  /// DANE and no record of the peer is usable.
  Task<Result<>> connect_tls(std::shared_ptr<TlsClient> tls, TlsPeer peer, SteadyTime deadline);
  [[nodiscard]] bool is_tls() const;
  [[nodiscard]] TlsInfo tls_info() const;
  [[nodiscard]] TlsBinding tls_binding() const;
  /// The mail addresses in the client certificate that was asked for, shown and verified (rfc822Name); else none.
  [[nodiscard]] std::vector<std::string> certified_addresses() const;

  /// Sends what is queued, close_notify and FIN, and waits for the peer's end until `deadline`.
  Task<> shutdown(SteadyTime deadline);
  /// Ends the pending operation, and any later one, with Closed.
  void cancel();
  /// Ends the pending operation with Timeout, as if its deadline had come. Loop thread only.
  void expire();

 private:
  friend Task<Result<Stream>> connect(Loop&, Endpoint, std::optional<IpAddress>, SteadyTime);
  std::unique_ptr<Impl> impl_;
};

/// A TCP connection to `remote`, from `source` if given. Errors: Timeout; Unavailable with the system's
/// words.
Task<Result<Stream>> connect(Loop& loop, Endpoint remote, std::optional<IpAddress> source,
                             SteadyTime deadline);
/// A connection to the unix socket at `path`. Errors: NotFound: nobody listens there; Denied: no right
/// to it; Unavailable.
Task<Result<Stream>> connect_unix(Loop& loop, std::string path);

}  // namespace postern::net
