#pragma once

#include "base/clock.h"
#include "net/stream.h"

#include <functional>
#include <string>
#include <string_view>

namespace postern::admin {

/// What the admin listener answers. The functions run on its loop and must not block.
struct HttpAnswers {
  std::function<std::string()> metrics;            ///< Prometheus text
  std::function<std::string()> not_ready_because;  ///< empty: ready
};

/// The response to one request's octets, head only; "" when the head is not complete yet.
/// GET and HEAD of /metrics, /healthz, /readyz; anything else is 400, 404 or 405.
[[nodiscard]] std::string http_response(std::string_view request, const HttpAnswers& answers);

/// One request on the admin listener, then the connection is closed. `answers` and `clock` are borrowed until
/// the task ends.
/// Limits   8 KiB of request, ten seconds.
net::Task<> serve_http(net::Stream stream, const HttpAnswers& answers, const Clock& clock);

}  // namespace postern::admin
