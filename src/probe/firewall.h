#pragma once

#include "probe/filter_model.h"
#include "probe/run_command.h"

#include <optional>
#include <string>
#include <vector>

/// `postern firewall`: which rules decide about a port, and how to add to them.
namespace postern::probe {

enum class Backend { Auto, None, Ufw, Firewalld, Nftables, Iptables };
[[nodiscard]] const char* to_string(Backend backend);

/// What the machine's tools said. Only look() fills it; everything else is pure.
struct FirewallFacts {
  bool root = false;
  bool ufw_active = false;
  bool ufw_has_v6 = true;  ///< IPV6 in /etc/default/ufw; without it ufw shuts IPv6 and has no rules for it
  std::string ufw_rules;   ///< `ufw show added`
  bool firewalld_running = false;
  std::string
      interface;  ///< with the default route; with --zone the zone's first; known where firewalld runs
  std::string firewalld_zone;    ///< --zone, or that of the interface, or else the default zone
  std::string firewalld_zones;   ///< names of all
  std::string firewalld_active;  ///< `firewall-cmd --get-active-zones`
  std::string
      firewalld_permanent;  ///< services, ports and rich rules that the zone has permanently, one line each
  std::string nft_json;     ///< empty: no nft
  std::string nft_listing;  ///< `nft -a list ruleset`
  std::string iptables[2];  ///< `iptables -S`: nft variant, v4 and v6
  std::string iptables_legacy[2];   ///< legacy variant; empty: not there or not used
  std::string iptables_program[2];  ///< programs that print the above: "iptables", "ip6tables"
  std::string iptables_legacy_program[2];
  std::string nft_config_path;  ///< /etc/nftables.conf, or empty
  std::string nft_config;
  std::string nft_kept;                ///< /etc/nftables.d/postern.nft, if it exists
  std::string iptables_saved_path[2];  ///< /etc/iptables/rules.v4 and .v6, or empty
  std::string iptables_saved[2];
  std::vector<std::string>
      not_enabled;  ///< services that would load saved rules at the start, and are not enabled
  std::vector<std::string> problems;  ///< what could not be read
};

/// Asks every tool there is. Changes nothing. `zone` is for firewalld; empty: that of the interface with the default route.
[[nodiscard]] FirewallFacts look(const std::string& zone = {});

/// All filters that see `packet`. Error: Malformed, with the tool.
[[nodiscard]] Result<RuleSet> rules_for(const FirewallFacts& facts, const Packet& packet);

/// Why a port stays shut for IPv6 whatever we do; "" where it need not.
[[nodiscard]] std::string no_v6_because(const FirewallFacts& facts);

/// Who is in charge: decides how a rule is added and made permanent.
/// Errors: Denied (two managers at once).
[[nodiscard]] Result<Backend> in_charge(const FirewallFacts& facts);

/// What one port of one address family meets.
struct PortAccess {
  bool v6 = false;
  enum class Kind { Allowed, Denied, NotUnderstood } kind = Kind::Allowed;
  std::string by;                    ///< the rule or policy that decides
  std::vector<std::string> in_part;  ///< rules that drop some of the packets before
  std::vector<std::string> unknown;
};
[[nodiscard]] Result<PortAccess> access_to(const FirewallFacts& facts, const Packet& packet);

struct OpenRequest {
  std::uint16_t port = 0;
  std::optional<Network> from;
  Backend backend = Backend::Auto;
};

/// A file to change; the whole new text, so that it can be shown and undone.
struct FileEdit {
  std::string path;
  std::string before;
  std::string after;
  std::vector<std::string> lines;  ///< what is added, for the eyes
  Command check;                   ///< must succeed with the new file, or the old one is put back
};

struct Plan {
  Backend backend = Backend::None;
  std::vector<Command> commands;
  std::vector<Command> undo;  ///< in the order to run them
  std::vector<FileEdit> edits;
  std::vector<std::string> notes;  ///< for the user
  bool nothing_to_do = false;      ///< already allowed, or nothing filters
};

/// How to open a port, IPv4 and IPv6. Adds allow rules only.
/// Errors: Denied: refused, with the reason.
[[nodiscard]] Result<Plan> plan_open(const FirewallFacts& facts, const OpenRequest& request);

/// Our own file of nft rules, and the line that makes nftables.conf load it.
inline constexpr const char* kNftFile = "/etc/nftables.d/postern.nft";
inline constexpr const char* kNftInclude = "include \"/etc/nftables.d/postern.nft\"";

/// Marks our rules.
[[nodiscard]] std::string rule_comment(const OpenRequest& request);

}  // namespace postern::probe
