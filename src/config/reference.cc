#include "config/catalogue.h"

#include <fmt/format.h>

#include <functional>

/// The catalogue written out: effective configuration, annotated example, reference page.
namespace postern::config {
namespace {

constexpr std::string_view kHowToMake = "postern config reference";

/// "[[tls.more]]" for tables that may be repeated.
std::string heading(const Option& option) {
  if (option.table.starts_with("tls.more")) return "[[tls.more]]";
  if (option.table.starts_with("route")) return "[[route]]";
  return '[' + option.table + ']';
}

/// Writes `line(option)` for each option, under the headings of its tables.
std::string by_table(const std::vector<Option>& options, std::string_view heading_prefix,
                     const std::function<std::string(const Option&)>& line) {
  std::string out;
  std::string table;
  for (const Option& option : options) {
    if (option.table != table) {
      table = option.table;
      out += fmt::format("\n{}{}\n", heading_prefix, heading(option));
    }
    out += line(option);
  }
  return out;
}

std::string takes_effect(const Option& option) {
  return option.reload == Reload::Live ? "reload" : "restart";
}

}  // namespace

std::string effective_toml(const Config& config) {
  return by_table(options_of(config), "", [](const Option& option) {
    const std::string line = option.name + " = " + option.value;
    return option.is_default() ? fmt::format("{:<48}  # default\n", line) : line + '\n';
  });
}

std::string annotated_toml() {
  std::string out =
      "# Every option of Postern at its default. Copy what you change to /etc/postern/postern.toml; the\n"
      "# program never rewrites it. (reload): a change takes effect on SIGHUP, systemctl reload postern.\n"
      "# (restart): it needs a restart. hostname is the only key that has to be there; mail is taken once a\n"
      "# certificate is named below. Made by postern config example.\n\n";
  out += by_table(known_options(), "# ", [](const Option& option) {
    if (option.key() == "hostname") {
      return fmt::format("# {} ({})\nhostname = \"mail.example.org\"\n", option.help, takes_effect(option));
    }
    const std::string range = option.range.empty() ? "" : " From " + option.range + '.';
    return fmt::format("# {}{} ({})\n# {} = {}\n", option.help, range, takes_effect(option), option.name,
                       option.value);
  });
  return out;
}

std::string options_page() {
  std::string out =
      "# Options\n\nEvery key of the configuration file. Unknown keys are errors. \"reload\": a change takes "
      "effect on SIGHUP; \"restart\": it\nneeds a restart, and a reload says so in the log. "
      "`postern config explain KEY` prints the same.\n\nMade by `" +
      std::string(kHowToMake) +
      "` from the `fields()` of each module; `./dev docs` writes it again, and a test fails when it is "
      "stale.\n";
  std::string table = "-";
  for (const Option& option : known_options()) {
    if (option.table != table) {
      table = option.table;
      out += table.empty() ? "\n## Top level\n\n" : fmt::format("\n## `{}`\n\n", heading(option));
      out += "| key | value | default | takes effect | what it does |\n|---|---|---|---|---|\n";
    }
    const std::string range = option.range.empty() ? "" : ", " + option.range;
    out += fmt::format("| `{}` | {}{} | `{}` | {} | {} |\n", option.name, option.kind, range,
                       option.default_value, takes_effect(option), option.help);
  }
  return out;
}

}  // namespace postern::config
