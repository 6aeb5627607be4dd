#include "delivery/reply_rules.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

namespace postern::delivery {
namespace {

using Action = ReplyRule::Action;

constexpr std::array<std::pair<std::string_view, Action>, 4> kActions{
    {{"slow", Action::Slow}, {"wait", Action::Wait}, {"fail", Action::Fail}, {"retry", Action::Retry}}};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// The next word, or the next text in quotes without them.
std::string_view next_word(std::string_view& rest) {
  const std::size_t begin = std::min(rest.find_first_not_of(' '), rest.size());
  rest.remove_prefix(begin);
  if (rest.starts_with('"')) {
    const std::size_t end = std::min(rest.find('"', 1), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return word;
  }
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(word.size());
  return word;
}

bool is_code(std::string_view text) {
  return text.size() == 3 && (text[0] == '4' || text[0] == '5') &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) != 0 || c == 'x'; });
}

/// "4.7.28" or "4.7.*"
bool is_status(std::string_view text) {
  return std::ranges::count(text, '.') == 2 && std::ranges::all_of(text, [](unsigned char c) {
           return std::isdigit(c) != 0 || c == '.' || c == '*';
         });
}

Result<std::chrono::milliseconds> parse_time(std::string_view text) {
  constexpr std::int64_t kMost = 30 * 86'400;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::int64_t factor = unit == "s"   ? 1
                              : unit == "m" ? 60
                              : unit == "h" ? 3600
                              : unit == "d" ? 86'400
                                            : 0;
  if (error != std::errc{} || factor == 0 || number < 0 || number > kMost / factor) {
    return fail(Errc::Malformed, "\"" + std::string(text) + "\" is no time such as 30s, 10m, 4h or 1d");
  }
  return std::chrono::milliseconds{number * factor * 1000};
}

Result<> read_pattern(std::string_view pattern, ReplyRule& rule) {
  rule.code = next_word(pattern);
  if (!is_code(rule.code)) return fail(Errc::Malformed, "a rule begins with a code such as 421, 45x or 5xx");
  while (true) {
    const std::string_view word = next_word(pattern);
    if (word.empty()) return {};
    if (word.starts_with('"') && rule.contains.empty()) {
      rule.contains = lower(word.substr(1));
    } else if (is_status(word) && rule.status.empty()) {
      rule.status = word;
    } else {
      return fail(Errc::Malformed, "\"" + std::string(word) + "\" is neither a status nor a text in quotes");
    }
  }
}

/// Number by number, "*" being any.
bool status_matches(std::string_view pattern, std::string_view status) {
  while (!pattern.empty() && !status.empty()) {
    const std::string_view wanted = pattern.substr(0, pattern.find('.'));
    const std::string_view got = status.substr(0, status.find('.'));
    if (wanted != "*" && wanted != got) return false;
    pattern.remove_prefix(std::min(wanted.size() + 1, pattern.size()));
    status.remove_prefix(std::min(got.size() + 1, status.size()));
  }
  return pattern.empty() && status.empty();
}

}  // namespace

Result<ReplyRule> parse_reply_rule(std::string_view line) {
  constexpr std::string_view kArrow = "->";
  ReplyRule rule;
  rule.text = line;
  // The arrow may also occur in the text that is looked for.
  const std::size_t arrow = line.rfind(kArrow);
  if (arrow == std::string_view::npos)
    return fail(Errc::Malformed, "a rule is CODE [STATUS] [\"TEXT\"] -> ACTION");
  POSTERN_CHECK(read_pattern(line.substr(0, arrow), rule));
  std::string_view rest = line.substr(arrow + kArrow.size());
  const std::string_view action = next_word(rest);
  const auto known = std::ranges::find(kActions, action, [](const auto& entry) { return entry.first; });
  if (known == kActions.end()) {
    return fail(Errc::Malformed, "\"" + std::string(action) + "\" is none of slow, wait, fail, retry");
  }
  rule.action = known->second;
  const std::string_view time = next_word(rest);
  if (!time.empty()) {
    POSTERN_TRY(rule.time, parse_time(time));
  }
  if (!next_word(rest).empty()) return fail(Errc::Malformed, "something follows the time");
  const bool takes_time = rule.action == Action::Slow || rule.action == Action::Wait;
  if (takes_time != !time.empty()) {
    return fail(Errc::Malformed, takes_time ? "slow and wait need a time" : "fail and retry take no time");
  }
  return rule;
}

Result<std::vector<ReplyRule>> parse_reply_rules(const std::vector<std::string>& lines) {
  std::vector<ReplyRule> rules;
  for (const std::string& line : lines) {
    Result<ReplyRule> rule = parse_reply_rule(line);
    if (!rule) return fail(Errc::Malformed, "replies: \"" + line + "\": " + rule.error().detail);
    rules.push_back(*std::move(rule));
  }
  return rules;
}

bool matches(const ReplyRule& rule, const smtp::Reply& reply) {
  const std::string code = std::to_string(reply.code);
  for (std::size_t i = 0; i < rule.code.size(); ++i) {
    if (rule.code[i] != 'x' && (i >= code.size() || rule.code[i] != code[i])) return false;
  }
  if (!rule.status.empty() && !status_matches(rule.status, smtp::to_string(reply.enhanced))) return false;
  if (rule.contains.empty()) return true;
  return std::ranges::any_of(reply.lines, [&](const std::string& line) {
    return lower(line).find(rule.contains) != std::string::npos;
  });
}

Outcome classify(const smtp::Reply& reply, Stage stage, const std::vector<ReplyRule>& rules) {
  Outcome out = classify(reply, stage);
  const int kind = reply.code / 100;
  if (rules.empty() || (kind != 4 && kind != 5)) return out;
  const auto rule = std::ranges::find_if(rules, [&](const ReplyRule& r) { return matches(r, reply); });
  if (rule == rules.end()) return out;
  out.rule = rule->text;
  out.wait = rule->time;
  out.site = rule->action == Action::Slow;
  out.decision = rule->action == Action::Fail ? Decision::Failed : Decision::Retry;
  // RFC 3464 §2.3.4: the status agrees with what becomes of the mail.
  out.status[0] = out.decision == Decision::Failed ? '5' : '4';
  return out;
}

}  // namespace postern::delivery
