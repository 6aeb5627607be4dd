#pragma once

#include "base/clock.h"
#include "net/stream.h"

#include <functional>
#include <string>

namespace postern::app {

/// What the admin listener answers.
struct AdminAnswers {
  std::function<std::string()> metrics;            ///< Prometheus text
  std::function<std::string()> not_ready_because;  ///< empty: ready
};

/// One request on the admin listener: GET /metrics, /healthz or /readyz; then the connection is closed.
/// HTTP/1.0 is all that probes and Prometheus need; anything else is answered 400, 404 or 405.
net::Task<> serve_admin_request(net::Stream stream, const AdminAnswers& answers, const Clock& clock);

}  // namespace postern::app
