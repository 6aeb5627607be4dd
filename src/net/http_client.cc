#include "net/http_client.h"

#include "net/event.h"
#include "net/stream.h"

#include <boost/beast/http.hpp>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <sstream>

namespace postern::net {
namespace {

namespace http = boost::beast::http;

constexpr std::uint32_t kMaxHeader = 64 * 1024;
/// One dead address must not use up the whole deadline while others wait to be tried.
constexpr std::chrono::seconds kConnectTime{5};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

/// What could break out of a header line.
bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 127; });
}

Result<std::string> written(const HttpRequest& request, const HttpUrl& url) {
  if (request.method.empty() || !is_printable(request.method))
    return fail(Errc::Malformed, "not a method: " + request.method);
  http::request<http::string_body> out;
  out.version(11);
  out.method_string(request.method);
  out.target(url.target);
  out.set(http::field::host, url.authority());
  out.set(http::field::user_agent, "Postern");
  out.set(http::field::connection, "close");
  for (const auto& [name, value] : request.fields) {
    if (name.empty() || !is_printable(name) || name.find(':') != std::string::npos || has_control(value))
      return fail(Errc::Malformed, "not a header field: " + name);
    out.insert(name, value);  // a name may come several times
  }
  out.body() = request.body;
  if (request.source) {
    out.content_length(request.source->size);
  } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    out.prepare_payload();
  }
  std::ostringstream text;
  text << out;
  return text.str();
}

using Parser = http::response_parser<http::string_body>;

HttpResponse taken(Parser& parser) {
  HttpResponse response;
  response.status = parser.get().result_int();
  for (const auto& field : parser.get())
    response.fields.emplace_back(
        lower(std::string_view(field.name_string().data(), field.name_string().size())),
        std::string(field.value()));
  response.body = std::move(parser.get().body());
  return response;
}

Error answer_error(const boost::system::error_code& error) {
  const bool large = error == http::error::body_limit || error == http::error::header_limit;
  return fail(large ? Errc::Exhausted : Errc::Malformed, "the HTTP answer: " + error.message());
}

Task<Result<HttpResponse>> read_response(Stream& stream, bool head, std::size_t max_body,
                                         SteadyTime deadline) {
  Parser parser;
  parser.header_limit(kMaxHeader);
  parser.body_limit(max_body);
  parser.skip(head);
  parser.eager(true);
  std::string pending;  // what the parser wants to see again, with more behind it
  while (!parser.is_done()) {
    const Result<std::string_view> more = co_await stream.read_some(deadline);
    boost::system::error_code error;
    if (!more) {
      if (more.error().code != Errc::Closed) co_return more.error();
      if (!parser.got_some()) co_return more.error();
      parser.put_eof(error);  // a body without length ends with the connection (RFC 9112 §6.3)
      if (error || !parser.is_done()) co_return fail(Errc::Closed, "the HTTP answer is cut short");
      break;
    }
    pending += *more;
    stream.consume(more->size());
    while (!pending.empty() && !parser.is_done()) {
      const std::size_t used = parser.put(boost::asio::const_buffer(pending.data(), pending.size()), error);
      pending.erase(0, used);
      if (error == http::error::need_more || (!error && used == 0)) break;
      if (error) co_return answer_error(error);
    }
    if (pending.size() > kMaxHeader) co_return fail(Errc::Exhausted, "the HTTP answer: line too long");
  }
  co_return taken(parser);
}

Result<std::vector<IpAddress>> system_lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (failed != 0) {
    const bool missing = failed == EAI_NONAME || failed == EAI_NODATA;
    return fail(missing ? Errc::NotFound : Errc::Unavailable, host + ": " + ::gai_strerror(failed));
  }
  std::vector<IpAddress> ips;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    sockaddr_storage address{};
    std::copy_n(reinterpret_cast<const char*>(one->ai_addr), one->ai_addrlen,
                reinterpret_cast<char*>(&address));
    ips.push_back(Endpoint::from_sockaddr(address).ip);
  }
  ::freeaddrinfo(found);
  return ips;
}

}  // namespace

Result<HttpUrl> HttpUrl::parse(std::string_view url) {
  const auto bad = [url](const char* why) { return fail(Errc::Malformed, std::string(url) + ": " + why); };
  if (!is_printable(url)) return fail(Errc::Malformed, "a URL holds a space or a control character");
  HttpUrl out;
  const std::size_t colon = url.find("://");
  const std::string scheme = colon == std::string_view::npos ? "" : lower(url.substr(0, colon));
  if (scheme != "https" && scheme != "http") return bad("a URL begins with https:// or http://");
  out.tls = scheme == "https";
  out.port = out.tls ? 443 : 80;
  std::string_view rest = url.substr(colon + 3);
  rest = rest.substr(0, rest.find('#'));
  const std::size_t end = std::min(rest.find('/'), rest.find('?'));
  std::string_view authority = rest.substr(0, end);
  if (end < rest.size()) out.target = (rest[end] == '?' ? "/" : "") + std::string(rest.substr(end));
  if (authority.find('@') != std::string_view::npos) return bad("a user name has no place in a URL here");
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return bad("the bracket is not closed");
    out.host = lower(authority.substr(1, close - 1));
    if (!IpAddress::parse(out.host)) return bad("not an IPv6 address");
    port = authority.substr(close + 1);
  } else {
    out.host = lower(authority.substr(0, authority.find(':')));
    port = authority.substr(out.host.size());
  }
  if (out.host.empty()) return bad("the host is missing");
  if (port.empty()) return out;
  port.remove_prefix(1);
  const auto [stop, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (error != std::errc{} || stop != port.data() + port.size() || out.port == 0) return bad("not a port");
  return out;
}

std::string HttpUrl::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : '[' + host + ']';
  if (port != (tls ? 443 : 80)) out += ':' + std::to_string(port);
  return out;
}

std::string_view HttpResponse::field(std::string_view name) const {
  const auto found =
      std::find_if(fields.begin(), fields.end(), [name](const auto& f) { return f.first == name; });
  return found == fields.end() ? std::string_view{} : std::string_view(found->second);
}

Task<Result<std::vector<IpAddress>>> SystemAddressLookup::lookup(Loop& loop, std::string host) {
  auto job = [host] { return system_lookup(host); };
  Result<Result<std::vector<IpAddress>>> found = co_await worker_.run(loop, std::move(job));
  if (!found) co_return found.error();
  co_return *std::move(found);
}

Result<std::unique_ptr<HttpClient>> HttpClient::create(Options options, AddressLookup& lookup) {
  POSTERN_TRY(std::shared_ptr<TlsClient> tls,
              TlsClient::create({TlsClient::Verify::Require, options.ca_file}));
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(options), lookup, std::move(tls)));
}

namespace {

/// A look-up on its own, which may last longer than whoever asked for it.
struct LookedUp {
  Event ended;
  std::optional<Result<std::vector<IpAddress>>> found{};
  explicit LookedUp(Loop& loop) : ended(loop) {}
};

Task<> look_up(AddressLookup& lookup, Loop& loop, std::string host, std::shared_ptr<LookedUp> out) {
  out->found = co_await lookup.lookup(loop, std::move(host));
  out->ended.notify();
}

Task<Result<std::vector<IpAddress>>> look_up_until(AddressLookup& lookup, Loop& loop, std::string host,
                                                   SteadyTime deadline) {
  const auto looked_up = std::make_shared<LookedUp>(loop);
  loop.spawn(look_up(lookup, loop, host, looked_up));
  const bool ended = co_await looked_up->ended.wait_until(deadline);
  if (!ended) co_return fail(Errc::Timeout, "the address of " + host + " was not found in time");
  co_return *std::move(looked_up->found);
}

Task<Result<Stream>> connect_any(Loop& loop, AddressLookup& lookup, const HttpUrl& url, SteadyTime deadline) {
  std::vector<IpAddress> ips;
  if (const Result<IpAddress> literal = IpAddress::parse(url.host)) {
    ips.push_back(*literal);
  } else {
    Result<std::vector<IpAddress>> found = co_await look_up_until(lookup, loop, url.host, deadline);
    if (!found) co_return found.error();
    ips = *std::move(found);
  }
  Error last = fail(Errc::NotFound, url.host + " has no address");
  for (const IpAddress& ip : ips) {
    const SteadyTime until = std::min(deadline, std::chrono::steady_clock::now() + kConnectTime);
    Result<Stream> stream = co_await connect(loop, Endpoint{ip, url.port}, std::nullopt, until);
    if (stream) co_return std::move(stream);
    last = stream.error();
    if (std::chrono::steady_clock::now() >= deadline) break;
  }
  co_return last;
}

Task<Result<>> write_source(Stream& stream, const HttpBodySource& source, SteadyTime deadline) {
  for (std::uint64_t at = 0; at < source.size;) {
    const Result<std::string> piece = source.read(at);
    if (!piece) co_return piece.error();
    if (piece->empty() || piece->size() > source.size - at)
      co_return fail(Errc::Internal, "the body of an HTTP request has not the size it should have");
    POSTERN_CO_CHECK(co_await stream.write(*piece, deadline));
    at += piece->size();
  }
  co_return Result<>{};
}

}  // namespace

Task<Result<HttpResponse>> HttpClient::fetch(Loop& loop, HttpRequest request, SteadyTime deadline) {
  POSTERN_CO_TRY(const HttpUrl url, HttpUrl::parse(request.url));
  if (!url.tls && !options_.allow_clear) co_return fail(Errc::Denied, request.url + ": https:// is required");
  POSTERN_CO_TRY(const std::string wire, written(request, url));
  Result<Stream> connected = co_await connect_any(loop, lookup_, url, deadline);
  if (!connected) co_return connected.error();
  Stream stream = *std::move(connected);
  if (url.tls) {
    const Result<> secured = co_await stream.connect_tls(tls_, url.host, deadline);
    if (!secured) {
      const std::string why = stream.tls_info().verify_error;
      if (!why.empty()) co_return fail(Errc::Denied, url.host + ": certificate: " + why);
      co_return secured.error();
    }
  }
  const Result<> sent = co_await stream.write(wire, deadline);
  if (!sent) co_return sent.error();
  if (request.source) POSTERN_CO_CHECK(co_await write_source(stream, *request.source, deadline));
  const bool head = request.method == "HEAD";
  Result<HttpResponse> response = co_await read_response(stream, head, options_.max_body, deadline);
  co_return response;
}

std::string percent_encode(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[octet >> 4U];
      out += kHex[octet & 15U];
    }
  }
  return out;
}

}  // namespace postern::net
