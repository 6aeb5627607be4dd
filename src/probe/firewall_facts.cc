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
  std::istringstream words(ask({"ip", "-o", "route", "show", "default"}));
  for (std::string word; words >> word;) {
    if (word == "dev" && words >> word) return word;
  }
  return {};
}

void ask_firewalld(FirewallFacts& facts) {
  if (!has_program("firewall-cmd")) return;
  facts.firewalld_running = first_line(ask({"firewall-cmd", "--state"})) == "running";
  if (!facts.firewalld_running) return;
  if (const std::string interface = default_interface(); !interface.empty()) {
    facts.firewalld_zone = first_line(ask({"firewall-cmd", "--get-zone-of-interface=" + interface}));
  }
  if (facts.firewalld_zone.empty())
    facts.firewalld_zone = first_line(ask({"firewall-cmd", "--get-default-zone"}, &facts.problems));
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

}  // namespace

FirewallFacts look() {
  FirewallFacts facts;
  facts.root = ::geteuid() == 0;
  if (has_program("ufw")) {
    facts.ufw_active = first_line(ask({"ufw", "status"})) == "Status: active";
    if (facts.ufw_active) facts.ufw_rules = ask({"ufw", "show", "added"});
  }
  ask_firewalld(facts);
  facts.nft_json = ask({"nft", "-j", "list", "ruleset"}, &facts.problems);
  ask_iptables(facts);
  read_files(facts);
  return facts;
}

}  // namespace postern::probe
