#pragma once

#include "base/clock.h"
#include "base/ids.h"

#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace postern::log {

enum class Level { Debug, Info, Warning, Error };
constexpr auto option_names(Level) {
  return std::array{std::pair{"debug", Level::Debug}, std::pair{"info", Level::Info},
                    std::pair{"warning", Level::Warning}, std::pair{"error", Level::Error}};
}

/// Where finished lines go. Implementations: standard error (JSON lines), journald, a test's vector.
/// Threads  write() is called from any thread.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(Level level, std::string_view json_line) = 0;
};

/// Installed once by the composition root before threads start; default: JSON lines on standard error. The
/// only process-wide state in Postern (decision 0003): a logger handed through every constructor buys
/// nothing.
void set_sink(std::shared_ptr<Sink> sink);
void set_level(Level level);
[[nodiscard]] bool enabled(Level level);
[[nodiscard]] std::shared_ptr<Sink> make_stderr_sink();
/// Entries with native fields to journald's socket: POSTERN_EVENT, POSTERN_QUEUE_ID and so on, one for each field of
/// the event. Falls back to standard error when nobody is there.
[[nodiscard]] std::shared_ptr<Sink> make_journald_sink(
    const std::string& path = "/run/systemd/journal/socket");

/// One structured line: {"t":..,"level":..,"event":..,fields...}, written when the Event dies.
/// `event` is a stable dotted name ("submission.auth_failed"); docs/operations.md lists them.
/// Values are escaped: control characters, quotes and invalid UTF-8 cannot break or forge a line.
/// Never log passwords, tokens, message headers or bodies.
///   log::Event(log::Level::Info, "queue.accepted").with("queue_id", id).with("size", bytes);
class Event {
 public:
  Event(Level level, std::string_view event);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  Event& with(std::string_view key, std::string_view value);
  Event& with(std::string_view key, const char* value) { return with(key, std::string_view(value)); }
  Event& with(std::string_view key, const std::string& value) { return with(key, std::string_view(value)); }
  Event& with(std::string_view key, bool value);
  template <std::integral I>
  requires(!std::same_as<I, bool>) Event& with(std::string_view key, I value) {
    return with_number(key, static_cast<std::int64_t>(value));
  }
  template <class Tag>
  Event& with(std::string_view key, StrongId<Tag> id) {
    return with(key, to_string(id));
  }
  template <class Tag>
  Event& with(std::string_view key, const std::optional<StrongId<Tag>>& id) {
    return id ? with(key, *id) : *this;
  }

 private:
  Event& with_number(std::string_view key, std::int64_t value);
  Level level_;
  bool enabled_;
  std::string line_;
};

/// `text` as the inside of a JSON string: everything below 0x20, quotes, backslash, DEL, C1 controls and
/// invalid UTF-8 are escaped (invalid octets as \u00XX).
void append_json_escaped(std::string& out, std::string_view text);

}  // namespace postern::log
