#pragma once

#include "base/live.h"
#include "guard/limits.h"
#include "intake/pipeline.h"
#include "net/network.h"
#include "net/stream.h"
#include "net/tls.h"
#include "submission/log_budget.h"
#include "submission/login.h"
#include "submission/metrics.h"
#include "submission/options.h"

#include <memory>
#include <vector>

namespace postern::submission {

/// When TLS begins.
enum class Mode {
  StartTls,  ///< port 587
  Implicit,  ///< port 465 (RFC 8314 §3.3)
};

/// What connections work with. Borrowed.
struct Services {
  const Live<Options>& options;
  const std::string& hostname;
  const Clock& clock;
  accounts::Directory& directory;
  Logins& logins;
  guard::Limits& limits;
  queue::Queue& queue;
  const intake::Services& intake;
  Metrics& metrics;
  LogBudget& log_budget;
  std::vector<net::Network> proxies;  ///< connections from there begin with a PROXY header
};

/// One client as the server sees it while it is served.
struct Client {
  Client(net::Stream s, std::shared_ptr<net::TlsServer> t) : stream(std::move(s)), tls(std::move(t)) {}
  net::Stream stream;
  std::shared_ptr<net::TlsServer> tls;  ///< nullptr: no certificate; then no mail is taken
  bool between_commands = false;        ///< it waits for a command: nothing is lost by ending now
  bool stopping = false;                ///< it ends with 421 before the next command
  bool dismissed = false;               ///< the same, and may come again at once
  std::string account;                  ///< who logged in
};

/// One client, from the banner to the close.
/// Limits   a mail transaction that has not reached DATA is given up when the server stops; data that has begun
///          is taken to its end.
net::Task<> serve_connection(Client& client, Mode mode, const Services& services);

}  // namespace postern::submission
