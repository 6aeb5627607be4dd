#include "probe/firewall.h"

#include <unistd.h>

#include <fstream>
#include <sstream>

/// Reads what the machine's tools say.
namespace postern::probe {
namespace {

std::string file_text(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

/// The output, or nothing when the program is missing or fails; the failure is noted unless it is usual.
std::string ask(const Command& command, std::vector<std::string>* problems = nullptr) {
  const Result<CommandOutcome> done = run_command(command);
  if (done && done->exit_code == 0) return done->output;
  if (problems != nullptr && has_program(command.front())) {
    problems->push_back(shell_text(command) + ": " + (done ? done->errors : done.error().detail));
  }
  return {};
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// "default via 192.0.2.1 dev eth0 proto dhcp": eth0.
std::string default_interface() {
  for (const char* family : {"-4", "-6"}) {
    std::istringstream words(ask({"ip", family, "-o", "route", "show", "default"}));
    for (std::string word; words >> word;) {
      if (word == "dev" && words >> word) return word;
    }
  }
  return {};
}

std::string lines_of(const std::string& words) {
  std::istringstream in(words);
  std::string out;
  for (std::string word; in >> word;) out += word + '\n';
  return out;
}

void ask_firewalld(FirewallFacts& facts, const std::string& wanted_zone) {
  if (!has_program("firewall-cmd")) return;
  facts.firewalld_running = first_line(ask({"firewall-cmd", "--state"})) == "running";
  if (!facts.firewalld_running) return;
  facts.firewalld_zones = lines_of(ask({"firewall-cmd", "--get-zones"}, &facts.problems));
  facts.firewalld_active = ask({"firewall-cmd", "--get-active-zones"}, &facts.problems);
  facts.firewalld_zone = wanted_zone;
  if (!wanted_zone.empty()) {
    const std::string interfaces =
        lines_of(ask({"firewall-cmd", "--zone=" + wanted_zone, "--list-interfaces"}));
    facts.interface = first_line(interfaces);
  } else if (facts.interface = default_interface(); !facts.interface.empty()) {
    facts.firewalld_zone = first_line(ask({"firewall-cmd", "--get-zone-of-interface=" + facts.interface}));
  }
  if (facts.firewalld_zone.empty())
    facts.firewalld_zone = first_line(ask({"firewall-cmd", "--get-default-zone"}, &facts.problems));
  const std::string zone = "--zone=" + facts.firewalld_zone;
  for (const char* list : {"--list-services", "--list-ports"})
    facts.firewalld_permanent += lines_of(ask({"firewall-cmd", "--permanent", zone, list}));
  facts.firewalld_permanent += ask({"firewall-cmd", "--permanent", zone, "--list-rich-rules"});
}

void ask_iptables(FirewallFacts& facts) {
  for (const std::size_t family : {std::size_t{0}, std::size_t{1}}) {
    const std::string base = family == 1 ? "ip6tables" : "iptables";
    for (const std::string& program : {base + "-nft", base}) {
      if (!has_program(program)) continue;
      // Plain iptables may be either variant; where both exist the names say which.
      const bool is_legacy = ask({program, "--version"}).find("legacy") != std::string::npos;
      if (is_legacy) continue;
      facts.iptables_program[family] = program == base + "-nft" && has_program(base) &&
                                               ask({base, "--version"}).find("legacy") == std::string::npos
                                           ? base
                                           : program;
      facts.iptables[family] = ask({program, "-S"});
      break;
    }
    const std::string names =
        family == 1 ? "/proc/self/net/ip6_tables_names" : "/proc/self/net/ip_tables_names";
    const std::string legacy = has_program(base + "-legacy") ? base + "-legacy" : base;
    // Asking for a table makes the kernel create it: look only where the filter table is in use.
    if (file_text(names).find("filter") == std::string::npos || !has_program(legacy)) continue;
    facts.iptables_legacy_program[family] = legacy;
    facts.iptables_legacy[family] = ask({legacy, "-S"}, &facts.problems);
  }
}

void read_files(FirewallFacts& facts) {
  for (const char* path : {"/etc/nftables.conf", "/etc/sysconfig/nftables.conf"}) {
    if (!facts.nft_config_path.empty() || !exists(path)) continue;
    facts.nft_config_path = path;
    facts.nft_config = file_text(path);
  }
  facts.nft_kept = file_text("/etc/nftables.d/postern.nft");
  const char* const saved[2][2] = {{"/etc/iptables/rules.v4", "/etc/sysconfig/iptables"},
                                   {"/etc/iptables/rules.v6", "/etc/sysconfig/ip6tables"}};
  for (const std::size_t family : {std::size_t{0}, std::size_t{1}}) {
    for (const char* path : saved[family]) {
      if (!facts.iptables_saved_path[family].empty() || !exists(path)) continue;
      facts.iptables_saved_path[family] = path;
      facts.iptables_saved[family] = file_text(path);
    }
  }
}

/// Services that systemd starts and that load saved rules; which of them it will not start.
void ask_systemd(FirewallFacts& facts) {
  if (!exists("/run/systemd/system")) return;  // something else starts services here
  for (const char* service : {"nftables", "netfilter-persistent", "iptables", "ip6tables"}) {
    const std::string unit = std::string(service) + ".service";
    const auto wanted_by = [&unit](const char* target) {
      return exists(std::string("/etc/systemd/system/") + target + ".target.wants/" + unit);
    };
    if (!wanted_by("sysinit") && !wanted_by("multi-user") && !wanted_by("basic"))
      facts.not_enabled.push_back(unit);
  }
}

}  // namespace

FirewallFacts look(const std::string& zone) {
  FirewallFacts facts;
  facts.root = ::geteuid() == 0;
  if (has_program("ufw")) {
    facts.ufw_active = first_line(ask({"ufw", "status"})) == "Status: active";
    facts.ufw_rules = ask({"ufw", "show", "added"});
    const std::string defaults = '\n' + file_text("/etc/default/ufw");
    facts.ufw_has_v6 = defaults.find("\nIPV6=no") == std::string::npos &&
                       defaults.find("\nIPV6=\"no\"") == std::string::npos;
  }
  ask_firewalld(facts, zone);
  facts.nft_json = ask({"nft", "-j", "list", "ruleset"}, &facts.problems);
  if (!facts.nft_json.empty()) facts.nft_listing = ask({"nft", "-a", "list", "ruleset"});
  ask_iptables(facts);
  read_files(facts);
  ask_systemd(facts);
  return facts;
}

const char* to_string(Backend backend) {
  switch (backend) {
    case Backend::Auto:
      return "auto";
    case Backend::None:
      return "none";
    case Backend::Ufw:
      return "ufw";
    case Backend::Firewalld:
      return "firewalld";
    case Backend::Nftables:
      return "nftables";
    case Backend::Iptables:
      return "iptables";
  }
  return "unknown";
}

}  // namespace postern::probe
