#include "tlspolicy/sts_policy.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace postern::tlspolicy {
namespace {

constexpr long kLongestAge = 31'557'600;  // RFC 8461 §3.2
constexpr std::size_t kMaxPatterns = 1000;
constexpr std::size_t kMaxShown = 60;  // of somebody else's text in an error

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxShown)) out += c >= ' ' && c <= '~' ? c : '?';
  return out;
}

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z'); }

bool is_pattern(std::string_view text) {
  if (text.starts_with("*.")) text.remove_prefix(2);
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '-' || c == '.' || c == '_'; });
}

/// Which keys have been there; of repeated ones the first counts.
struct Seen {
  bool version = false;
  bool mode = false;
  bool max_age = false;
};

Result<> read_mode(StsPolicy& policy, std::string_view value) {
  for (const StsPolicy::Mode mode :
       {StsPolicy::Mode::None, StsPolicy::Mode::Testing, StsPolicy::Mode::Enforce}) {
    if (value != to_string(mode)) continue;
    policy.mode = mode;
    return {};
  }
  return fail(Errc::Malformed, "unknown mode " + shown(value));
}

Result<> read_max_age(StsPolicy& policy, std::string_view value) {
  long age = -1;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), age);
  if (error != std::errc{} || end != value.data() + value.size() || age < 0)
    return fail(Errc::Malformed, "bad max_age " + shown(value));
  policy.max_age = std::chrono::seconds{std::min(age, kLongestAge)};
  return {};
}

Result<> apply(StsPolicy& policy, Seen& seen, std::string_view key, std::string_view value) {
  if (key == "version" && !std::exchange(seen.version, true) && value != "STSv1")
    return fail(Errc::Malformed, "version is not STSv1");
  if (key == "mode" && !std::exchange(seen.mode, true)) return read_mode(policy, value);
  if (key == "max_age" && !std::exchange(seen.max_age, true)) return read_max_age(policy, value);
  if (key != "mx") return {};
  if (!is_pattern(value)) return fail(Errc::Malformed, "bad mx " + shown(value));
  if (policy.mx.size() == kMaxPatterns) return fail(Errc::Malformed, "too many mx");
  policy.mx.push_back(lower(value));
  return {};
}

}  // namespace

const char* to_string(StsPolicy::Mode mode) {
  switch (mode) {
    case StsPolicy::Mode::None:
      return "none";
    case StsPolicy::Mode::Testing:
      return "testing";
    case StsPolicy::Mode::Enforce:
      return "enforce";
  }
  return "";
}

bool StsPolicy::names(std::string_view host) const {
  if (host.ends_with('.')) host.remove_suffix(1);
  const std::string name = lower(host);
  return std::ranges::any_of(mx, [&name](const std::string& pattern) {
    if (!pattern.starts_with("*.")) return pattern == name;
    const std::size_t dot = name.find('.');
    return dot != std::string::npos && dot > 0 && name.substr(dot) == pattern.substr(1);
  });
}

Result<StsPolicy> parse_sts_policy(std::string_view text) {
  StsPolicy policy;
  Seen seen;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t colon = line.find(':');
    if (line.empty()) continue;
    if (colon == std::string_view::npos) return fail(Errc::Malformed, "a line without colon: " + shown(line));
    POSTERN_CHECK(apply(policy, seen, trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1))));
  }
  if (!seen.version) return fail(Errc::Malformed, "no version");
  if (!seen.mode) return fail(Errc::Malformed, "no mode");
  if (!seen.max_age) return fail(Errc::Malformed, "no max_age");
  if (policy.mode != StsPolicy::Mode::None && policy.mx.empty()) return fail(Errc::Malformed, "no mx");
  return policy;
}

std::optional<std::string> announced_id(const std::vector<std::string>& txt) {
  constexpr std::string_view kVersion = "v=STSv1";
  const std::string* only = nullptr;
  for (const std::string& text : txt) {
    if (!text.starts_with(kVersion)) continue;
    const std::string_view rest = trimmed(std::string_view(text).substr(kVersion.size()));
    if (!rest.starts_with(';')) continue;
    if (only != nullptr) return std::nullopt;  // RFC 8461 §3.1: then there is none
    only = &text;
  }
  if (only == nullptr) return std::nullopt;
  std::string_view rest = std::string_view(*only);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view field = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!field.starts_with("id=")) continue;
    const std::string_view id = field.substr(3);
    constexpr std::size_t kLongestId = 32;
    if (id.empty() || id.size() > kLongestId || !std::ranges::all_of(id, is_alnum)) return std::nullopt;
    return std::string(id);
  }
  return std::nullopt;
}

std::string policy_url(const std::string& domain) {
  return "https://mta-sts." + domain + "/.well-known/mta-sts.txt";
}

}  // namespace postern::tlspolicy
