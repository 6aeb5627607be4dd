#include "probe/old_tls.h"

#include "probe/dialogue.h"

#include <algorithm>
#include <chrono>

namespace postern::probe {
namespace {

/// A server that has shaken hands a moment ago answers again at once, or limits us.
constexpr std::chrono::seconds kPatience{5};

/// The version of one handshake that offers nothing newer than `newest`; "" when there is none.
std::string version_up_to(Newest newest, const TlsWay& way, const Handshaker& tls, SteadyTime deadline) {
  auto [tcp, wire] = connect(way.remote, deadline);
  if (tcp.outcome != TcpOutcome::Open) return {};
  if (!way.implicit_tls) {
    if (read_reply(wire, deadline).code != 220) return {};
    if (greet(wire, way.ehlo_name, deadline).reply.code / 100 != 2) return {};
    if (ask(wire, "STARTTLS", deadline).code != 220) return {};
    wire.discard_buffered();
  }
  const TlsSeen seen = tls.handshake(wire, way.host, deadline, newest);
  return seen.outcome == TlsOutcome::Done ? seen.version : std::string();
}

}  // namespace

std::vector<std::string> old_tls_versions(const TlsWay& way, const Handshaker& tls, SteadyTime deadline) {
  const SteadyTime until = std::min(deadline, std::chrono::steady_clock::now() + kPatience);
  std::vector<std::string> out;
  for (const Newest newest : {Newest::Tls11, Newest::Tls10}) {
    const std::string version = version_up_to(newest, way, tls, until);
    if (version.empty()) break;
    if (std::find(out.begin(), out.end(), version) == out.end()) out.push_back(version);
  }
  return out;
}

}  // namespace postern::probe
