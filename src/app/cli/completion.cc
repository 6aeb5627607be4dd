#include "app/cli/common.h"

#include <iostream>
#include <vector>

namespace postern::app::cli {
namespace {

/// One place on the command line and what may follow there.
struct Place {
  std::string path;  ///< "queue ls"; "" at the beginning
  std::string verbs;
  std::string options;
};

void collect(const CLI::App& app, const std::string& path, std::vector<Place>& out) {
  Place place{path, "", "--help --json --config"};
  const auto every = [](const CLI::App*) { return true; };
  for (const CLI::App* verb : app.get_subcommands(every))
    place.verbs += (place.verbs.empty() ? "" : " ") + verb->get_name();
  if (!path.empty()) {
    for (const CLI::Option* option : app.get_options([](const CLI::Option*) { return true; })) {
      for (const std::string& name : option->get_lnames()) {
        if (name != "help") place.options += " --" + name;
      }
    }
  } else {
    place.options += " --version";
  }
  out.push_back(place);
  for (const CLI::App* verb : app.get_subcommands(every))
    collect(*verb, path.empty() ? verb->get_name() : path + ' ' + verb->get_name(), out);
}

std::string bash(const std::vector<Place>& places) {
  std::string out =
      "# eval \"$(postern completion bash)\", or save it as /etc/bash_completion.d/postern\n"
      "_postern() {\n"
      "  local word path='' skip='' words=''\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    if [ -n \"$skip\" ]; then skip=''; continue; fi\n"
      "    case $word in --config) skip=1 ;; -*) ;; *) path=\"${path:+$path }$word\" ;; esac\n"
      "  done\n"
      "  [ -n \"$skip\" ] && return\n"
      "  case $path in\n";
  for (const Place& place : places) {
    out += "    '" + place.path + "') words='" + place.verbs + (place.verbs.empty() ? "" : " ") +
           place.options + "' ;;\n";
  }
  out +=
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
      "}\n"
      "complete -o default -F _postern postern\n";
  return out;
}

std::string fish(const std::vector<Place>& places) {
  std::string out = "# Save it as ~/.config/fish/completions/postern.fish\ncomplete -c postern -f\n";
  for (const Place& place : places) {
    std::string condition;
    if (place.path.empty()) {
      condition = "__fish_use_subcommand";
    } else {
      condition = "__fish_seen_subcommand_from ";
      for (const char c : place.path) {
        if (c == ' ') {
          condition += "; and __fish_seen_subcommand_from ";
        } else {
          condition += c;
        }
      }
    }
    if (!place.verbs.empty()) out += "complete -c postern -n '" + condition + "' -a '" + place.verbs + "'\n";
    std::string options = place.options;
    for (std::size_t at = options.find("--"); at != std::string::npos; at = options.find("--", at + 1)) {
      const std::string name = options.substr(at + 2, options.find(' ', at) - at - 2);
      out +=
          "complete -c postern -n '" + condition + "' -l " + name + (name == "config" ? " -r -F" : "") + '\n';
    }
  }
  return out;
}

}  // namespace

void add_completion_commands(CLI::App& app, Context& /*context*/) {
  CLI::App* completion =
      app.add_subcommand("completion", "Print what a shell needs to complete verbs and options")
          ->require_subcommand(1);
  const auto places = [&app] {
    std::vector<Place> found;
    collect(app, "", found);
    return found;
  };
  completion->add_subcommand("bash", "For bash")->callback([places] { std::cout << bash(places()); });
  completion->add_subcommand("zsh", "For zsh")->callback([places] {
    std::cout << "autoload -U +X bashcompinit && bashcompinit\n" << bash(places());
  });
  completion->add_subcommand("fish", "For fish")->callback([places] { std::cout << fish(places()); });
}

}  // namespace postern::app::cli
