#include "probe/endpoint_judge.h"
#include "probe/recognise.h"

#include <fmt/format.h>

#include <iterator>

namespace postern::probe {
namespace {

/// Between the last line of a banner and the first, or before it: longer is worth a word.
constexpr Elapsed kSlowBanner{3000};

}  // namespace

void EndpointJudge::private_address() {
  constexpr const char* kPrivate[] = {"10.0.0.0", "172.16.0.0", "192.168.0.0", "100.64.0.0", "fc00::"};
  constexpr unsigned kBits[] = {8, 12, 16, 10, 7};
  for (std::size_t i = 0; i < std::size(kBits); ++i) {
    const Result<net::IpAddress> network = net::IpAddress::parse(kPrivate[i]);
    if (!network || network->is_v6() != seen_.ip.is_v6() || seen_.ip.network(kBits[i], kBits[i]) != *network)
      continue;
    add(Severity::Note, Failure::None, Step::Tcp, seen_.ip.text() + " is a private address",
        "it can be reached from inside its own network only; from outside a router has to forward the port "
        "(NAT)",
        "from outside use the public address");
  }
}

void EndpointJudge::silent() {
  const std::string what = fmt::format("{} is filtered: no answer of any kind in {:.0f} s", where(),
                                       static_cast<double>(seen_.tcp.elapsed.count()) / 1000.0);
  if (seen_.ip.is_v6() && open_on_other_family()) {
    return fault(
        Failure::Filtered, Step::Tcp, what,
        "IPv6 to this host goes nowhere while IPv4 works: its AAAA record names an address that does not "
        "answer, its firewall forgot IPv6, or a network on the way loses IPv6",
        "on the server, let port " + std::to_string(seen_.port) +
            " in for IPv6 as well (postern firewall status), or take the AAAA record away until it works");
  }
  if (is_relay_port(seen_.port)) {
    return fault(
        Failure::Filtered, Step::Tcp, what,
        "most access and hosting providers block outgoing port 25 without a word; the server's firewall "
        "may do the same",
        "to send mail as a user, use 587 or 465; if this machine has to deliver mail itself, ask its "
        "provider "
        "to open port 25 or use a smarthost");
  }
  if (other_port_answers()) {
    return fault(
        Failure::Filtered, Step::Tcp, what,
        "a firewall drops this port only, since the address answers on others: the server's own, its hosting "
        "provider's (security group) or one of the network you are in",
        fmt::format("on the server run `postern firewall status --port {0}`; look at the provider's "
                    "firewall; then try from another network (a phone) to see which side it is",
                    seen_.port));
  }
  fault(
      Failure::Filtered, Step::Tcp, what,
      "a firewall drops the packets (the server's, its provider's or your network's), a router (NAT) does "
      "not "
      "forward the port, or no machine has this address",
      fmt::format(
          "check that the address is right and the machine is up; on the server run `postern firewall status "
          "--port {0}`; behind NAT, forward {0}; then try from another network to see which side it is",
          seen_.port));
}

void EndpointJudge::icmp() {
  const std::string port = std::to_string(seen_.port);
  const std::string sender = seen_.tcp.sender ? seen_.tcp.sender->text() : "an unknown sender";
  const bool host_itself = seen_.tcp.sender && *seen_.tcp.sender == seen_.ip;
  if (seen_.tcp.sender_is_us) {
    return fault(Failure::DeniedHere, Step::Tcp,
                 where() + " is refused by this machine itself: ICMP " + seen_.tcp.icmp,
                 "an outgoing REJECT rule of this machine's own firewall",
                 "look at the output rules: `nft list ruleset`, `iptables -S OUTPUT`");
  }
  std::string cause = "a router on the way (" + sender +
                      ") rejects it: the provider's or your network's firewall, not the mail server";
  if (host_itself) cause = "the host's own firewall has a REJECT rule for this port";
  if (host_itself && seen_.same_host) cause = "a REJECT rule of this machine's own firewall";
  fault(Failure::RefusedByFirewall, Step::Tcp,
        fmt::format("{} is refused by a firewall: ICMP {} from {}{}", where(), seen_.tcp.icmp, sender,
                    host_itself ? " (the host itself)" : ""),
        cause,
        host_itself ? "on the server: `postern firewall status --port " + port +
                          "`, then `postern firewall open --port " + port + '`'
                    : "ask who runs " + sender + ", or use another network or port");
}

void EndpointJudge::refused() {
  const std::string port = std::to_string(seen_.port);
  fault(Failure::Refused, Step::Tcp, where() + " is refused: the host answers with a reset (RST)",
        other_port_open() ? "the host is up and no program listens on port " + port
                          : "no program listens on port " + port +
                                "; a firewall that rejects with tcp-reset looks the same from here",
        "on the server see what listens: `ss -ltnp 'sport = :" + port +
            "'` or `postern firewall status --port " + port +
            "`; start the service or correct its listening address (127.0.0.1 only is a frequent one)");
}

void EndpointJudge::unreachable() {
  // A host that says of itself that it is unreachable has a REJECT rule.
  if (seen_.tcp.sender && *seen_.tcp.sender == seen_.ip) return icmp();
  const bool host = seen_.tcp.outcome == TcpOutcome::HostUnreachable;
  const std::string who = seen_.tcp.sender && !seen_.tcp.sender_is_us
                              ? "ICMP " + seen_.tcp.icmp + " from " + seen_.tcp.sender->text()
                              : "nobody has this address on the last network";
  fault(Failure::Unreachable, Step::Tcp, where() + " is unreachable: " + who,
        host ? "the machine is off, the address is wrong, or a firewall on the way pretends so"
             : "a router on the way has no route to it, or a firewall pretends so",
        host ? "check the address and that the machine is up; a ping or another port tells more"
             : "check the address; ask your network or the hosting provider");
}

void EndpointJudge::tcp() {
  const std::string at = where();
  const bool via_icmp = !seen_.tcp.icmp.empty();
  switch (seen_.tcp.outcome) {
    case TcpOutcome::Open:
      return;
    case TcpOutcome::Silent:
      silent();
      return private_address();
    case TcpOutcome::RefusedByIcmp:
    case TcpOutcome::Prohibited:
      return icmp();
    case TcpOutcome::ProtocolUnreachable:
      return via_icmp ? icmp()
                      : fault(Failure::RefusedByFirewall, Step::Tcp, at + " is refused: protocol unreachable",
                              "a firewall's REJECT rule", "look at the firewalls on the way");
    case TcpOutcome::RefusedByReset:
      return refused();
    case TcpOutcome::HostUnreachable:
    case TcpOutcome::NetworkUnreachable:
      return unreachable();
    case TcpOutcome::NoRoute:
      return fault(Failure::NoRoute, Step::Tcp,
                   fmt::format("{}: this machine has no route to {} addresses there ({})", at,
                               seen_.ip.is_v6() ? "IPv6" : "IPv4", seen_.tcp.error),
                   seen_.ip.is_v6() ? "this machine has no IPv6; that is no fault of the server"
                                    : "this machine's network is not set up, or is down",
                   seen_.ip.is_v6() ? "check IPv6 from a machine that has it, or leave it out with -4"
                                    : "look at `ip route`");
    case TcpOutcome::DeniedHere:
      return fault(Failure::DeniedHere, Step::Tcp,
                   at + ": this machine forbids the connection: " + seen_.tcp.error,
                   "an outgoing rule of this machine's own firewall or a security module",
                   "look at the output rules: `nft list ruleset`, `iptables -S OUTPUT`");
    case TcpOutcome::OtherError:
      return fault(Failure::Unreachable, Step::Tcp, at + ": " + seen_.tcp.error, "an unusual network error",
                   "try again");
  }
}

void EndpointJudge::other_protocol() {
  const BannerSeen& banner = seen_.banner;
  const std::string port = std::to_string(seen_.port);
  if (banner.protocol == Protocol::Tls) {
    return fault(
        Failure::WrongTlsMode, Step::Banner, where() + " speaks TLS at once, without a banner",
        "implicit TLS (as on 465) runs on port " + port + ", where clients expect clear text and STARTTLS",
        "set clients to \"SSL/TLS\" for this port, or the server to STARTTLS on 587 and implicit TLS on 465 "
        "(Postfix: smtpd_tls_wrappermode=no for submission)");
  }
  fault(Failure::OtherProtocol, Step::Banner,
        fmt::format("{} answers with {}, not SMTP{}", where(), to_string(banner.protocol),
                    banner.text.empty() ? "" : ": " + banner.text),
        banner.protocol == Protocol::Http
            ? "a web server or proxy listens there, or a captive portal answers in place "
              "of the server"
            : "another service listens on this port",
        "check host and port; on the server `ss -ltnp` names the program");
}

namespace {
/// Who may stand between us and the server; "" when nothing says so.
std::string who_cuts_in(bool everything_answers) {
  if (!everything_answers) return "";
  return "a middlebox takes every connection to this port, even to addresses where nobody is: a proxy, an "
         "antivirus or a captive network";
}
}  // namespace

bool EndpointJudge::banner() {
  const BannerSeen& banner = seen_.banner;
  const std::string cut_in = who_cuts_in(seen_.everything_answers);
  switch (banner.outcome) {
    case BannerOutcome::Ready:
      break;
    case BannerOutcome::NotTried:
      return false;
    case BannerOutcome::OtherProtocol:
      other_protocol();
      return false;
    case BannerOutcome::Refused:
      fault(Failure::ServiceRefused, Step::Banner,
            fmt::format("{} refuses service: {} {}", where(), banner.code, banner.text),
            banner.code / 100 == 5 ? "the server does not serve your address: a block list, or a rule"
                                   : "the server is overloaded, in maintenance, or limits your address",
            banner.code / 100 == 5
                ? "look the address of this machine up in the server's log and in block lists"
                : "try again later");
      return false;
    case BannerOutcome::Silent:
      fault(Failure::NoBanner, Step::Banner,
            fmt::format("{} is open but says nothing in {:.0f} s", where(),
                        static_cast<double>(banner.complete.count()) / 1000.0),
            !cut_in.empty()
                ? cut_in
                : "the program behind the port hangs, a NAT or proxy accepts for a server that is down, or "
                  "it is no SMTP server",
            "try with a longer --timeout; restart the service; look whether it is the right port");
      return false;
    case BannerOutcome::Closed:
    case BannerOutcome::Reset:
      fault(Failure::Dropped, Step::Banner,
            where() + " opens and is " + (banner.outcome == BannerOutcome::Closed ? "closed" : "reset") +
                " before any banner",
            !cut_in.empty()
                ? cut_in
                : "the server drops your address (block list, TCP wrapper, connection limit), a proxy or "
                  "port forward has no server behind it, or a middlebox cuts in",
            "look into the server's log for your address; from another network it tells who cuts");
      return false;
  }
  if (banner.masked) {
    add(Severity::Warning, Failure::None, Step::Banner,
        "the banner is overwritten with stars: " + banner.text,
        "a firewall with SMTP inspection (\"fixup\", ESMTP inspection) rewrites the conversation",
        "turn SMTP inspection off on that firewall");
  }
  if (banner.paused || banner.complete > kSlowBanner) {
    add(Severity::Warning, Failure::None, Step::Banner,
        fmt::format("the banner took {:.1f} s{}", static_cast<double>(banner.complete.count()) / 1000.0,
                    banner.paused ? ", with a pause inside" : ""),
        banner.paused ? "a greet pause: whoever talks before it ends is taken for a spammer"
                      : "a greet delay, a slow reverse look-up of your address, or an overloaded server",
        "programs with a shorter timeout give up; RFC 5321 §4.5.3.2.1 asks clients to wait five minutes");
  }
  return true;
}

}  // namespace postern::probe
