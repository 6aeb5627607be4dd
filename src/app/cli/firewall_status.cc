#include "app/cli/firewall_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace postern::app::cli {
namespace {

namespace json = boost::json;

json::array strings(const std::vector<std::string>& list) {
  json::array out;
  for (const std::string& text : list) out.emplace_back(text);
  return out;
}

const char* word_of(probe::PortAccess::Kind kind) {
  switch (kind) {
    case probe::PortAccess::Kind::Allowed:
      return "allowed";
    case probe::PortAccess::Kind::Denied:
      return "denied";
    case probe::PortAccess::Kind::NotUnderstood:
      return "not-understood";
  }
  return "unknown";
}

/// Sockets that are there and that some clients cannot reach.
void listening_gaps(PortStatus& status) {
  const auto& sockets = status.sockets;
  if (sockets.empty()) return status.in_the_way.push_back("nothing listens on it");
  if (std::all_of(sockets.begin(), sockets.end(),
                  [](const probe::Listening& s) { return s.ip.is_loopback(); }))
    return status.in_the_way.push_back("it listens on loopback only: no other machine can reach it");
  // A socket of [::] mostly takes IPv4 as well; whether it does cannot be seen from here.
  const bool for_v6 = std::any_of(sockets.begin(), sockets.end(), [](const probe::Listening& s) {
    return s.v6_socket && s.ip.is_v6() && !s.ip.is_loopback();
  });
  if (!for_v6) status.in_the_way.emplace_back("IPv6: it listens on IPv4 addresses only");
}

}  // namespace

Result<PortStatus> port_status(const probe::OpenRequest& request, const probe::FirewallFacts& facts) {
  const auto& [port, from, backend] = request;
  PortStatus out;
  out.port = port;
  out.sockets = probe::listening_on(port);
  if (out.sockets.empty()) out.in_the_way.emplace_back("nothing listens on it");
  listening_gaps(out);
  for (const bool v6 : {false, true}) {
    if (from && from->ip.is_v6() != v6) continue;
    POSTERN_TRY(probe::PortAccess access, probe::access_to(facts, {port, v6, from, facts.interface}));
    const char* const family = v6 ? "IPv6" : "IPv4";
    if (access.kind == probe::PortAccess::Kind::Denied)
      out.in_the_way.push_back(fmt::format("{}: {} drops it", family, access.by));
    if (access.kind == probe::PortAccess::Kind::NotUnderstood) {
      out.in_the_way.push_back(fmt::format("{}: perhaps {}, whose rules are not all understood ({})", family,
                                           access.by, fmt::join(access.unknown, "; ")));
    }
    for (const std::string& part : access.in_part)
      out.in_the_way.push_back(fmt::format("{}: some of it: {}", family, part));
    out.access.push_back(std::move(access));
  }
  return out;
}

json::object to_json(const PortStatus& status) {
  json::array sockets;
  for (const probe::Listening& socket : status.sockets) {
    sockets.push_back(json::object{
        {"address", socket.ip.text()}, {"ipv6_socket", socket.v6_socket}, {"program", socket.program}});
  }
  json::object out{
      {"port", status.port}, {"listening", std::move(sockets)}, {"in_the_way", strings(status.in_the_way)}};
  for (const probe::PortAccess& access : status.access) {
    out[access.v6 ? "ipv6" : "ipv4"] = json::object{
        {"access", word_of(access.kind)}, {"by", access.by}, {"in_part", strings(access.in_part)}};
  }
  return out;
}

std::string to_text(const PortStatus& status) {
  std::ostringstream out;
  out << "port " << status.port << '\n';
  for (const probe::Listening& socket : status.sockets) {
    out << "  listening: " << (socket.program.empty() ? "a program that may not be seen" : socket.program)
        << " on " << net::Endpoint{socket.ip, socket.port}.text() << '\n';
  }
  if (status.sockets.empty()) out << "  listening: nothing\n";
  for (const probe::PortAccess& access : status.access) {
    out << "  " << (access.v6 ? "IPv6" : "IPv4") << ":      " << word_of(access.kind) << ": " << access.by
        << '\n';
  }
  for (const std::string& reason : status.in_the_way) out << "  in the way: " << reason << '\n';
  return out.str();
}

}  // namespace postern::app::cli
