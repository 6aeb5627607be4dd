#include "base/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <atomic>
#include <mutex>

namespace postern::log {
namespace {

constexpr std::size_t kUsualLine = 384;

struct Logger {
  std::mutex mutex;
  std::shared_ptr<Sink> sink;
  std::atomic<Level> level{Level::Info};
};

Logger& logger() {
  static Logger instance;
  return instance;
}

std::shared_ptr<Sink> current_sink() {
  Logger& log = logger();
  const std::lock_guard lock(log.mutex);
  if (!log.sink) log.sink = make_stderr_sink();
  return log.sink;
}

constexpr std::string_view level_name(Level level) {
  switch (level) {
    case Level::Debug:
      return "debug";
    case Level::Info:
      return "info";
    case Level::Warning:
      return "warning";
    case Level::Error:
      return "error";
  }
  return "info";
}

/// The length of the valid UTF-8 sequence at the head of `text`, 0 if there is none (RFC 3629: no overlong
/// forms, no surrogates, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view text) {
  const auto octet = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i) { return i < text.size() && (octet(i) & 0xC0U) == 0x80U; };
  const unsigned char first = octet(0);
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    const bool overlong = first == 0xE0 && octet(1) < 0xA0;
    const bool surrogate = first == 0xED && octet(1) > 0x9F;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    const bool overlong = first == 0xF0 && octet(1) < 0x90;
    const bool beyond = first == 0xF4 && octet(1) > 0x8F;
    return overlong || beyond ? 0 : 4;
  }
  return 0;
}

}  // namespace

void append_json_escaped(std::string& out, std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += text[i++];
    } else if (c >= 0x20 && c < 0x7F) {
      out += text[i++];
    } else {
      const std::size_t length = c < 0x80 ? 0 : utf8_length(text.substr(i));
      const bool c1_control = length == 2 && c == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0;
      if (length == 0 || c1_control) {
        fmt::format_to(std::back_inserter(out), "\\u{:04x}",
                       c1_control ? static_cast<unsigned char>(text[i + 1]) : c);
        i += length == 0 ? 1 : length;
      } else {
        out.append(text, i, length);
        i += length;
      }
    }
  }
}

void set_sink(std::shared_ptr<Sink> sink) {
  Logger& log = logger();
  const std::lock_guard lock(log.mutex);
  log.sink = std::move(sink);
}

void set_level(Level level) { logger().level.store(level, std::memory_order_relaxed); }

bool enabled(Level level) { return level >= logger().level.load(std::memory_order_relaxed); }

namespace {
/// "2026-03-03T09:30:00" of `now`; made once a second and thread, as it costs more than the rest of a line.
std::string_view date_and_time(TimePoint now) {
  thread_local std::chrono::sys_seconds made_for{};
  thread_local std::string text;
  const auto second = std::chrono::floor<std::chrono::seconds>(now);
  if (second != made_for || text.empty()) {
    text = fmt::format("{:%Y-%m-%dT%H:%M:%S}", fmt::gmtime(std::chrono::system_clock::to_time_t(second)));
    made_for = second;
  }
  return text;
}
}  // namespace

Event::Event(Level level, std::string_view event) : level_(level), enabled_(log::enabled(level)) {
  if (!enabled_) return;
  const TimePoint now = SystemClock().now();
  const auto millis = now.time_since_epoch().count() % 1000;
  line_.reserve(kUsualLine);
  fmt::format_to(std::back_inserter(line_), R"({{"t":"{}.{:03}Z","level":"{}","event":")", date_and_time(now),
                 millis, level_name(level));
  append_json_escaped(line_, event);
  line_ += '"';
}

Event::~Event() {
  if (!enabled_) return;
  line_ += '}';
  current_sink()->write(level_, line_);
}

Event& Event::with(std::string_view key, std::string_view value) {
  if (!enabled_) return *this;
  line_ += ",\"";
  append_json_escaped(line_, key);
  line_ += "\":\"";
  append_json_escaped(line_, value);
  line_ += '"';
  return *this;
}

Event& Event::with(std::string_view key, bool value) {
  if (!enabled_) return *this;
  line_ += ",\"";
  append_json_escaped(line_, key);
  line_ += value ? "\":true" : "\":false";
  return *this;
}

Event& Event::with_number(std::string_view key, std::int64_t value) {
  if (!enabled_) return *this;
  line_ += ",\"";
  append_json_escaped(line_, key);
  line_ += "\":";
  line_ += std::to_string(value);
  return *this;
}

}  // namespace postern::log
