#pragma once

#include "net/endpoint.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// What packet filters say about one kind of packet, whichever tool made the rules.
namespace postern::probe {

/// An address with a prefix length, "192.0.2.0/24".
struct Network {
  net::IpAddress ip;
  unsigned bits = 0;
  /// A bare address is a network of one. Error: Malformed, also when host bits are set.
  [[nodiscard]] static Result<Network> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool contains(const Network& other) const;
  [[nodiscard]] bool overlaps(const Network& other) const;
};

/// The first packet of a TCP connection from outside to one port of this machine.
struct Packet {
  std::uint16_t port = 0;
  bool v6 = false;
  std::optional<Network> from;  ///< nothing: from anywhere
  std::string interface;        ///< where it comes in; empty: not known
};

enum class Match {
  Yes,
  No,
  Some,     ///< some such packets: of one interface or network, or under a rate
  Unknown,  ///< a condition that we cannot judge
};
/// All conditions of a rule together.
[[nodiscard]] Match both(Match a, Match b);
/// Whether a packet comes in by an interface of that name; `wildcard` at its end stands for any rest ("eth*", "eth+").
[[nodiscard]] Match comes_in_by(const Packet& packet, std::string_view name, char wildcard);

enum class Action { Continue, Accept, Drop, Reject, Jump, Goto, Return, Unknown };

struct FilterRule {
  std::string text;    ///< as a human knows it
  std::string handle;  ///< nft's handle, or the number in an iptables chain
  Match match = Match::Yes;
  Action action = Action::Continue;
  std::string target;  ///< of Jump and Goto
};

/// Who wrote a chain and hence how to add to it.
enum class FilterTool { Nft, Iptables, IptablesLegacy };

struct FilterChain {
  FilterTool tool = FilterTool::Nft;
  std::string family;  ///< "inet", "ip", "ip6"
  std::string table;
  std::string name;
  bool is_base = false;  ///< at the input hook
  bool drops = false;    ///< its policy
  int priority = 0;
  std::vector<FilterRule> rules;
  [[nodiscard]] bool sees(bool v6) const { return family == "inet" || (family == "ip6") == v6; }
};

using RuleSet = std::vector<FilterChain>;

/// What one base chain does with the packet.
struct ChainDecision {
  enum class Kind { Allowed, Denied, NotUnderstood } kind = Kind::Allowed;
  const FilterChain* base = nullptr;
  const FilterRule* rule = nullptr;      ///< in the end decisive, in whatever chain; nullptr: the policy
  const FilterRule* top_rule = nullptr;  ///< the rule of the base chain that led there
  std::vector<std::string> in_part;      ///< rules before it that drop some of the packets
  std::vector<std::string> unknown;      ///< rules before it that we cannot judge
};

/// One decision for each base chain that sees the packet. A packet has to be allowed by all of them.
[[nodiscard]] std::vector<ChainDecision> decide(const RuleSet& rules, bool v6);

}  // namespace postern::probe
