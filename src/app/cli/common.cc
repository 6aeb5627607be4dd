#include "app/cli/common.h"

#include "app/dev.h"
#include "base/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <iostream>
#include <sstream>

namespace postern::app::cli {
namespace {
constexpr const char* kDefaultConfig = "/etc/postern/postern.toml";
}

std::string config_path(const Context& context) {
  if (!context.config_path.empty()) return context.config_path;
  const std::string dev = default_dev_directory() + "/postern.toml";
  if (!std::filesystem::exists(kDefaultConfig) && std::filesystem::exists(dev)) return dev;
  return kDefaultConfig;
}

Result<config::Config> load_config(const Context& context) { return config::load(config_path(context)); }

Result<std::unique_ptr<accounts::Directory>> open_directory(const Context& context) {
  static const SystemClock clock;
  POSTERN_TRY(const config::Config config, load_state_config(context));
  std::error_code error;
  std::filesystem::create_directories(config.data_dir, error);
  if (error) return fail(Errc::Unavailable, config.data_dir + ": " + error.message());
  POSTERN_CHECK(act_as_owner_of(config.data_dir));
  return accounts::Directory::open(config.data_dir + "/directory.db", config.accounts, clock);
}

Result<> act_as_owner_of(const std::string& data_dir) {
  struct stat found {};
  if (::geteuid() != 0 || ::stat(data_dir.c_str(), &found) != 0 || found.st_uid == 0) return {};
  const bool done = ::setgroups(0, nullptr) == 0 &&
                    ::setresgid(found.st_gid, found.st_gid, found.st_gid) == 0 &&
                    ::setresuid(found.st_uid, found.st_uid, found.st_uid) == 0;
  if (!done) return fail(Errc::Denied, std::string("cannot act as the owner of ") + data_dir);
  return {};
}

void report(Context& context, const Result<>& outcome) {
  if (outcome) return;
  std::istringstream lines(outcome.error().detail);
  for (std::string line; std::getline(lines, line);) std::cerr << "postern: " << line << '\n';
  context.exit_code = kFailed;
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  log::append_json_escaped(out, text);
  return out + '"';
}

std::string json_list(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ",") + json_text(text);
  return '[' + out + ']';
}

std::string shown(TimePoint when) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(when)));
}

CLI::Validator port_number() {
  return {[](const std::string& text) -> std::string {
            unsigned number = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
            const bool good =
                error == std::errc{} && end == text.data() + text.size() && number > 0 && number <= 65535;
            if (good) return {};
            const bool range = text.find_first_of("-:") != std::string::npos &&
                               text.find_first_not_of("0123456789-:") == std::string::npos;
            return '"' + text + "\" is not a port from 1 to 65535" +
                   (range ? "; name each port of a range, as 587,465" : "");
          },
          "PORT", "port"};
}

namespace {

/// A line of standard input, without echo on a terminal.
std::string read_silently(const char* prompt) {
  termios old{};
  const bool terminal = ::isatty(STDIN_FILENO) != 0 && ::tcgetattr(STDIN_FILENO, &old) == 0;
  if (terminal) {
    termios silent = old;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &silent);
    std::cerr << prompt;
  }
  std::string line;
  std::getline(std::cin, line);
  if (terminal) {
    ::tcsetattr(STDIN_FILENO, TCSANOW, &old);
    std::cerr << '\n';
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

}  // namespace

Result<std::string> read_secret(const std::string& what) {
  std::string secret = read_silently(what == "password" ? "Password: " : "Token: ");
  if (secret.empty()) return fail(Errc::Malformed, "no " + what + " on standard input");
  return secret;
}

Result<std::string> read_password() {
  POSTERN_TRY(const std::string password, read_secret("password"));
  // Nobody sees what is typed: once more shows a slip of the finger.
  if (::isatty(STDIN_FILENO) != 0 && read_silently("Again: ") != password)
    return fail(Errc::Malformed, "the two passwords differ; nothing was changed");
  return password;
}

}  // namespace postern::app::cli
