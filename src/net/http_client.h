#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "net/endpoint.h"
#include "net/loop.h"
#include "net/offload.h"
#include "net/task.h"
#include "net/tls.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::net {

/// The parts of "https://host:8443/path?query" that a request needs. User names are refused, a fragment is dropped.
struct HttpUrl {
  bool tls = true;
  std::string host;  ///< lower case; an IPv6 address without brackets
  std::uint16_t port = 443;
  std::string target = "/";  ///< path and query
  [[nodiscard]] static Result<HttpUrl> parse(std::string_view url);
  /// The Host field (RFC 9110 §7.2): the port only when it is not the scheme's own.
  [[nodiscard]] std::string authority() const;
};

using HttpFields = std::vector<std::pair<std::string, std::string>>;

/// A body that is not held in memory: exactly `size` octets; read(at) gives some of those from `at` on.
struct HttpBodySource {
  std::uint64_t size = 0;
  std::function<Result<std::string>(std::uint64_t at)> read;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  HttpFields fields;  ///< beside Host, User-Agent, Connection and Content-Length, which are ours
  std::string body;
  std::optional<HttpBodySource> source = std::nullopt;  ///< instead of `body`
};

struct HttpResponse {
  unsigned status = 0;  ///< of the final answer; nothing is followed, also no 3xx
  HttpFields fields;    ///< names in lower case
  std::string body;
  /// The first field called `name` (lower case); "" when there is none.
  [[nodiscard]] std::string_view field(std::string_view name) const;
};

/// Finds the addresses of hosts. Declared here because names belong to a higher layer: dns plugs in its resolver
/// where the system's own is not wanted.
class AddressLookup {
 public:
  virtual ~AddressLookup() = default;
  /// Errors: NotFound, Unavailable.
  virtual Task<Result<std::vector<IpAddress>>> lookup(Loop& loop, std::string host) = 0;
};

/// getaddrinfo(3) on a thread of its own, so /etc/hosts counts. Thread-safe.
class SystemAddressLookup final : public AddressLookup {
 public:
  SystemAddressLookup() : worker_(1, 64) {}
  Task<Result<std::vector<IpAddress>>> lookup(Loop& loop, std::string host) override;

 private:
  Offload worker_;
};

/// HTTP/1.1 requests, one connection each: for the rare question (keys, policies, hooks), not for bulk.
///
/// Threads  fetch() from any loop.
/// Limits   the answer's header 64 KiB, its body `max_body`; every wait ends at the request's deadline.
/// Errors   Malformed: the URL, a field, or the answer is not HTTP. Denied: clear http:// that was not allowed, or a
///          certificate that does not verify. Exhausted: the answer is too large. NotFound, Unavailable, Timeout,
///          Closed: as lookup and connection say. An answer of any status is not an error.
class HttpClient {
 public:
  struct Options {
    std::size_t max_body = std::size_t{1} << 20U;  ///< octets
    bool allow_clear = false;                      ///< http:// as well as https://
    std::string ca_file;                           ///< PEM; empty: the system's store
  };
  /// `lookup` is borrowed. Errors: NotFound, when the CA file cannot be read.
  [[nodiscard]] static Result<std::unique_ptr<HttpClient>> create(Options options, AddressLookup& lookup);

  Task<Result<HttpResponse>> fetch(Loop& loop, HttpRequest request, SteadyTime deadline);

 private:
  HttpClient(Options options, AddressLookup& lookup, std::shared_ptr<TlsClient> tls)
      : options_(std::move(options)), lookup_(lookup), tls_(std::move(tls)) {}

  const Options options_;
  AddressLookup& lookup_;
  std::shared_ptr<TlsClient> tls_;
};

/// `text` for a query or a form (RFC 3986 §2.3): everything but unreserved characters as %XX.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace postern::net
