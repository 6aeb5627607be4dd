#pragma once

#include "probe/observation.h"
#include "probe/wire.h"

#include <memory>
#include <string>

struct ssl_ctx_st;

namespace postern::probe {

/// The newest version of TLS that a handshake offers.
enum class Newest { Any, Tls11, Tls10 };

/// Handshakes that look at everything and insist on nothing: TLS 1.0 and weak keys are accepted, so that they can
/// be named. Whether a password may follow is decided by TlsSeen::verified() and its weaknesses, never here.
///
/// Threads  handshake() from any, at the same time.
class Handshaker {
 public:
  /// `ca_file`: PEM of additional roots; empty: the system's only. Error: NotFound, Malformed (the file).
  [[nodiscard]] static Result<Handshaker> create(const std::string& ca_file);

  /// A client handshake on `wire` with SNI `host` (unless that is an address) which is also what the
  /// certificate must name. On success `wire` goes on under TLS.
  [[nodiscard]] TlsSeen handshake(Wire& wire, const std::string& host, SteadyTime deadline,
                                  Newest newest = Newest::Any) const;

 private:
  std::shared_ptr<ssl_ctx_st> context_;
};

}  // namespace postern::probe
