#include "probe/filter_iptables.h"
#include "probe/filter_nft.h"
#include "probe/firewall.h"
#include "probe/saved_nft.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace postern::probe {
namespace {

/// firewalld's names for what we open most.
std::string firewalld_service(std::uint16_t port) {
  constexpr std::uint16_t kSmtp = 25;
  constexpr std::uint16_t kSubmissions = 465;
  constexpr std::uint16_t kSubmission = 587;
  if (port == kSmtp) return "smtp";
  if (port == kSubmissions) return "smtps";
  return port == kSubmission ? "smtp-submission" : "";
}

void append(RuleSet& all, RuleSet more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

bool has_line(const std::string& text, const std::string& line) {
  return ('\n' + text + '\n').find('\n' + line + '\n') != std::string::npos;
}

std::vector<bool> families(const OpenRequest& request) {
  if (request.from) return {request.from->ip.is_v6()};
  return {false, true};
}

std::string where(const FilterChain& chain) {
  return chain.tool == FilterTool::Nft
             ? fmt::format("{} {} {}", chain.family, chain.table, chain.name)
             : fmt::format("{} {}", chain.family == "ip6" ? "ip6tables" : "iptables", chain.name);
}

std::string decider(const ChainDecision& decision) {
  if (decision.rule == nullptr)
    return fmt::format("the policy of {} ({})", where(*decision.base),
                       decision.base->drops ? "drop" : "accept");
  return fmt::format("rule \"{}\" in {}", decision.rule->text, where(*decision.base));
}

/// A base chain that has to let the packet through, with all that lives as long as the plan is made.
struct Obstacle {
  bool v6;
  ChainDecision decision;
};

class OpenPlan {
 public:
  OpenPlan(const FirewallFacts& facts, const OpenRequest& request) : facts_(facts), request_(request) {}

  Result<Plan> run() {
    POSTERN_TRY(plan_.backend, in_charge(facts_));
    POSTERN_CHECK(fits_wanted_backend());
    rules_.resize(families(request_).size());
    std::size_t i = 0;
    const std::string without_v6 = no_v6_because(facts_);
    for (const bool v6 : families(request_)) {
      if (v6 && !without_v6.empty()) {
        if (request_.from) return refuse(without_v6);
        plan_.notes.push_back("IPv6 stays shut: " + without_v6);
        continue;
      }
      POSTERN_TRY(rules_[i], rules_for(facts_, {request_.port, v6, request_.from, facts_.interface}));
      POSTERN_CHECK(find_obstacles(rules_[i], v6));
      ++i;
    }
    if (obstacles_.empty()) return nothing_to_do();
    if (plan_.backend == Backend::Ufw) return by_ufw();
    if (plan_.backend == Backend::Firewalld) return by_firewalld();
    return by_rules();
  }

 private:
  [[nodiscard]] Error refuse(const std::string& why) const {
    return fail(Errc::Denied, fmt::format("port {} not opened: {}", request_.port, why));
  }

  Result<> fits_wanted_backend() {
    const Backend wanted = request_.backend;
    const bool managed = plan_.backend == Backend::Ufw || plan_.backend == Backend::Firewalld;
    if (wanted == Backend::Auto || wanted == plan_.backend) return {};
    if (managed) {
      return refuse(fmt::format("{} is in charge here and would not know of rules made with {}",
                                to_string(plan_.backend), to_string(wanted)));
    }
    if (wanted == Backend::Ufw || wanted == Backend::Firewalld)
      return refuse(fmt::format("{} is not running here", to_string(wanted)));
    return {};
  }

  Result<> find_obstacles(const RuleSet& rules, bool v6) {
    for (ChainDecision& decision : decide(rules, v6)) {
      if (decision.kind == ChainDecision::Kind::NotUnderstood) {
        return refuse(
            fmt::format("the rules of {} are not understood, so a rule might be useless or do harm: {}",
                        where(*decision.base), fmt::join(decision.unknown, "; ")));
      }
      if (decision.kind == ChainDecision::Kind::Denied) {
        obstacles_.push_back({v6, std::move(decision)});
        continue;
      }
      allowed_by_.push_back(fmt::format("{}: allowed by {}", v6 ? "IPv6" : "IPv4", decider(decision)));
      for (const std::string& part : decision.in_part)
        plan_.notes.push_back("some of it is dropped before by \"" + part + '"');
    }
    return {};
  }

  Result<Plan> nothing_to_do() {
    plan_.nothing_to_do = true;
    if (allowed_by_.empty()) allowed_by_.push_back("no firewall of this host filters incoming connections");
    plan_.notes.insert(plan_.notes.begin(), allowed_by_.begin(), allowed_by_.end());
    return std::move(plan_);
  }

  Result<Plan> by_ufw() {
    for (const Obstacle& obstacle : obstacles_) {
      if (obstacle.decision.base->tool == FilterTool::Nft) {
        return refuse(fmt::format("ufw is in charge, but {} drops it too; change that first",
                                  decider(obstacle.decision)));
      }
      const FilterRule* rule = obstacle.decision.rule;
      if (rule != nullptr && rule->text.find("-user-input") != std::string::npos) {
        return refuse(
            fmt::format("ufw has a rule against it ({}), and the first rule wins; take that away first: `ufw "
                        "status numbered`, "
                        "`ufw delete NUMBER`",
                        rule->text));
      }
    }
    Command rule{"allow"};
    if (request_.from) {
      rule.insert(rule.end(), {"proto", "tcp", "from", request_.from->text(), "to", "any", "port",
                               std::to_string(request_.port)});
    } else {
      rule.push_back(std::to_string(request_.port) + "/tcp");
    }
    Command open{"ufw"};
    open.insert(open.end(), rule.begin(), rule.end());
    open.insert(open.end(), {"comment", rule_comment(request_)});
    Command undo{"ufw", "delete"};
    undo.insert(undo.end(), rule.begin(), rule.end());
    plan_.commands = {open};
    plan_.undo = {undo};
    plan_.notes.emplace_back("ufw keeps its rules over restarts");
    return std::move(plan_);
  }

  Result<Plan> by_firewalld() {
    for (const Obstacle& obstacle : obstacles_) {
      const FilterChain& base = *obstacle.decision.base;
      if (base.tool == FilterTool::Nft && base.table != "firewalld") {
        return refuse(fmt::format("firewalld is in charge, but {} drops it too; change that first",
                                  decider(obstacle.decision)));
      }
    }
    if (!has_line(facts_.firewalld_zones, facts_.firewalld_zone))
      return refuse(fmt::format("firewalld has no zone \"{}\"", facts_.firewalld_zone));
    const auto [option, value] = firewalld_words();
    const std::string zone = "--zone=" + facts_.firewalld_zone;
    plan_.commands = {{"firewall-cmd", zone, "--add-" + option + '=' + value}};
    plan_.undo = {{"firewall-cmd", zone, "--remove-" + option + '=' + value}};
    // What somebody else made permanent stays when we close again.
    if (has_line(facts_.firewalld_permanent, value)) {
      plan_.notes.push_back("it is permanent in zone " + facts_.firewalld_zone +
                            " already, and not in force");
    } else {
      plan_.commands.push_back({"firewall-cmd", "--permanent", zone, "--add-" + option + '=' + value});
      plan_.undo.push_back({"firewall-cmd", "--permanent", zone, "--remove-" + option + '=' + value});
      plan_.notes.push_back("in zone " + facts_.firewalld_zone + ", now and permanently");
    }
    note_other_zones();
    return std::move(plan_);
  }

  /// Option and value of firewall-cmd after --add- and --remove-.
  [[nodiscard]] std::pair<std::string, std::string> firewalld_words() const {
    const std::string service = firewalld_service(request_.port);
    if (request_.from) {
      return {"rich-rule",
              fmt::format("rule family=\"{}\" source address=\"{}\" {} accept",
                          request_.from->ip.is_v6() ? "ipv6" : "ipv4", request_.from->text(),
                          service.empty() ? fmt::format("port port=\"{}\" protocol=\"tcp\"", request_.port)
                                          : "service name=\"" + service + '"')};
    }
    if (!service.empty()) return {"service", service};
    return {"port", fmt::format("{}/tcp", request_.port)};
  }

  /// Interfaces and networks of other zones do not get the rule.
  void note_other_zones() {
    std::istringstream lines(facts_.firewalld_active);
    std::string zone;
    for (std::string line; std::getline(lines, line);) {
      const std::size_t text = line.find_first_not_of(' ');
      if (text == 0) zone = line.substr(0, line.find(' '));
      if (text == 0 || text == std::string::npos || zone == facts_.firewalld_zone) continue;
      plan_.notes.push_back(
          fmt::format("zone {} is left as it is ({}); for it: --zone {}", zone, line.substr(text), zone));
    }
  }

  Result<Plan> by_rules() {
    std::vector<std::string> done;
    bool nft = false;
    for (const Obstacle& obstacle : obstacles_) {
      const FilterChain& base = *obstacle.decision.base;
      const std::string key = where(base);
      if (std::find(done.begin(), done.end(), key) != done.end())
        continue;  // an inet chain serves both families
      done.push_back(key);
      if (request_.backend != Backend::Auto &&
          (base.tool == FilterTool::Nft) != (request_.backend == Backend::Nftables)) {
        return refuse(fmt::format("{} drops it, which is not made with {}", decider(obstacle.decision),
                                  to_string(request_.backend)));
      }
      for (const std::string& part : obstacle.decision.in_part) {
        plan_.notes.push_back("some of it is still dropped before by \"" + part + '"');
      }
      if (base.tool == FilterTool::Nft) {
        nft = true;
        nft_rule(obstacle);
      } else {
        iptables_rule(obstacle);
      }
    }
    plan_.backend = nft ? Backend::Nftables : Backend::Iptables;
    return std::move(plan_);
  }

  void nft_rule(const Obstacle& obstacle) {
    const FilterChain& base = *obstacle.decision.base;
    Command rule;
    if (request_.from) rule.insert(rule.end(), {obstacle.v6 ? "ip6" : "ip", "saddr", request_.from->text()});
    rule.insert(rule.end(), {"tcp", "dport", std::to_string(request_.port), "accept", "comment",
                             '"' + rule_comment(request_) + '"'});
    const bool by_policy = obstacle.decision.top_rule == nullptr;
    Command now{"nft", by_policy ? "add" : "insert", "rule", base.family, base.table, base.name};
    std::string line =
        fmt::format("{} rule {} {} {}", by_policy ? "add" : "insert", base.family, base.table, base.name);
    if (!by_policy) now.insert(now.end(), {"handle", obstacle.decision.top_rule->handle});
    now.insert(now.end(), rule.begin(), rule.end());
    const std::string rule_text = fmt::format("{}", fmt::join(rule, " "));
    plan_.commands.push_back(std::move(now));
    keep_nft(obstacle, line + ' ' + rule_text, rule_text);
  }

  void keep_nft(const Obstacle& obstacle, const std::string& line, const std::string& rule) {
    const FilterChain& base = *obstacle.decision.base;
    const bool its_table =
        facts_.nft_config.find("table " + base.family + ' ' + base.table) != std::string::npos;
    const std::string where_made =
        facts_.nft_config_path.empty() ? "no /etc/nftables.conf" : facts_.nft_config_path;
    if (facts_.nft_config_path.empty() || !its_table) {
      return plan_.notes.push_back(
          fmt::format("NOT permanent: {} does not make the table {} {}; add this where it is made: {}",
                      where_made, base.family, base.table, line));
    }
    note_service("nftables.service", facts_.nft_config_path);
    if (obstacle.decision.top_rule != nullptr && keep_before(obstacle, rule)) return;
    if (obstacle.decision.top_rule != nullptr && !obstacle.decision.in_part.empty()) {
      // First in the chain it would stand before rules that shut some senders out.
      return plan_.notes.push_back(
          fmt::format("NOT permanent: the rule \"{}\" was not found in {}; add before it there: {}",
                      obstacle.decision.top_rule->text, where_made, rule));
    }
    include_nft(base, line);
  }

  /// Where nftables.conf has the rule that drops, ours stands before it there too.
  bool keep_before(const Obstacle& obstacle, const std::string& rule) {
    const FilterChain& base = *obstacle.decision.base;
    const NftChain chain{base.family, base.table, base.name};
    FileEdit& config = edit_of(facts_.nft_config_path, facts_.nft_config);
    const std::optional<std::string> text =
        with_rule_before(config.after, chain,
                         nft_rule_text(facts_.nft_listing, chain, obstacle.decision.top_rule->handle), rule);
    if (!text) {
      std::erase_if(plan_.edits, [](const FileEdit& edit) { return edit.after == edit.before; });
      return false;
    }
    config.after = *text;
    config.lines.push_back(rule);
    config.check = {"nft", "-c", "-f", facts_.nft_config_path};
    return true;
  }

  /// What saves us nothing if nobody loads it.
  void note_service(const std::string& service, const std::string& file) {
    const bool missing =
        std::find(facts_.not_enabled.begin(), facts_.not_enabled.end(), service) != facts_.not_enabled.end();
    const std::string note =
        fmt::format("{} is not loaded at the start: `systemctl enable {}`", file, service);
    if (missing && std::find(plan_.notes.begin(), plan_.notes.end(), note) == plan_.notes.end())
      plan_.notes.push_back(note);
  }

  void include_nft(const FilterChain& base, const std::string& line) {
    const Command check{"nft", "-c", "-f", facts_.nft_config_path};
    FileEdit& rules = edit_of(kNftFile, facts_.nft_kept);
    if (rules.after.empty())
      rules.after = "# Made by `postern firewall open`; `postern firewall close` takes lines out again.\n";
    // Harmless where they exist, and where they do not the include cannot fail and leave the host without rules.
    const std::string frame =
        fmt::format("add table {0} {1}\nadd chain {0} {1} {2}\n", base.family, base.table, base.name);
    if (rules.after.find(frame) == std::string::npos) rules.after += frame;
    rules.after += line + '\n';
    rules.lines.push_back(line);
    const bool loads_all = facts_.nft_config.find("include \"/etc/nftables.d/*") != std::string::npos;
    if (loads_all || facts_.nft_config.find(kNftInclude) != std::string::npos) {
      rules.check = check;
      return;
    }
    FileEdit& config = edit_of(facts_.nft_config_path, facts_.nft_config);
    if (config.after == config.before) {
      config.after += std::string(config.after.ends_with('\n') ? "" : "\n") + kNftInclude + '\n';
      config.lines.emplace_back(kNftInclude);
      config.check = check;
    }
  }

  void iptables_rule(const Obstacle& obstacle) {
    const std::size_t family = obstacle.v6 ? 1 : 0;
    const bool legacy = obstacle.decision.base->tool == FilterTool::IptablesLegacy;
    const std::string& program =
        legacy ? facts_.iptables_legacy_program[family] : facts_.iptables_program[family];
    Command rule;
    if (request_.from) rule.insert(rule.end(), {"-s", request_.from->text()});
    rule.insert(rule.end(), {"-p", "tcp", "-m", "tcp", "--dport", std::to_string(request_.port), "-m",
                             "comment", "--comment", rule_comment(request_), "-j", "ACCEPT"});
    const FilterRule* const before = obstacle.decision.top_rule;
    Command now{program};
    if (before == nullptr) {
      now.insert(now.end(), {"-A", "INPUT"});
    } else {
      now.insert(now.end(), {"-I", "INPUT", before->handle});
    }
    now.insert(now.end(), rule.begin(), rule.end());
    Command undo{program, "-D", "INPUT"};
    undo.insert(undo.end(), rule.begin(), rule.end());
    plan_.commands.push_back(std::move(now));
    plan_.undo.push_back(std::move(undo));
    keep_iptables(family, program, rule, obstacle.decision);
  }

  void keep_iptables(std::size_t family, const std::string& program, const Command& rule,
                     const ChainDecision& decision) {
    const FilterRule* const before = decision.top_rule;
    const bool sender_rules = !decision.in_part.empty();
    const std::string& path = facts_.iptables_saved_path[family];
    std::string line = "-A INPUT";
    for (const std::string& word : rule)
      line += ' ' + (word.find(' ') == std::string::npos ? word : '"' + word + '"');
    if (path.empty()) {
      plan_.notes.push_back(
          fmt::format("NOT permanent: no saved rules that are loaded at the start (Debian: apt install "
                      "iptables-persistent); the line "
                      "for {}: {}",
                      family == 1 ? "rules.v6" : "rules.v4", line));
      return;
    }
    FileEdit& edit = edit_of(path, facts_.iptables_saved[family]);
    const std::size_t filter = edit.after.find("*filter");
    std::size_t at = filter == std::string::npos ? std::string::npos : edit.after.find("\nCOMMIT", filter);
    if (at == std::string::npos) {
      plan_.notes.push_back("NOT permanent: " + path + " has no table filter");
      return;
    }
    if (before != nullptr) {
      const std::size_t same = edit.after.find('\n' + before->text + '\n', filter);
      const std::size_t first = edit.after.find("\n-A INPUT", filter);
      // First of all it would stand before rules that shut some senders out.
      if (same > at && (sender_rules || first > at)) {
        plan_.notes.push_back(
            fmt::format("NOT permanent: the rule \"{}\" was not found in {}; add before it there: {}",
                        before->text, path, line));
        return;
      }
      at = same < at ? same : first;
    }
    edit.after.insert(at + 1, line + '\n');
    edit.lines.push_back(line);
    edit.check = {program + "-restore", "--test", path};
    const bool debian = path.starts_with("/etc/iptables/");
    note_service(
        debian ? "netfilter-persistent.service" : (family == 1 ? "ip6tables.service" : "iptables.service"),
        path);
  }

  FileEdit& edit_of(const std::string& path, const std::string& text) {
    for (FileEdit& edit : plan_.edits) {
      if (edit.path == path) return edit;
    }
    FileEdit made;
    made.path = path;
    made.before = text;
    made.after = text;
    return plan_.edits.emplace_back(std::move(made));
  }

  const FirewallFacts& facts_;
  const OpenRequest& request_;
  Plan plan_;
  std::vector<RuleSet> rules_;  // obstacles point into them
  std::vector<Obstacle> obstacles_;
  std::vector<std::string> allowed_by_;
};

}  // namespace

Result<RuleSet> rules_for(const FirewallFacts& facts, const Packet& packet) {
  RuleSet all;
  if (!facts.nft_json.empty()) {
    POSTERN_TRY(all, read_nft(facts.nft_json, packet));
  }
  const std::size_t family = packet.v6 ? 1 : 0;
  append(all, read_iptables(facts.iptables[family], packet, FilterTool::Iptables));
  append(all, read_iptables(facts.iptables_legacy[family], packet, FilterTool::IptablesLegacy));
  // iptables lists its chains even where nobody uses it.
  std::erase_if(all, [](const FilterChain& c) { return c.is_base && c.rules.empty() && !c.drops; });
  return all;
}

std::string no_v6_because(const FirewallFacts& facts) {
  const bool shut = facts.ufw_active && !facts.ufw_has_v6;
  return shut ? "ufw has no rules for IPv6 here (IPV6=no in /etc/default/ufw)" : "";
}

Result<Backend> in_charge(const FirewallFacts& facts) {
  if (facts.ufw_active && facts.firewalld_running) {
    return fail(Errc::Denied,
                "both ufw and firewalld are active; they undo each other's rules. Stop one of them first");
  }
  if (facts.firewalld_running) return Backend::Firewalld;
  if (facts.ufw_active) return Backend::Ufw;
  Backend found = Backend::None;
  for (const bool v6 : {false, true}) {
    POSTERN_TRY(const RuleSet rules, rules_for(facts, {.port = 587, .v6 = v6, .from = {}}));
    for (const FilterChain& chain : rules) {
      if (!chain.is_base || (!chain.drops && chain.rules.empty())) continue;
      if (chain.tool == FilterTool::Nft) return Backend::Nftables;
      found = Backend::Iptables;
    }
  }
  return found;
}

Result<PortAccess> access_to(const FirewallFacts& facts, const Packet& packet) {
  POSTERN_TRY(const RuleSet rules, rules_for(facts, packet));
  PortAccess out;
  out.v6 = packet.v6;
  out.by = "nothing filters";
  for (const ChainDecision& decision : decide(rules, packet.v6)) {
    out.in_part.insert(out.in_part.end(), decision.in_part.begin(), decision.in_part.end());
    if (decision.kind == ChainDecision::Kind::Allowed && out.kind != PortAccess::Kind::Allowed) continue;
    if (decision.kind == ChainDecision::Kind::Allowed && decision.rule == nullptr &&
        out.by != "nothing filters")
      continue;
    out.by = decider(decision);
    if (decision.kind == ChainDecision::Kind::Allowed) continue;
    out.unknown = decision.unknown;
    out.kind = decision.kind == ChainDecision::Kind::Denied ? PortAccess::Kind::Denied
                                                            : PortAccess::Kind::NotUnderstood;
    if (out.kind == PortAccess::Kind::Denied) break;
  }
  return out;
}

std::string rule_comment(const OpenRequest& request) {
  return fmt::format("postern firewall {}{}", request.port,
                     request.from ? " from " + request.from->text() : "");
}

Result<Plan> plan_open(const FirewallFacts& facts, const OpenRequest& request) {
  return OpenPlan(facts, request).run();
}

}  // namespace postern::probe
