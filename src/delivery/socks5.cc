#include "delivery/socks5.h"

#include <string>
#include <string_view>
#include <utility>

namespace postern::delivery {
namespace {

constexpr char kVersion = 5;
constexpr char kNoAuthentication = 0;
constexpr char kUserPassword = 2;
constexpr char kUserPasswordVersion = 1;
constexpr char kConnect = 1;
constexpr char kIpv4 = 1;
constexpr char kName = 3;
constexpr char kIpv6 = 4;

/// RFC 1928 §6.
const char* refusal(unsigned char code) {
  constexpr const char* kTexts[] = {"",
                                    "general failure",
                                    "not allowed by the proxy's rules",
                                    "network unreachable",
                                    "host unreachable",
                                    "connection refused",
                                    "time to live expired",
                                    "command not supported",
                                    "address type not supported"};
  return code < std::size(kTexts) ? kTexts[code] : "unknown failure";
}

net::Task<Result<std::string>> read_exactly(net::Stream& stream, std::size_t octets, SteadyTime deadline) {
  std::string out;
  while (out.size() < octets) {
    POSTERN_CO_TRY(const std::string_view some, co_await stream.read_some(deadline));
    const std::string_view used = some.substr(0, octets - out.size());
    out.append(used);
    stream.consume(used.size());
  }
  co_return out;
}

std::string connect_request(const net::Endpoint& remote) {
  std::string request{kVersion, kConnect, 0, remote.ip.is_v6() ? kIpv6 : kIpv4};
  for (std::size_t i = 0; i < (remote.ip.is_v6() ? 16U : 4U); ++i)
    request += static_cast<char>(remote.ip.octets()[i]);
  request += static_cast<char>(remote.port >> 8U);
  request += static_cast<char>(remote.port & 0xffU);
  return request;
}

/// The address the proxy connects from is of no interest, but has to be read.
net::Task<Result<>> skip_bound_address(net::Stream& stream, char kind, SteadyTime deadline) {
  std::size_t octets = kind == kIpv6 ? 16 : 4;
  if (kind == kName) {
    POSTERN_CO_TRY(const std::string length, co_await read_exactly(stream, 1, deadline));
    octets = static_cast<unsigned char>(length[0]);
  } else if (kind != kIpv4 && kind != kIpv6) {
    co_return fail(Errc::Malformed, "unknown address type");
  }
  POSTERN_CO_CHECK(co_await read_exactly(stream, octets + 2, deadline));
  co_return Result<>{};
}

/// RFC 1929 §2.
net::Task<Result<>> log_in(net::Stream& stream, const Socks5Proxy& proxy, SteadyTime deadline) {
  std::string request{kUserPasswordVersion};
  for (const std::string& word : {proxy.user, proxy.password}) {
    request += static_cast<char>(word.size());
    request += word;
  }
  POSTERN_CO_CHECK(co_await stream.write(request, deadline));
  POSTERN_CO_TRY(const std::string status, co_await read_exactly(stream, 2, deadline));
  if (status[1] != 0) co_return fail(Errc::Unavailable, "refuses our user and password");
  co_return Result<>{};
}

net::Task<Result<>> negotiate(net::Stream& stream, const Socks5Proxy& proxy, net::Endpoint remote,
                              SteadyTime deadline) {
  const char method_wanted = proxy.user.empty() ? kNoAuthentication : kUserPassword;
  const std::string hello{kVersion, 1, method_wanted};
  POSTERN_CO_CHECK(co_await stream.write(hello, deadline));
  POSTERN_CO_TRY(const std::string method, co_await read_exactly(stream, 2, deadline));
  if (method[0] != kVersion) co_return fail(Errc::Malformed, "does not speak SOCKS5");
  if (method[1] != method_wanted) {
    co_return fail(Errc::Unavailable,
                   proxy.user.empty() ? "wants authentication" : "takes no user and password");
  }
  if (method_wanted == kUserPassword) POSTERN_CO_CHECK(co_await log_in(stream, proxy, deadline));
  POSTERN_CO_CHECK(co_await stream.write(connect_request(remote), deadline));
  POSTERN_CO_TRY(const std::string reply, co_await read_exactly(stream, 4, deadline));
  if (reply[0] != kVersion) co_return fail(Errc::Malformed, "does not speak SOCKS5");
  if (reply[1] != 0) co_return fail(Errc::Unavailable, refusal(static_cast<unsigned char>(reply[1])));
  Result<> skipped = co_await skip_bound_address(stream, reply[3], deadline);
  co_return skipped;
}

}  // namespace

net::Task<Result<net::Stream>> connect_by_socks5(net::Loop& loop, Socks5Proxy proxy, net::Endpoint remote,
                                                 SteadyTime deadline) {
  Result<net::Stream> stream = co_await net::connect(loop, proxy.where, std::nullopt, deadline);
  if (!stream) co_return fail(stream.error().code, "proxy: " + stream.error().detail);
  Result<> ready = co_await negotiate(*stream, proxy, remote, deadline);
  if (!ready) {
    co_return fail(ready.error().code,
                   "proxy " + proxy.where.text() + " to " + remote.text() + ": " + ready.error().detail);
  }
  co_return std::move(*stream);
}

}  // namespace postern::delivery
