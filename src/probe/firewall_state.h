#pragma once

#include "probe/firewall.h"

#include <string>
#include <vector>

namespace postern::probe {

/// What `postern firewall open` did, so that close can undo exactly that.
struct OpenedPort {
  std::uint16_t port = 0;
  std::string from;  ///< "" or a network
  std::string backend;
  std::string opened;   ///< when, in UTC
  std::string comment;  ///< marks our rules
  std::vector<Command> undo;
  std::vector<std::string> files;  ///< that got a line with the comment
};

/// The state file as JSON; "" is an empty list. Error: Corrupt.
[[nodiscard]] Result<std::vector<OpenedPort>> read_state(const std::string& text);
[[nodiscard]] std::string write_state(const std::vector<OpenedPort>& opened);

/// `nft delete rule` for every rule with this comment in `nft -a -j list ruleset`.
[[nodiscard]] std::vector<Command> nft_deletions(const std::string& nft_json, const std::string& comment);

/// `text` without the lines that hold `comment` in quotes. When no rule is left in our own nft file, "".
[[nodiscard]] std::string without_lines(const std::string& text, const std::string& comment);

/// `text` without the lines that are exactly `line`.
[[nodiscard]] std::string without_line(const std::string& text, const std::string& line);

/// Replaces a file in one step, with the old one's rights; new directories are made. Errors: Unavailable.
[[nodiscard]] Result<> replace_file(const std::string& path, const std::string& text);

}  // namespace postern::probe
