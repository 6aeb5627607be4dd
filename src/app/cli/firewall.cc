#include "app/cli/common.h"
#include "app/cli/firewall_status.h"
#include "probe/firewall_state.h"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

namespace postern::app::cli {
namespace {

namespace json = boost::json;
using probe::Backend;
using probe::Command;

struct Arguments {
  std::vector<std::uint16_t> ports;
  std::vector<std::string> from;
  std::string zone;
  bool dry_run = false;
  bool yes = false;
  std::string backend = "auto";
  std::string state = "/var/lib/postern/firewall.json";
};

std::string file_text(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The record of what open did. Errors: Corrupt, Unavailable; with the path.
Result<std::vector<probe::OpenedPort>> load_state(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return std::vector<probe::OpenedPort>();
  std::ifstream file(path);
  if (!file || !std::filesystem::is_regular_file(path, error))
    return fail(Errc::Unavailable, path + ", the record of opened ports, cannot be read");
  std::stringstream text;
  text << file.rdbuf();
  Result<std::vector<probe::OpenedPort>> list = probe::read_state(text.str());
  if (list) return list;
  return fail(Errc::Corrupt,
              path + ": " + list.error().detail +
                  "; move it away, and take back by hand what has the comment \"postern firewall\"");
}

/// Every port from every network.
Result<std::vector<probe::OpenRequest>> requests_of(const Arguments& arguments) {
  probe::OpenRequest request;
  for (const Backend backend :
       {Backend::Auto, Backend::Ufw, Backend::Firewalld, Backend::Nftables, Backend::Iptables}) {
    if (arguments.backend == probe::to_string(backend)) request.backend = backend;
  }
  std::vector<std::optional<probe::Network>> networks;
  for (const std::string& text : arguments.from) {
    POSTERN_TRY(const probe::Network network, probe::Network::parse(text));
    networks.emplace_back(network);
  }
  if (networks.empty()) networks.emplace_back();
  std::vector<probe::OpenRequest> out;
  for (const std::uint16_t port :
       arguments.ports.empty() ? std::vector<std::uint16_t>{587, 465} : arguments.ports) {
    request.port = port;
    for (const auto& network : networks) {
      request.from = network;
      const std::string comment = probe::rule_comment(request);
      const bool twice = std::any_of(out.begin(), out.end(), [&](const probe::OpenRequest& other) {
        return probe::rule_comment(other) == comment;
      });
      if (!twice) out.push_back(request);
    }
  }
  return out;
}

/// What happens, as text lines or in one JSON object at the end.
class Report {
 public:
  explicit Report(bool as_json) : as_json_(as_json) {}
  void line(const std::string& text) {
    if (as_json_) {
      lines_.emplace_back(text);
    } else {
      std::cout << text << std::endl;
    }
  }
  void command(const Command& command) {
    commands_.emplace_back(probe::shell_text(command));
    if (!as_json_) std::cout << "  " << probe::shell_text(command) << std::endl;
  }
  void finish(const std::string& outcome) {
    if (!as_json_) return;
    std::cout << json::serialize(
                     json::object{{"outcome", outcome}, {"commands", commands_}, {"messages", lines_}})
              << '\n';
  }

 private:
  bool as_json_;
  json::array lines_;
  json::array commands_;
};

Result<> need_root(const probe::FirewallFacts& facts) {
  if (facts.root) return {};
  return fail(Errc::Denied, "only root may see and change the firewall: run it with sudo");
}

Result<> zone_makes_sense(const Arguments& arguments, const probe::FirewallFacts& facts) {
  if (arguments.zone.empty() || facts.firewalld_running) return {};
  return fail(Errc::Denied, "--zone is for firewalld, which is not running here");
}

/// Consent by --yes or on the terminal. Error: Denied.
Result<> consent(const Arguments& arguments) {
  if (arguments.yes) return {};
  if (::isatty(STDIN_FILENO) == 0)
    return fail(Errc::Denied, "nothing was changed: say --yes to run these commands (or --dry-run)");
  std::cerr << "Run these commands? [y/N] ";
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return {};
  return fail(Errc::Denied, "nothing was changed");
}

Result<> run_all(const std::vector<Command>& commands) {
  for (const Command& command : commands) {
    POSTERN_TRY(const probe::CommandOutcome done, probe::run_command(command));
    if (done.exit_code != 0) {
      return fail(Errc::Unavailable, probe::shell_text(command) +
                                         " failed: " + (done.errors.empty() ? done.output : done.errors));
    }
  }
  return {};
}

Result<> put_back(const std::string& path, const std::string& before) {
  if (!before.empty()) return probe::replace_file(path, before);
  ::unlink(path.c_str());
  return {};
}

/// Writes the files; when the tool does not like the result, puts the old ones back. Errors: Unavailable.
Result<> edit_files(const std::vector<probe::FileEdit>& edits) {
  for (const probe::FileEdit& edit : edits) POSTERN_CHECK(probe::replace_file(edit.path, edit.after));
  for (const probe::FileEdit& edit : edits) {
    if (edit.check.empty()) continue;
    const Result<probe::CommandOutcome> done = probe::run_command(edit.check);
    if (done && done->exit_code == 0) continue;
    for (const probe::FileEdit& back : edits) POSTERN_CHECK(put_back(back.path, back.before));
    return fail(Errc::Unavailable, edit.path + " was put back, because " + probe::shell_text(edit.check) +
                                       " failed: " + (done ? done->errors : done.error().detail));
  }
  return {};
}

Result<> remember(const std::string& path, const probe::OpenedPort& opened) {
  POSTERN_TRY(std::vector<probe::OpenedPort> list, load_state(path));
  std::erase_if(list, [&](const probe::OpenedPort& old) {
    return old.comment == opened.comment && old.backend == opened.backend;
  });
  list.push_back(opened);
  return probe::replace_file(path, probe::write_state(list));
}

/// After the commands: do the rules now say what they should?
Result<> verify(const Arguments& arguments, const probe::OpenRequest& request) {
  const probe::FirewallFacts facts = probe::look(arguments.zone);
  for (const bool v6 : {false, true}) {
    if (request.from && request.from->ip.is_v6() != v6) continue;
    if (v6 && !probe::no_v6_because(facts).empty()) continue;  // the plan has said so
    POSTERN_TRY(const probe::PortAccess access,
                probe::access_to(facts, {request.port, v6, request.from, facts.interface}));
    if (access.kind == probe::PortAccess::Kind::Allowed) continue;
    return fail(Errc::Internal, fmt::format("the commands ran, but port {} is still closed for {} by {}",
                                            request.port, v6 ? "IPv6" : "IPv4", access.by));
  }
  return {};
}

/// One port; true when something was (or, in a dry run, would be) changed.
Result<bool> open_port(const Arguments& arguments, const probe::OpenRequest& request, Report& out) {
  const probe::FirewallFacts facts = probe::look(arguments.zone);
  POSTERN_CHECK(need_root(facts));
  POSTERN_CHECK(zone_makes_sense(arguments, facts));
  POSTERN_TRY(const probe::Plan plan, probe::plan_open(facts, request));
  if (plan.nothing_to_do) {
    out.line(fmt::format("port {} is already open in this host's rules", request.port));
    for (const std::string& note : plan.notes) out.line("  " + note);
    return false;
  }
  out.line(fmt::format("port {}, with {}:", request.port, probe::to_string(plan.backend)));
  for (const Command& command : plan.commands) out.command(command);
  for (const probe::FileEdit& edit : plan.edits) {
    for (const std::string& line : edit.lines) out.line(fmt::format("  in {} add: {}", edit.path, line));
  }
  for (const std::string& note : plan.notes) out.line("  note: " + note);
  if (arguments.dry_run) return true;
  POSTERN_CHECK(consent(arguments));
  probe::OpenedPort opened;
  opened.port = request.port;
  opened.from = request.from ? request.from->text() : "";
  opened.backend = probe::to_string(plan.backend);
  opened.opened = shown(SystemClock().now());
  opened.comment = probe::rule_comment(request);
  opened.undo = plan.undo;
  for (const probe::FileEdit& edit : plan.edits) opened.files.push_back(edit.path);
  // Written first: what is recorded and not done is undone without harm, what is done and not recorded stays.
  POSTERN_CHECK(remember(arguments.state, opened));
  POSTERN_CHECK(run_all(plan.commands));
  if (const Result<> kept = edit_files(plan.edits); !kept)
    out.line("  NOT permanent: " + kept.error().detail);
  POSTERN_CHECK(verify(arguments, request));
  out.line(fmt::format("port {} is open in this host's rules", request.port));
  return true;
}

Result<> open(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const std::vector<probe::OpenRequest> requests, requests_of(arguments));
  Report out(context.json);
  bool changed = false;
  for (const probe::OpenRequest& request : requests) {
    const Result<bool> this_one = open_port(arguments, request, out);
    if (!this_one) {
      out.finish("failed");
      return this_one.error();
    }
    changed |= *this_one;
  }
  out.line(
      "These are the rules of this host only. A provider's firewall, a router (NAT) or a network on the way "
      "may still block the\n"
      "port: from another network run `postern check THIS-HOST:" +
      std::to_string(requests.front().port) + "`.");
  out.finish(arguments.dry_run && changed ? "would-open" : (changed ? "opened" : "already-open"));
  return {};
}

/// What takes back one record: commands for what is there now, and the files.
std::vector<Command> undo_commands(const probe::OpenedPort& opened, const probe::FirewallFacts& facts) {
  if (opened.backend == "firewalld") return opened.undo;
  // By its comment: a rule for the same port that somebody made since is theirs.
  if (opened.backend == "ufw")
    return facts.ufw_rules.find('\'' + opened.comment + '\'') == std::string::npos ? std::vector<Command>()
                                                                                   : opened.undo;
  std::vector<Command> out = probe::nft_deletions(facts.nft_json, opened.comment);
  for (const Command& command : opened.undo) {
    if (command.empty()) continue;
    const bool v6 = command.front().starts_with("ip6");
    const std::size_t family = v6 ? 1 : 0;
    const std::string quoted = '"' + opened.comment + '"';
    const bool there = facts.iptables[family].find(quoted) != std::string::npos ||
                       facts.iptables_legacy[family].find(quoted) != std::string::npos;
    if (there) out.push_back(command);
  }
  return out;
}

/// Takes our line out of a file. Our own nft file goes when its last rule does, after the line that loads it.
Result<> clean_file(const std::string& path, const std::string& comment, const probe::FirewallFacts& facts) {
  const std::string text = probe::without_lines(file_text(path), comment);
  if (path != probe::kNftFile || !text.empty()) return probe::replace_file(path, text);
  const std::string now = file_text(facts.nft_config_path);
  const std::string config = probe::without_line(now, probe::kNftInclude);
  if (config != now) POSTERN_CHECK(probe::replace_file(facts.nft_config_path, config));
  ::unlink(path.c_str());
  return {};
}

Result<> close_record(const Arguments& arguments, const probe::OpenedPort& opened, Report& out) {
  const probe::FirewallFacts facts = probe::look();
  POSTERN_CHECK(need_root(facts));
  const std::vector<Command> commands = undo_commands(opened, facts);
  std::vector<std::string> files;
  for (const std::string& path : opened.files) {
    if (file_text(path).find('"' + opened.comment + '"') != std::string::npos) files.push_back(path);
  }
  out.line(fmt::format("port {}{}, opened {} with {}:", opened.port,
                       opened.from.empty() ? "" : " from " + opened.from, opened.opened, opened.backend));
  for (const Command& command : commands) out.command(command);
  for (const std::string& path : files)
    out.line("  in " + path + " take out: the line with \"" + opened.comment + '"');
  if (commands.empty() && files.empty()) out.line("  its rules are gone already");
  if (arguments.dry_run) return {};
  POSTERN_CHECK(consent(arguments));
  POSTERN_CHECK(run_all(commands));
  for (const std::string& path : files) POSTERN_CHECK(clean_file(path, opened.comment, facts));
  POSTERN_TRY(std::vector<probe::OpenedPort> list, load_state(arguments.state));
  std::erase_if(list, [&](const probe::OpenedPort& old) {
    return old.comment == opened.comment && old.backend == opened.backend;
  });
  POSTERN_CHECK(probe::replace_file(arguments.state, probe::write_state(list)));
  out.line(fmt::format("port {}: what `postern firewall open` did is undone", opened.port));
  return {};
}

Result<> close(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const std::vector<probe::OpenRequest> requests, requests_of(arguments));
  POSTERN_TRY(const std::vector<probe::OpenedPort> list, load_state(arguments.state));
  Report out(context.json);
  bool found = false;
  for (const probe::OpenRequest& request : requests) {
    bool this_one = false;
    for (const probe::OpenedPort& opened : list) {
      if (opened.comment != probe::rule_comment(request)) continue;
      this_one = true;
      if (const Result<> closed = close_record(arguments, opened, out); !closed) {
        out.finish("failed");
        return closed;
      }
    }
    if (!this_one) {
      out.line(
          fmt::format("port {}: not opened by `postern firewall open` ({} has no record); nothing is changed",
                      request.port, arguments.state));
    }
    found |= this_one;
  }
  out.finish(!found ? "nothing-to-undo" : (arguments.dry_run ? "would-close" : "closed"));
  return {};
}

/// Who is in charge, and for firewalld where the traffic comes in.
std::string in_charge_text(const probe::FirewallFacts& facts) {
  const Result<Backend> manager = probe::in_charge(facts);
  if (!manager) return manager.error().detail;
  return probe::to_string(*manager);
}

Result<> status(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const std::vector<probe::OpenRequest> requests, requests_of(arguments));
  probe::FirewallFacts facts = probe::look(arguments.zone);
  POSTERN_CHECK(need_root(facts));
  POSTERN_CHECK(zone_makes_sense(arguments, facts));
  std::vector<probe::OpenedPort> opened;
  if (Result<std::vector<probe::OpenedPort>> list = load_state(arguments.state); list) {
    opened = std::move(*list);
  } else {
    facts.problems.push_back(list.error().detail);
  }
  const std::string in_charge = in_charge_text(facts);
  const std::string zone = facts.firewalld_running ? facts.firewalld_zone : "";
  json::array ports;
  if (!context.json)
    std::cout << "in charge: " << in_charge << (zone.empty() ? "" : ", zone " + zone)
              << (facts.interface.empty() ? "" : " of " + facts.interface) << '\n';
  for (const probe::OpenRequest& request : requests) {
    POSTERN_TRY(const PortStatus one, port_status(request, facts));
    if (context.json) {
      ports.push_back(to_json(one));
    } else {
      std::cout << to_text(one);
    }
  }
  json::array records;
  for (const probe::OpenedPort& record : opened) {
    records.push_back(json::object{{"port", record.port},
                                   {"from", record.from},
                                   {"backend", record.backend},
                                   {"opened", record.opened}});
    if (!context.json) {
      std::cout << fmt::format("opened by postern: {}{} with {} on {}\n", record.port,
                               record.from.empty() ? "" : " from " + record.from, record.backend,
                               record.opened);
    }
  }
  for (const std::string& problem : facts.problems) std::cerr << "postern: " << problem << '\n';
  if (context.json) {
    json::object all{{"in_charge", in_charge}, {"ports", ports}, {"opened_by_postern", records}};
    if (!zone.empty()) all["zone"] = zone;
    std::cout << json::serialize(all) << '\n';
  } else {
    std::cout << "These are the rules of this host only; `postern check` from another network shows the rest "
                 "of the way.\n";
  }
  return {};
}

void add_options(CLI::App* command, Arguments& a) {
  command->add_option("-p,--port", a.ports, "Ports; default 587 and 465")
      ->delimiter(',')
      ->check(port_number());
  command->add_option("--from", a.from, "Only from these networks, as 192.0.2.0/24,2001:db8::/32")
      ->delimiter(',');
  command->add_option("--state", a.state, "Record of what open did")->capture_default_str();
}

}  // namespace

void add_firewall_commands(CLI::App& app, Context& context) {
  static Arguments a;
  CLI::App* const firewall =
      app.add_subcommand("firewall",
                         "Let clients in through this host's firewall (ufw, firewalld, nftables, iptables)")
          ->require_subcommand(1);
  CLI::App* const opening =
      firewall->add_subcommand("open", "Add allow rules, now and for good, with the tool that is in charge");
  CLI::App* const closing = firewall->add_subcommand("close", "Undo exactly what open did");
  CLI::App* const showing = firewall->add_subcommand(
      "status", "For each port: who listens, which rule decides, what stands in the way");
  for (CLI::App* const command : {opening, closing, showing}) add_options(command, a);
  for (CLI::App* const command : {opening, closing}) {
    command->add_flag("--dry-run", a.dry_run, "Print the commands, change nothing");
    command->add_flag("--yes", a.yes, "Run the commands without asking");
  }
  opening->add_option("--backend", a.backend, "Insist on a tool")
      ->check(CLI::IsMember({"auto", "ufw", "firewalld", "nftables", "iptables"}))
      ->capture_default_str();
  for (CLI::App* const command : {opening, showing}) {
    command->add_option("--zone", a.zone,
                        "firewalld: this zone; default: that of the interface with the default route");
  }
  opening->callback([&context] { report(context, open(context, a)); });
  closing->callback([&context] { report(context, close(context, a)); });
  showing->callback([&context] { report(context, status(context, a)); });
}

}  // namespace postern::app::cli
