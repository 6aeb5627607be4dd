#pragma once

#include "base/result.h"
#include "delivery/outcome.h"
#include "smtp/reply.h"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace postern::delivery {

/// What a provider means by a reply, one line of the tables [provider.NAME] and [smarthost.NAME]:
///
///   CODE [STATUS] ["TEXT"] -> ACTION [TIME]
///
/// CODE is three digits, "x" standing for any; STATUS an enhanced code in which "*" stands for any number; TEXT
/// occurs in the reply, case does not matter. TIME is a number with s, m, h or d. The actions:
///   slow   retry, and leave the whole site alone for TIME (at least)
///   wait   retry this recipient, not before TIME
///   fail   never try this recipient again
///   retry  try this recipient again by the schedule
struct ReplyRule {
  enum class Action : std::uint8_t { Slow, Wait, Fail, Retry };
  std::string text;  ///< the line, which explains a decision in the trace
  std::string code;
  std::string status;
  std::string contains;  ///< lower case
  Action action = Action::Retry;
  std::chrono::milliseconds time{0};
};

/// Error: Malformed, saying what is wrong with the line.
[[nodiscard]] Result<ReplyRule> parse_reply_rule(std::string_view line);
/// All lines; the Error names the one that is wrong.
[[nodiscard]] Result<std::vector<ReplyRule>> parse_reply_rules(const std::vector<std::string>& lines);
[[nodiscard]] bool matches(const ReplyRule& rule, const smtp::Reply& reply);

/// classify(), and then the first of `rules` that matches a 4xx or 5xx reply decides instead.
[[nodiscard]] Outcome classify(const smtp::Reply& reply, Stage stage, const std::vector<ReplyRule>& rules);

}  // namespace postern::delivery
