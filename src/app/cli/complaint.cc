#include "app/cli/complaint.h"

#include "config/names.h"

#include <vector>

namespace postern::app::cli {
namespace {

/// The verb that was understood last.
const CLI::App& deepest(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return *at;
}

std::string path_of(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  return parent == nullptr ? app.get_name() : path_of(*parent) + ' ' + app.get_name();
}

std::vector<std::string> verbs_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(verb->get_name());
  return names;
}

/// Those of the verb and, because they may stand behind it, of all above it.
std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    for (const CLI::Option* option : at->get_options([](const CLI::Option*) { return true; })) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

}  // namespace

std::string complaint(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& at = deepest(app);
  const std::vector<std::string> unknown = app.remaining(true);
  const std::vector<std::string> verbs = verbs_of(at);
  const std::string help = "; see " + path_of(at) + " --help";
  if (unknown.empty()) {
    if (error.get_name() != "RequiredError" || verbs.empty()) return error.what() + help;
    return path_of(at) + " needs a verb: " + joined(verbs);
  }
  const std::string& word = unknown.front();
  const bool option = word.starts_with('-');
  const std::string near =
      config::nearest_name(option ? word.substr(0, word.find('=')) : word, option ? options_of(at) : verbs);
  const std::string what = path_of(at) +
                           (option          ? " has no option "
                            : verbs.empty() ? " takes no "
                                            : " has no verb ") +
                           word;
  return what + (near.empty() ? help : "; did you mean " + near + "?");
}

}  // namespace postern::app::cli
