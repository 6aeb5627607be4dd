#pragma once

#include "base/clock.h"
#include "guard/limit.h"
#include "guard/watch/aging_filter.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace postern::guard {

/// How much was used within the last `seconds`, in 60 slices: use frees a slice at a time, at most 1/60 of the window
/// late and never early. A clock that jumps back frees nothing early either.
class RollingCount {
 public:
  static constexpr std::size_t kSlices = 60;
  RollingCount(Counted what, std::chrono::seconds window) : what_(what), window_(window) {}

  [[nodiscard]] bool is_for(Counted what, std::chrono::seconds window) const {
    return what_ == what && window_ == window;
  }
  [[nodiscard]] bool unused() const { return sum() == 0; }
  void add(TimePoint now, std::uint64_t amount);
  /// Takes back what add() has just added.
  void subtract(TimePoint now, std::uint64_t amount);
  [[nodiscard]] std::uint64_t total(TimePoint now);
  /// When at most `allowed` will be left of the present use. total() was asked for this instant.
  [[nodiscard]] TimePoint when_at_most(std::uint64_t allowed) const;

  /// Whether the account was told that this limit comes near; it is told again after the use has halved.
  bool warned = false;

  void write(std::string& out) const;
  /// False: damaged.
  [[nodiscard]] static bool read(std::string_view& in, std::vector<RollingCount>& out);

 private:
  [[nodiscard]] std::chrono::milliseconds width() const;
  void advance(TimePoint now);
  [[nodiscard]] std::uint64_t sum() const;

  Counted what_;
  std::chrono::seconds window_;
  std::int64_t newest_ = 0;  // number of the newest slice since 1970
  std::array<std::uint32_t, kSlices> slices_{};
};

/// What one account, app password, domain, client or the server has sent lately.
struct Use {
  using Known = AgingFilter<2048>;  ///< about 470 to 940 recipients, 512 octets
  std::vector<RollingCount> counts;
  std::unique_ptr<Known> known;  ///< recipients that an account has written to
  TimePoint last{};
  bool queued = false;  ///< to be written
  bool saving = false;  ///< being written

  [[nodiscard]] RollingCount& count(Counted what, std::chrono::seconds window);
  /// For the store; "" reads as nothing used.
  [[nodiscard]] std::string encoded() const;
  [[nodiscard]] static Use decoded(std::string_view octets);
};

}  // namespace postern::guard
