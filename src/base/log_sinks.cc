// Where finished lines go.
#include "base/log.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace postern::log {
namespace {

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

/// A flat JSON object as written by Event, walked member by member; values stay escaped but for \" and \\.
class Members {
 public:
  explicit Members(std::string_view json) : rest_(json.substr(json.empty() ? 0 : 1)) {}

  bool next(std::string& key, std::string& value) {
    if (rest_.empty() || rest_.front() != '"') return false;
    key = text();
    skip(1);  // the colon
    value = !rest_.empty() && rest_.front() == '"' ? text() : bare();
    skip(1);  // the comma, or the closing brace
    return true;
  }

 private:
  void skip(std::size_t count) { rest_.remove_prefix(std::min(count, rest_.size())); }
  std::string text() {
    skip(1);
    std::string out;
    while (!rest_.empty() && rest_.front() != '"') {
      if (rest_.front() == '\\' && rest_.size() > 1 && rest_[1] != 'u') skip(1);
      out += rest_.front();
      skip(1);
    }
    skip(1);
    return out;
  }
  std::string bare() {
    const std::size_t end = std::min(rest_.find_first_of(",}"), rest_.size());
    std::string out(rest_.substr(0, end));
    skip(end);
    return out;
  }
  std::string_view rest_;
};

/// "queue_id" -> "POSTERN_QUEUE_ID" (systemd.journal-fields(7): capitals, digits and underscores).
std::string field_name(std::string_view key) {
  std::string out = "POSTERN_";
  for (const char c : key) {
    const bool lower = c >= 'a' && c <= 'z';
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    out += lower ? static_cast<char>(c - 'a' + 'A') : plain ? c : '_';
  }
  return out;
}

/// journald's native protocol: NAME=value lines in one datagram. No value holds a line end, because control
/// characters are escaped, so the binary form is not needed. `journalctl POSTERN_QUEUE_ID=...` finds a message.
class JournaldSink final : public Sink {
 public:
  explicit JournaldSink(int fd) : fd_(fd) {}
  JournaldSink(const JournaldSink&) = delete;
  JournaldSink& operator=(const JournaldSink&) = delete;
  ~JournaldSink() override { ::close(fd_); }

  void write(Level level, std::string_view json_line) override {
    std::string message;
    std::string fields;
    std::string key;
    std::string value;
    for (Members members(json_line); members.next(key, value);) {
      if (key == "t" || key == "level") continue;  // journald has its own
      fields += field_name(key) + '=' + value + '\n';
      message += message.empty() ? value : ' ' + key + '=' + value;
    }
    const std::string datagram = std::string("SYSLOG_IDENTIFIER=postern\nPRIORITY=") + priority(level) +
                                 "\nMESSAGE=" + message + '\n' + fields;
    if (::send(fd_, datagram.data(), datagram.size(), MSG_NOSIGNAL) < 0) fallback_.write(level, json_line);
  }

 private:
  int fd_;
  StderrSink fallback_;
};

}  // namespace

std::shared_ptr<Sink> make_stderr_sink() { return std::make_shared<StderrSink>(); }

std::shared_ptr<Sink> make_journald_sink(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return make_stderr_sink();
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return make_stderr_sink();
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(fd);
    return make_stderr_sink();
  }
  return std::make_shared<JournaldSink>(fd);
}

}  // namespace postern::log
