#include "probe/endpoint_check.h"

#include "probe/connect.h"
#include "probe/dialogue.h"
#include "probe/old_tls.h"
#include "probe/recognise.h"

#include <algorithm>
#include <future>
#include <optional>
#include <utility>

namespace postern::probe {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Three SYNs (0, 1 and 3 s) and time for the answer to the last.
constexpr seconds kConnectWait{7};
/// A server that has said nothing for so long is asked for other protocols on a second connection. Not sooner:
/// a client that talks before the banner counts as a spammer.
constexpr milliseconds kSilence{3000};
constexpr milliseconds kSilenceUnknownPort{1000};
constexpr milliseconds kGuessWait{2500};
/// On an implicit TLS port a plain server would speak first.
constexpr milliseconds kEarlyTalk{300};
/// Between two lines of one banner: more is a pause on purpose.
constexpr milliseconds kGreetPause{700};
/// A banner that took longer is a delay on purpose, or a server in trouble.
constexpr milliseconds kPatientServer{3000};
/// TEST-NET-1 (RFC 5737): nobody is there, so whoever answers stands in between.
constexpr const char* kNobody = "192.0.2.1";

SteadyTime now() { return std::chrono::steady_clock::now(); }
Elapsed since(SteadyTime start) { return std::chrono::duration_cast<Elapsed>(now() - start); }

/// What a port speaks that says nothing of its own accord.
Protocol guess_protocol(const Remote& remote, const std::string& host, const Handshaker& tls,
                        SteadyTime deadline) {
  auto [tcp, wire] = connect(remote, std::min(deadline, now() + kGuessWait));
  if (tcp.outcome != TcpOutcome::Open) return Protocol::None;
  const TlsSeen seen = tls.handshake(wire, host, std::min(deadline, now() + kGuessWait));
  if (seen.outcome == TlsOutcome::Done || seen.outcome == TlsOutcome::Alert) return Protocol::Tls;
  if (seen.protocol != Protocol::None) return seen.protocol;
  auto [again, plain] = connect(remote, std::min(deadline, now() + kGuessWait));
  if (again.outcome != TcpOutcome::Open) return Protocol::None;
  const SteadyTime until = std::min(deadline, now() + kGuessWait);
  if (!plain.write("HEAD / HTTP/1.0\r\n\r\n", until)) return Protocol::None;
  const Result<std::string> answer = plain.read_some(until);
  return answer ? recognise(*answer) : Protocol::None;
}

class EndpointCheck {
 public:
  EndpointCheck(const CheckOptions& options, const Handshaker& tls, SteadyTime deadline,
                const OnStep& on_step)
      : options_(options), tls_(tls), deadline_(deadline), on_step_(on_step) {}

  EndpointSeen run(const std::string& host, const net::Endpoint& endpoint) {
    seen_.host = host;
    seen_.ip = endpoint.ip;
    seen_.port = endpoint.port;
    seen_.implicit_tls = mode_of(endpoint.port).implicit_tls;
    seen_.mode_guessed = !mode_of(endpoint.port).known;
    seen_.same_host = is_own_address(endpoint.ip);
    std::optional<Wire> wire = open();
    if (wire) converse(*wire);
    if (wire && turned_out_implicit_) {
      seen_.implicit_tls = true;
      std::optional<Wire> second = open();
      if (second) converse(*second);
    }
    look_for_middlebox();
    if (old_tls_.valid()) seen_.tls.old_versions = old_tls_.get();
    seen_.deadline_hit = now() >= deadline_;
    return std::move(seen_);
  }

 private:
  std::optional<Wire> open() {
    auto [tcp, wire] = connect(remote(), std::min(deadline_, now() + kConnectWait));
    seen_.tcp = tcp;
    if (!turned_out_implicit_) step(Step::Tcp);
    if (tcp.outcome != TcpOutcome::Open) return std::nullopt;
    return std::move(wire);
  }

  void converse(Wire& wire) {
    if (seen_.implicit_tls && !start_implicit(wire)) return;
    read_banner(wire);
    step(Step::Banner);
    if (seen_.banner.outcome != BannerOutcome::Ready) return;
    if (!seen_.implicit_tls) {
      seen_.ehlo = greet(wire, ehlo_name(), deadline_);
      step(Step::Ehlo);
      if (seen_.ehlo.reply.code / 100 != 2) return;  // HELO alone leads nowhere: no TLS, no login
      try_auth_in_clear(wire);
      if (!start_tls(wire)) return finish_in_clear(wire);
    }
    seen_.ehlo_tls = greet(wire, ehlo_name(), deadline_);
    step(Step::EhloTls);
    look_for_old_tls();
    if (seen_.ehlo_tls.reply.code / 100 != 2) return;
    step(Step::Auth);
    after_greeting(wire, seen_.ehlo_tls);
  }

  /// On connections of its own, while the conversation goes on. Not where clients are made to wait: it would double that.
  void look_for_old_tls() {
    if (seen_.tls.is_old() || seen_.banner.complete > kPatientServer || old_tls_.valid()) return;
    old_tls_ =
        std::async(std::launch::async, old_tls_versions,
                   TlsWay{remote(), seen_.host, seen_.implicit_tls, ehlo_name()}, std::cref(tls_), deadline_);
  }

  /// The handshake of an implicit TLS port; false when nothing can follow.
  bool start_implicit(Wire& wire) {
    if (wire.wait_readable(std::min(deadline_, now() + kEarlyTalk))) {
      const Result<std::string> early = wire.peek(now());
      if (early && !early->empty() && recognise(*early) != Protocol::Tls) {
        seen_.tls.outcome = TlsOutcome::PeerSpokeClear;
        seen_.tls.protocol = recognise(*early);
        seen_.tls.first_octets = printable(*early);
        step(Step::Tls);
        return false;
      }
    }
    seen_.tls = tls_.handshake(wire, seen_.host, deadline_);
    step(Step::Tls);
    return seen_.tls.outcome == TlsOutcome::Done;
  }

  void read_banner(Wire& wire) {
    const SteadyTime start = now();
    seen_.banner = {};
    const milliseconds silence = seen_.mode_guessed ? kSilenceUnknownPort : kSilence;
    if (!wire.is_tls() && !wire.wait_readable(std::min(deadline_, start + silence))) {
      seen_.banner.answers_tls_with = wait_and_guess(wire);
      if (seen_.banner.answers_tls_with != Protocol::None) {
        seen_.banner.outcome = BannerOutcome::OtherProtocol;
        seen_.banner.protocol = seen_.banner.answers_tls_with;
        seen_.banner.complete = since(start);
        turned_out_implicit_ = seen_.mode_guessed && seen_.banner.protocol == Protocol::Tls;
        return;
      }
    }
    read_banner_lines(wire, start);
    seen_.banner.complete = since(start);
  }

  /// Until the banner comes or another protocol is known; None when the banner came or time is up.
  Protocol wait_and_guess(const Wire& wire) {
    guess_ = std::async(std::launch::async, guess_protocol, remote(), seen_.host, std::cref(tls_), deadline_);
    while (now() < deadline_) {
      if (wire.wait_readable(std::min(deadline_, now() + milliseconds{50}))) return Protocol::None;
      if (!guess_.valid() || guess_.wait_for(seconds{0}) != std::future_status::ready) continue;
      const Protocol found = guess_.get();
      // Whatever answered a hello with SMTP would have sent its banner here as well.
      if (found != Protocol::None && found != Protocol::Smtp && found != Protocol::Unknown) return found;
    }
    return Protocol::None;
  }

  void read_banner_lines(Wire& wire, SteadyTime start) {
    BannerSeen& banner = seen_.banner;
    if (!wire.is_tls() && wire.wait_readable(deadline_)) {
      const Result<std::string> octets = wire.peek(now());
      banner.first_octet = since(start);
      if (!octets) {  // the error is reported once
        banner.outcome = BannerOutcome::Reset;
        return;
      }
      if (!octets->empty()) banner.protocol = recognise(*octets);
      if (banner.protocol != Protocol::None) banner.text = printable(*octets);
      // "2" alone may become "220": only what cannot be a reply is settled by its first octets.
      const bool may_become_reply = octets && octets->size() < 4 && octets->find('\n') == std::string::npos;
      if (banner.protocol != Protocol::None && banner.protocol != Protocol::Smtp &&
          banner.protocol != Protocol::Lmtp && !may_become_reply) {
        banner.outcome = BannerOutcome::OtherProtocol;
        return;
      }
    }
    const SteadyTime first = now();
    const Exchange reply = read_reply(wire, deadline_);
    if (wire.is_tls()) banner.first_octet = since(start);
    banner.paused = now() - first > kGreetPause && !wire.is_tls();
    banner.code = reply.code;
    if (reply.code != 0) {
      banner.text = reply.text;
      banner.protocol = banner.protocol == Protocol::Lmtp ? Protocol::Lmtp : Protocol::Smtp;
      banner.masked = banner_is_masked(reply.text);
      banner.outcome = reply.code == 220 ? BannerOutcome::Ready : BannerOutcome::Refused;
      if (banner.protocol == Protocol::Lmtp) banner.outcome = BannerOutcome::OtherProtocol;
      return;
    }
    if (reply.error == "timeout") {
      banner.outcome = BannerOutcome::Silent;
    } else if (reply.error == "closed") {
      banner.outcome = BannerOutcome::Closed;
    } else if (reply.error.starts_with("not an SMTP reply")) {
      banner.outcome = BannerOutcome::OtherProtocol;
      if (banner.text.empty()) banner.text = reply.error;
      if (banner.protocol == Protocol::Smtp || banner.protocol == Protocol::None)
        banner.protocol = Protocol::Unknown;
    } else {
      banner.outcome = BannerOutcome::Reset;
    }
  }

  /// Asked only where AUTH is not offered: where it is, the answer is known, and an aborted AUTH might count as
  /// a failed login.
  void try_auth_in_clear(Wire& wire) {
    if (!seen_.ehlo.mechanisms.empty()) return;
    seen_.auth_clear_tried = true;
    seen_.auth_clear = ask(wire, "AUTH PLAIN", deadline_);
    if (seen_.auth_clear.code == 334) (void)ask(wire, "*", deadline_);
  }

  /// Asks for TLS even where it is not offered: a middlebox that removed the offer may let the command pass.
  bool start_tls(Wire& wire) {
    seen_.starttls.tried = true;
    seen_.starttls.offered = seen_.ehlo.offers("STARTTLS");
    if (!seen_.auth_clear.error.empty()) {
      seen_.starttls.reply.error = seen_.auth_clear.error;
      return false;
    }
    seen_.starttls.reply = ask(wire, "STARTTLS", deadline_);
    step(Step::StartTls);
    if (seen_.starttls.reply.code != 220) return false;
    wire.discard_buffered();  // RFC 3207 §4.2: nothing said in clear counts any more
    seen_.tls = tls_.handshake(wire, seen_.host, deadline_);
    step(Step::Tls);
    return seen_.tls.outcome == TlsOutcome::Done;
  }

  void finish_in_clear(Wire& wire) {
    const Exchange& reply = seen_.starttls.reply;
    if (seen_.tls.outcome != TlsOutcome::NotTried || reply.code == 0 || reply.code == 421) return;
    const Exchange mail = ask(wire, "MAIL FROM:<>", deadline_);
    const std::string text = upper_text(mail.text);
    seen_.starttls.wanted = mail.code / 100 == 5 && (text.find("TLS") != std::string::npos);
    seen_.starttls.wanted_text = mail.text;
    if (mail.code / 100 == 2) (void)ask(wire, "RSET", deadline_);
    after_greeting(wire, seen_.ehlo);
  }

  void after_greeting(Wire& wire, const EhloSeen& greeting) {
    if (options_.try_relay) {
      seen_.relay = try_relay(wire, deadline_);
      step(Step::Relay);
    }
    // Port 25 is between servers: without AUTH there, a login was never meant for it.
    const bool no_login = is_relay_port(seen_.port) && greeting.mechanisms.empty();
    if (!options_.login.user.empty() && !no_login) log_in(wire, greeting.mechanisms);
    const bool may_send = options_.login.user.empty() || seen_.login.reply.code == 235;
    if (!options_.send_to.empty() && may_send) {
      const std::string& from = options_.send_from.empty() ? options_.login.user : options_.send_from;
      seen_.message = send_message(wire, {from, options_.send_to, seen_.host}, deadline_);
      step(Step::Message);
    }
    (void)ask(wire, "QUIT", std::min(deadline_, now() + seconds{1}));
  }

  void log_in(Wire& wire, const std::vector<std::string>& mechanisms) {
    const std::string why_not = why_no_secret(seen_);
    if (!why_not.empty() && !options_.secret_without_verified_tls) {
      seen_.login.refused_by_us = why_not;
      seen_.login.with_token = options_.login.is_token;
    } else {
      seen_.login = login(wire, mechanisms, options_.login, {seen_.host, seen_.port}, deadline_);
    }
    step(Step::Login);
  }

  /// Where a connection opens and then nothing sensible follows, does somebody answer for every address?
  void look_for_middlebox() {
    const bool odd =
        seen_.tcp.outcome == TcpOutcome::Open &&
        (seen_.banner.outcome == BannerOutcome::Closed || seen_.banner.outcome == BannerOutcome::Reset ||
         seen_.banner.outcome == BannerOutcome::Silent || seen_.tls.untrusted ||
         (seen_.starttls.tried && !seen_.starttls.offered));
    const Result<net::IpAddress> nobody = net::IpAddress::parse(kNobody);
    if (!odd || seen_.same_host || !nobody) return;
    const auto [tcp, wire] = connect({{*nobody, seen_.port}}, now() + seconds{1});
    seen_.everything_answers = tcp.outcome == TcpOutcome::Open;
  }

  [[nodiscard]] Remote remote() const { return {{seen_.ip, seen_.port}, options_.zone}; }
  [[nodiscard]] std::string ehlo_name() const {
    if (!options_.ehlo_name.empty()) return options_.ehlo_name;
    return seen_.tcp.local ? seen_.tcp.local->literal() : "localhost";
  }
  static std::string upper_text(std::string text) {
    for (char& c : text) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return text;
  }
  void step(Step which) const {
    if (on_step_) on_step_(seen_, which);
  }

  const CheckOptions& options_;
  const Handshaker& tls_;
  SteadyTime deadline_;
  const OnStep& on_step_;
  EndpointSeen seen_;
  bool turned_out_implicit_ = false;
  std::future<Protocol> guess_;
  std::future<std::vector<std::string>> old_tls_;
};

}  // namespace

const char* to_string(Step step) {
  switch (step) {
    case Step::Dns:
      return "dns";
    case Step::Tcp:
      return "tcp";
    case Step::Banner:
      return "banner";
    case Step::Ehlo:
      return "ehlo";
    case Step::StartTls:
      return "starttls";
    case Step::Tls:
      return "tls";
    case Step::EhloTls:
      return "ehlo-tls";
    case Step::Auth:
      return "auth";
    case Step::Relay:
      return "relay";
    case Step::Login:
      return "login";
    case Step::Message:
      return "message";
  }
  return "step";
}

PortMode mode_of(std::uint16_t port) {
  constexpr std::uint16_t kSubmissions = 465;
  switch (port) {
    case kSubmissions:
      return {.known = true, .implicit_tls = true};  // RFC 8314 §3.3
    case 25:
    case 587:
    case 2525:
      return {.known = true, .implicit_tls = false};
    default:
      return {};
  }
}

bool is_relay_port(std::uint16_t port) { return port == 25; }

std::string why_no_secret(const EndpointSeen& seen) {
  const TlsSeen& tls = seen.tls;
  if (tls.outcome != TlsOutcome::Done) return "there is no TLS";
  if (!tls.verify_errors.empty()) return "the certificate is not good: " + tls.verify_errors.front();
  if (!tls.name_matches) return "the certificate is for another name";
  if (tls.is_old()) return tls.version + " is broken";
  for (const CertificateSeen& certificate : tls.chain) {
    if (!certificate.weakness.empty()) return "the certificate is too weak: " + certificate.weakness;
  }
  return {};
}

EndpointSeen check_endpoint(const std::string& host, const net::Endpoint& endpoint,
                            const CheckOptions& options, const Handshaker& tls, SteadyTime deadline,
                            const OnStep& on_step) {
  return EndpointCheck(options, tls, deadline, on_step).run(host, endpoint);
}

}  // namespace postern::probe
