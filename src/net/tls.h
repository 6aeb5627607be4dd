#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace postern::net {

/// A certificate chain and its key, as PEM files.
struct CertificateFiles {
  std::string certificate;
  std::string key;
  std::string certificate_from = {};  ///< who names the file, for errors: "postern.toml:7:1: tls.certificate"
  std::string key_from = {};
};

/// Server side of TLS: 1.2 and 1.3, forward secrecy and AEAD only, no renegotiation, no 0-RTT (RFC 9325 §3,
/// §4).
///
/// The first pair is the default; the others are chosen by the names in their certificates when a client asks
/// for one (SNI, RFC 6066 §3). Session tickets are sealed with keys of our own that change every twelve hours
/// and outlive a reload. Threads  safe from any thread.
class TlsServer {
 public:
  struct Impl;
  /// Errors: NotFound (a file that cannot be read), Malformed (PEM, key does not fit, RSA below 2048 bits), each in words,
  /// naming the file and who names it.
  /// With `client_ca` (PEM) clients are asked for a certificate of these authorities: one that does not verify ends
  /// the handshake, none is as good as before.
  [[nodiscard]] static Result<std::shared_ptr<TlsServer>> load(std::vector<CertificateFiles> files,
                                                               const std::string& client_ca = {});
  explicit TlsServer(std::unique_ptr<Impl> impl);
  ~TlsServer();

  /// Reads the files again if one changed; true if new ones are in use. On an error the old ones stay in use.
  [[nodiscard]] Result<bool> reload_if_changed();
  /// Loads other files, which are used from when the function that comes back is called; sessions that are open keep
  /// theirs. Errors as load(). As reload_if_changed(), from one thread at a time; the function needs this server.
  [[nodiscard]] Result<std::function<void()>> prepare(std::vector<CertificateFiles> files);
  /// When the certificate that expires first does.
  [[nodiscard]] TimePoint expires_at() const;

  [[nodiscard]] Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// One TLSA record (RFC 6698 §2.1).
struct TlsaRecord {
  int usage = 0;
  int selector = 0;
  int matching = 0;
  std::string data;  ///< octets
  friend bool operator==(const TlsaRecord&, const TlsaRecord&) = default;
  /// Whether it can decide about a mail host: DANE-TA(2) or DANE-EE(3) with known selector and matching type, and
  /// data that can be what they say (RFC 7672 §3.1, §3.1.3).
  [[nodiscard]] bool usable() const;
};

/// Who has to be at the other end of a connection.
struct TlsPeer {
  std::string name;                      ///< said in SNI, and the name that the certificate must have
  std::vector<std::string> other_names;  ///< as good as `name`
  std::vector<TlsaRecord> tlsa;          ///< with Verify::Dane; what is not usable() is left out
};

/// Client side of TLS.
class TlsClient {
 public:
  enum class Verify {
    None,     ///< any certificate: opportunistic TLS (RFC 7435)
    Require,  ///< valid chain and matching name (RFC 9525), or the handshake fails
    Dane,     ///< as one of the peer's TLSA records says (RFC 7672 §3), or the handshake fails
  };
  struct Options {
    Verify verify = Verify::Require;
    std::string ca_file;  ///< PEM; empty: the system's store
  };
  struct Impl;
  [[nodiscard]] static Result<std::shared_ptr<TlsClient>> create(const Options& options);
  explicit TlsClient(std::unique_ptr<Impl> impl);
  ~TlsClient();
  [[nodiscard]] Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace postern::net
