#pragma once

#include "probe/check.h"

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace postern::app::cli {

/// `postern check` as it was typed.
struct CheckArguments {
  std::string target;
  std::string from_domain;
  std::vector<std::uint16_t> ports;
  std::vector<std::string> addresses;
  std::vector<std::string> resolvers;
  std::string trust_anchor;
  bool v4 = false;
  bool v6 = false;
  int timeout = 30;  ///< seconds
  bool quiet = false;
  std::string watch;
  int rounds = 0;
  bool explain = false;
  std::string ca_file;
  std::string ehlo;
  std::string user;
  std::string password_file;
  bool password_stdin = false;
  std::string token_file;
  bool token_stdin = false;
  std::string send_to;
  std::string send_from;
  int insecure = 0;
  bool no_relay_test = false;
};

/// The options of `postern check`, and which of them go together.
void add_check_options(CLI::App& command, CheckArguments& into);

/// What a check needs, from arguments that were found to be in order.
struct PreparedCheck {
  probe::Target target;
  probe::CheckOptions options;
  probe::NameOptions names;
  bool ports_asked = false;
  std::chrono::milliseconds watch{0};  ///< 0: once
  std::vector<std::string> hints;      ///< for standard error: what may have been meant otherwise
};

/// Reads the password or token too, from where the arguments say, last of all. Error: Malformed, NotFound: the command line
/// is wrong.
[[nodiscard]] Result<PreparedCheck> prepare_check(const CheckArguments& arguments);

}  // namespace postern::app::cli
