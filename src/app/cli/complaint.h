#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace postern::app::cli {

/// What is wrong with the command line, in one line, with the nearest verb or option that there is. `app` has just failed
/// to parse with `error`.
[[nodiscard]] std::string complaint(const CLI::App& app, const CLI::ParseError& error);

}  // namespace postern::app::cli
