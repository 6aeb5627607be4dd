#include "app/cli/common.h"
#include "app/cli/watch_parts.h"
#include "guard/watch/replay.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <iostream>

namespace postern::app::cli {
namespace {

namespace json = boost::json;

struct ReplayArguments {
  std::string file;
  std::string release_after;
  std::string class_file;
};

const char* name_of(guard::Action action) { return action == guard::Action::Hold ? "hold" : "warn"; }

void print_json(const guard::ReplayAction& action) {
  json::array reasons;
  for (const std::string& reason : action.reasons) reasons.emplace_back(reason);
  const json::object line{{"time", action.time},
                          {"account", action.account},
                          {"action", name_of(action.action)},
                          {"score", std::round(action.score * 100) / 100},
                          {"reasons", std::move(reasons)}};
  std::cout << json::serialize(line) << '\n';
}

void print_text(const guard::ReplayAction& action) {
  std::cout << shown(TimePoint{std::chrono::seconds{action.time}}) << "  " << name_of(action.action) << "  "
            << action.account << fmt::format("  score {:.1f}\n", action.score);
  for (const std::string& reason : action.reasons) std::cout << "    " << reason << '\n';
}

void print_summary(const guard::ReplaySummary& s, bool released) {
  std::cout << fmt::format(
      "{} events with {} recipients, {} accounts, {:.0f} account-days ({} with mail)\n"
      "{} holds on {} accounts, {} warnings; {} events with {} recipients {}\n"
      "Whether a hold was right is not in the file: compare with what you know of these accounts.\n",
      s.events, s.recipients, s.accounts, s.account_days, s.active_account_days, s.holds, s.held_accounts,
      s.warnings, s.held_events, s.held_recipients,
      released ? "were held until a release" : "stay held (see --release-after)");
}

Result<guard::ReplayOptions> options_of(const ReplayArguments& arguments) {
  guard::ReplayOptions options;
  if (!arguments.release_after.empty()) {
    POSTERN_TRY(options.release_after, guard::parse_duration(arguments.release_after));
  }
  if (!arguments.class_file.empty()) {
    std::ifstream in(arguments.class_file);
    if (!in) return fail(Errc::NotFound, arguments.class_file + ": cannot be read");
    auto classes = guard::read_class_file(in);
    if (!classes) return fail(classes.error().code, arguments.class_file + ": " + classes.error().detail);
    options.classes = *std::move(classes);
  }
  return options;
}

Result<> replay(const Context& context, const ReplayArguments& arguments) {
  constexpr std::uint64_t kShownErrors = 20;
  POSTERN_TRY(const guard::ReplayOptions options, options_of(arguments));
  const bool standard_input = arguments.file == "-";
  std::ifstream file;
  if (!standard_input) {
    file.open(arguments.file);
    if (!file || file.peek() == std::ifstream::traits_type::eof())
      return fail(Errc::NotFound, arguments.file + ": cannot be read, or is empty");
  }
  std::ios::sync_with_stdio(false);
  std::uint64_t errors = 0;
  const guard::ReplaySinks sinks{context.json ? print_json : print_text,
                                 [&](std::uint64_t line, const std::string& what) {
                                   if (++errors <= kShownErrors)
                                     std::cerr << arguments.file << ':' << line << ": " << what << '\n';
                                 }};
  const auto summary = guard::replay(standard_input ? std::cin : file, options, sinks);
  if (!summary) return fail(summary.error().code, arguments.file + ": " + summary.error().detail);
  if (!context.json) print_summary(*summary, options.release_after.has_value());
  std::cout.flush();
  if (errors > 0) {
    return fail(Errc::Malformed,
                fmt::format("{}: {} lines could not be used and were left out ({} are named above)",
                            arguments.file, errors, std::min(errors, kShownErrors)));
  }
  return {};
}

}  // namespace

void add_watch_commands(CLI::App& app, Context& context) {
  CLI::App* watch = app.add_subcommand("watch", "Stolen accounts: what the watch sees and does");
  watch->require_subcommand(1);
  auto arguments = std::make_shared<ReplayArguments>();
  CLI::App* run = watch->add_subcommand("replay", "What the watch would have done with a recorded history");
  run->add_option(
         "FILE", arguments->file,
         "Tab-separated: time, account, ip, recipients, result; with that header; - is standard input")
      ->required();
  run->add_option("--release-after", arguments->release_after, "Release each hold after this time, e.g. 4h");
  run->add_option("--class-file", arguments->class_file, "Lines of account, tab, person | app | bulk");
  run->callback([&context, arguments] { report(context, replay(context, *arguments)); });

  add_watch_verbs(*watch, context);
  add_watch_export(*watch, context);
}

}  // namespace postern::app::cli
