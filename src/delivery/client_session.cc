// Session set-up: from connect to a next hop that is ready for MAIL. Transactions are in client.cc.
#include "delivery/client.h"
#include "delivery/socks5.h"

#include <utility>

namespace postern::delivery {
namespace {

Outcome unreachable(const Target& target, const Error& error) {
  if (is_broken_answer(error)) {
    return local_outcome(
        Decision::Retry, "4.5.0",
        target.host + " [" + target.endpoint.ip.text() + "]: a broken answer: " + error.detail);
  }
  return local_outcome(Decision::Retry, error.code == Errc::Timeout ? "4.4.1" : "4.4.2",
                       target.host + " [" + target.endpoint.ip.text() + "]: " + error.detail);
}

bool positive(const smtp::Reply& reply) { return reply.code / 100 == 2; }

net::Task<Result<net::Stream>> connect(net::Loop& loop, net::Endpoint remote, const Egress& egress,
                                       SteadyTime until) {
  if (egress.socks5) {
    Result<net::Stream> stream = co_await connect_by_socks5(loop, *egress.socks5, remote, until);
    co_return stream;
  }
  Result<net::Stream> stream = co_await net::connect(loop, remote, egress.source_for(remote.ip), until);
  co_return stream;
}

}  // namespace

net::Task<Client::Opened> Client::open(net::Loop& loop, Target target, const Manners& manners,
                                       const Setting& setting) {
  const bool hurried = setting.connect_within.count() > 0;
  const SteadyTime until =
      setting.clock.steady_now() + (hurried ? setting.connect_within : setting.options.connect_timeout);
  Result<net::Stream> stream = co_await connect(loop, target.endpoint, setting.egress, until);
  Opened opened;
  if (!stream) {
    opened.silent = true;
    opened.failure = unreachable(target, stream.error());
    co_return opened;
  }
  std::unique_ptr<Client> client(new Client(std::move(*stream), std::move(target), setting));
  opened.local_ip = client->stream_.local().ip.text();
  std::optional<Outcome> failure = co_await client->greet(manners, opened);
  if (failure) {
    opened.failure = std::move(*failure);
    co_await client->quit();
  } else {
    opened.client = std::move(client);
  }
  co_return opened;
}

net::Task<std::optional<Outcome>> Client::greet(const Manners& manners, Opened& opened) {
  // RFC 5321 §4.3.1: nothing is sent before the banner.
  Result<smtp::Reply> banner = co_await read_reply(options_.banner_timeout);
  if (!banner) {
    opened.silent = true;
    co_return unreachable(target_, banner.error());
  }
  if (!positive(*banner))
    co_return classify(*banner, Stage::Banner, replies_);  // 521 and 554: permanent (RFC 7504 §4)

  std::optional<Outcome> failure = co_await hello();
  if (failure) co_return failure;
  if (manners.tls != TlsPolicy::None) {
    failure = co_await start_tls(manners, opened);
    if (failure) co_return failure;
  }
  if (!manners.user.empty()) {
    failure = co_await authenticate(manners);
    if (failure) co_return failure;
  }
  co_return std::nullopt;
}

net::Task<std::optional<Outcome>> Client::hello() {
  extensions_ = {};
  Result<smtp::Reply> ehlo = co_await command("EHLO " + hostname_, options_.command_timeout);
  if (!ehlo) co_return unreachable(target_, ehlo.error());
  if (positive(*ehlo)) {
    extensions_ = parse_extensions(ehlo->lines);
    co_return std::nullopt;
  }
  // RFC 5321 §3.2: a server that does not know EHLO is spoken to as of old, without extensions.
  if (ehlo->code / 100 != 5) co_return classify(*ehlo, Stage::Hello, replies_);
  Result<smtp::Reply> helo = co_await command("HELO " + hostname_, options_.command_timeout);
  if (!helo) co_return unreachable(target_, helo.error());
  if (!positive(*helo)) co_return classify(*helo, Stage::Hello, replies_);
  co_return std::nullopt;
}

net::Task<std::optional<Outcome>> Client::start_tls(const Manners& manners, Opened& opened) {
  const bool required = manners.tls == TlsPolicy::Required || manners.tls == TlsPolicy::Dane;
  if (!extensions_.starttls) {
    opened.tls_short = required;
    if (required)
      co_return local_outcome(Decision::Retry, "4.7.10", target_.host + " does not offer STARTTLS");
    co_return std::nullopt;
  }
  opened.starttls_offered = true;
  // RFC 3207 §4: STARTTLS is the last command of its group, TLS starts right after the 220.
  Result<smtp::Reply> reply = co_await command("STARTTLS", options_.command_timeout);
  if (!reply) co_return unreachable(target_, reply.error());
  if (!positive(*reply)) {
    opened.tls_short = required;
    if (required) co_return classify(*reply, Stage::StartTls, replies_);
    co_return std::nullopt;
  }
  stream_.discard_buffered();  // what came in the clear behind the 220 is not the server's word (RFC 3207 §6)
  net::TlsPeer peer = manners.tls_peer.value_or(net::TlsPeer{target_.host, {}, {}});
  Result<> tls =
      co_await stream_.connect_tls(manners.tls_client, std::move(peer), deadline(options_.command_timeout));
  opened.tls = stream_.tls_info();
  if (!tls) {
    opened.tls_broke = true;
    opened.tls_short = required;
    usable_ = false;
    const std::string& certificate = opened.tls->verify_error;
    co_return local_outcome(Decision::Retry, "4.7.5",
                            target_.host + ": TLS: " +
                                (certificate.empty() ? tls.error().detail : "certificate: " + certificate));
  }
  // RFC 3207 §4.2: what was offered in the clear is forgotten.
  std::optional<Outcome> failure = co_await hello();
  co_return failure;
}

net::Task<> Client::quit() {
  if (!usable_) {
    co_await stream_.shutdown(clock_.steady_now());
    co_return;
  }
  // Whatever the answer is, the connection ends.
  [[maybe_unused]] Result<smtp::Reply> bye = co_await command("QUIT", options_.quit_timeout);
  usable_ = false;
  co_await stream_.shutdown(deadline(options_.quit_timeout));
}

net::Task<Result<smtp::Reply>> Client::command(std::string line, std::chrono::seconds timeout) {
  if (listener_ != nullptr) (*listener_)('C', line);
  line += "\r\n";
  POSTERN_CO_CHECK(co_await write(line, timeout));
  Result<smtp::Reply> reply = co_await read_reply(timeout);
  co_return reply;
}

net::Task<Result<smtp::Reply>> Client::secret_command(std::string line, std::string shown) {
  if (listener_ != nullptr) (*listener_)('C', shown);
  line += "\r\n";
  POSTERN_CO_CHECK(co_await write(line, options_.command_timeout));
  Result<smtp::Reply> reply = co_await read_reply(options_.command_timeout);
  co_return reply;
}

}  // namespace postern::delivery
