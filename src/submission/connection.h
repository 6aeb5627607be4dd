#pragma once

#include "guard/lockout.h"
#include "intake/pipeline.h"
#include "net/stream.h"
#include "net/tls.h"
#include "submission/options.h"

#include <memory>

namespace postern::submission {

/// When TLS begins.
enum class Mode {
  StartTls,  ///< port 587
  Implicit,  ///< port 465 (RFC 8314 §3.3)
};

/// What connections work with. Borrowed, except TLS.
struct Services {
  const Options& options;
  const std::string& hostname;
  const Clock& clock;
  std::shared_ptr<net::TlsServer> tls;  ///< nullptr: no certificate; then no mail is taken
  accounts::Directory& directory;
  guard::Limits& limits;
  guard::Lockout& lockout;
  queue::Queue& queue;
  const intake::Services& intake;
};

/// One client, from the banner to the close.
/// `stopping` turns true when the server shuts down: the connection ends with 421 after its current
/// transaction.
net::Task<> serve_connection(net::Stream& stream, Mode mode, const Services& services, const bool& stopping);

}  // namespace postern::submission
