#pragma once

#include "base/bytes.h"
#include "base/options.h"
#include "base/result.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace postern::scan {

/// What a scanner that cannot be asked, or does not answer in time, means for the message.
enum class OnFailure : std::uint8_t { Defer, Accept };
constexpr auto option_names(OnFailure) {
  return std::array{std::pair{"defer", OnFailure::Defer}, std::pair{"accept", OnFailure::Accept}};
}

/// The table [scan].
struct Options {
  std::vector<std::string> milters;
  std::chrono::seconds milter_timeout{30};
  OnFailure milter_failure = OnFailure::Defer;
  std::string rspamd;
  std::chrono::seconds rspamd_timeout{30};
  OnFailure rspamd_failure = OnFailure::Defer;
  std::uint32_t max_concurrent = 32;
  Bytes memory_per_message{256 * 1024};

  /// Whether one option can be meant. Error: Malformed.
  [[nodiscard]] Result<> check(std::string_view key) const;
  friend bool operator==(const Options&, const Options&) = default;

  static auto fields() {
    using namespace literals;
    using namespace std::chrono_literals;
    return std::tuple{
        field("milters", &Options::milters, Reload::Live,
              "Mail filters to ask at the end of a message, in this order: "
              "\"unix:/run/opendkim/opendkim.sock\" or "
              "\"127.0.0.1:8891\"."),
        field("milter_timeout", &Options::milter_timeout, 1s, 600s, Reload::Live,
              "How long each filter may take for a message, from connecting to its verdict."),
        field("milter_failure", &Options::milter_failure, Reload::Live,
              "What a filter that cannot answer means: defer (451 to the client) or accept (as if it was not "
              "there)."),
        field(
            "rspamd", &Options::rspamd, Reload::Live,
            "URL of an rspamd worker of the type normal, such as \"http://127.0.0.1:11333\"; asked after the "
            "filters. Empty: none."),
        field("rspamd_timeout", &Options::rspamd_timeout, 1s, 600s, Reload::Live,
              "How long rspamd may take for a message."),
        field("rspamd_failure", &Options::rspamd_failure, Reload::Live,
              "What an rspamd that cannot answer means: defer or accept."),
        field("max_concurrent", &Options::max_concurrent, 1, 1000, Reload::Live,
              "Messages that are with one scanner at once; more wait for their turn, within the timeout."),
        field(
            "memory_per_message", &Options::memory_per_message, 16_KiB, 16_MiB, Reload::Live,
            "What of a body is kept in memory while it is scanned; a larger one goes to a file in data_dir."),
    };
  }
};

}  // namespace postern::scan
