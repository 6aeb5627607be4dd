#include "base/log.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
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

/// RFC 5424 severities, which journald shares.
constexpr char priority(Level level) {
  switch (level) {
    case Level::Debug:
      return '7';
    case Level::Info:
      return '6';
    case Level::Warning:
      return '4';
    case Level::Error:
      return '3';
  }
  return '6';
}

class StderrSink final : public Sink {
 public:
  void write(Level /*level*/, std::string_view json_line) override {
    std::string line(json_line);
    line += '\n';
    // One write(2) a line: lines of several threads never mix. A closed standard error is nobody's to be
    // told.
    std::string_view rest = line;
    while (!rest.empty()) {
      const ssize_t n = ::write(STDERR_FILENO, rest.data(), rest.size());
      if (n <= 0) return;
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
  }
};

/// journald's native protocol: KEY=VALUE lines in one datagram. The line holds no newline, so no binary form
/// is needed.
class JournaldSink final : public Sink {
 public:
  explicit JournaldSink(int fd) : fd_(fd) {}
  ~JournaldSink() override { ::close(fd_); }
  void write(Level level, std::string_view json_line) override {
    std::string datagram = "SYSLOG_IDENTIFIER=postern\nPRIORITY=";
    datagram += priority(level);
    datagram += "\nMESSAGE=";
    datagram += json_line;
    datagram += '\n';
    if (::send(fd_, datagram.data(), datagram.size(), MSG_NOSIGNAL) < 0) fallback_.write(level, json_line);
  }

 private:
  int fd_;
  StderrSink fallback_;
};

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

std::shared_ptr<Sink> make_stderr_sink() { return std::make_shared<StderrSink>(); }

std::shared_ptr<Sink> make_journald_sink() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  static constexpr std::string_view kPath = "/run/systemd/journal/socket";
  std::memcpy(address.sun_path, kPath.data(), kPath.size());
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return make_stderr_sink();
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(fd);
    return make_stderr_sink();
  }
  return std::make_shared<JournaldSink>(fd);
}

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
