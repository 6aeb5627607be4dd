#include "mail/date.h"

#include "mail/header.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

namespace postern::mail {
namespace {

constexpr std::array<std::string_view, 7> kDays{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<int, 12> kMonthDays{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
constexpr std::array<std::string_view, 12> kZones{"UT",  "GMT", "EST", "EDT", "CST", "CDT",
                                                  "MST", "MDT", "PST", "PDT", "UTC", "Z"};

bool equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

std::optional<int> number(std::string_view text, std::size_t least, std::size_t most) {
  int value = 0;
  if (text.size() < least || text.size() > most) return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t start = text.find_first_not_of(separators);
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    const std::size_t end = std::min(text.find_first_of(separators), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return parts;
}

// time-of-day = hour ":" minute [ ":" second ]
bool valid_time(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, ":");
  if (parts.size() < 2 || parts.size() > 3 || text.front() == ':' || text.back() == ':') return false;
  constexpr std::array<int, 3> kLimits{23, 59, 60};  // a leap second is a second
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::optional<int> value = number(parts[i], i == 0 ? 1 : 2, 2);
    if (!value || *value > kLimits[i]) return false;
  }
  return true;
}

// zone = ("+" / "-") 4DIGIT / obs-zone
bool valid_zone(std::string_view text) {
  if (text.size() == 5 && (text[0] == '+' || text[0] == '-')) {
    const std::optional<int> value = number(text.substr(1), 4, 4);
    return value && *value % 100 < 60;
  }
  const bool military =
      text.size() == 1 && ((text[0] | 0x20) >= 'a' && (text[0] | 0x20) <= 'z') && (text[0] | 0x20) != 'j';
  return military || std::any_of(kZones.begin(), kZones.end(),
                                 [text](std::string_view zone) { return equal(text, zone); });
}

}  // namespace

std::string format_date(TimePoint when) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(when);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(seconds - day);
  const unsigned weekday = std::chrono::weekday(day).iso_encoding() - 1;
  return fmt::format("{}, {} {} {} {:02}:{:02}:{:02} +0000", kDays[weekday],
                     static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
                     time.seconds().count());
}

bool valid_date(std::string_view value) {
  const std::optional<std::string> bare = without_comments(value);  // "... +0200 (CEST)"
  if (!bare) return false;
  std::vector<std::string_view> parts = split(*bare, " \t\r\n");
  if (!parts.empty() && parts[0].back() == ',') {
    const std::string_view day = parts[0].substr(0, parts[0].size() - 1);
    if (std::none_of(kDays.begin(), kDays.end(), [day](std::string_view d) { return equal(d, day); }))
      return false;
    parts.erase(parts.begin());
  }
  if (parts.size() != 5) return false;
  const std::optional<int> day = number(parts[0], 1, 2);
  const auto month =
      std::find_if(kMonths.begin(), kMonths.end(), [&](std::string_view m) { return equal(m, parts[1]); });
  const std::optional<int> year = number(parts[2], 2, 4);
  if (!day || month == kMonths.end() || !year) return false;
  if (*day < 1 || *day > kMonthDays[static_cast<std::size_t>(month - kMonths.begin())]) return false;
  return valid_time(parts[3]) && valid_zone(parts[4]);
}

}  // namespace postern::mail
