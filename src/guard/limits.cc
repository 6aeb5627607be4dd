#include "guard/limits.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace postern::guard {
namespace {

constexpr std::chrono::seconds kShortest{60};
constexpr std::chrono::seconds kLongest = std::chrono::days{31};

std::int64_t slice_of(TimePoint now, const Limit& limit, std::size_t slices) {
  const auto width = std::chrono::milliseconds(limit.window) / static_cast<std::int64_t>(slices);
  return now.time_since_epoch() / width;
}

}  // namespace

Result<Limit> parse_limit(std::string_view text) {
  const auto malformed = [text] {
    return fail(Errc::Malformed, "not a limit such as \"100/1h\": \"" + std::string(text) + "\"");
  };
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || text.size() < slash + 3) return malformed();
  Limit limit;
  std::int64_t amount = 0;
  const auto whole = [](std::string_view digits, auto& out) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return error == std::errc{} && end == digits.data() + digits.size() && out > 0;
  };
  if (!whole(text.substr(0, slash), limit.count) ||
      !whole(text.substr(slash + 1, text.size() - slash - 2), amount))
    return malformed();
  constexpr std::int64_t kMostUnits = 50'000;
  if (amount > kMostUnits) return malformed();
  switch (text.back()) {
    case 'm':
      limit.window = std::chrono::minutes(amount);
      break;
    case 'h':
      limit.window = std::chrono::hours(amount);
      break;
    case 'd':
      limit.window = std::chrono::days(amount);
      break;
    default:
      return malformed();
  }
  if (limit.window < kShortest || limit.window > kLongest)
    return fail(Errc::Malformed, "a limit's window is 1m to 31d");
  return limit;
}

std::string to_string(const Limit& limit) {
  const auto count = limit.window.count();
  if (count % 86400 == 0) return fmt::format("{}/{}d", limit.count, count / 86400);
  if (count % 3600 == 0) return fmt::format("{}/{}h", limit.count, count / 3600);
  return fmt::format("{}/{}m", limit.count, count / 60);
}

void Limits::Window::advance(std::int64_t slice) {
  if (slice - newest >= static_cast<std::int64_t>(kSlices)) {
    slices.fill(0);
    newest = slice;
  }
  for (; newest < slice; ++newest) slices[static_cast<std::size_t>(newest + 1) % kSlices] = 0;
}

std::uint64_t Limits::Window::total() const {
  std::uint64_t sum = 0;
  for (const std::uint32_t n : slices) sum += n;
  return sum;
}

void Limits::carry(Use& use, const ClassLimits& before, const ClassLimits& after) {
  const auto carried = [](const std::vector<Limit>& old_limits, const std::vector<Limit>& new_limits,
                          const std::vector<Window>& windows) {
    std::vector<Window> out(new_limits.size());
    for (std::size_t i = 0; i < new_limits.size(); ++i) {
      for (std::size_t j = 0; j < std::min(old_limits.size(), windows.size()); ++j) {
        if (old_limits[j].window == new_limits[i].window) out[i] = windows[j];
      }
    }
    return out;
  };
  use.messages = carried(before.messages, after.messages, use.messages);
  use.recipients = carried(before.recipients, after.recipients, use.recipients);
}

void Limits::replace(std::array<ClassLimits, 3> classes) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, use] : uses_) carry(use, classes_.at(use.kind), classes.at(use.kind));
  classes_ = std::move(classes);
}

Limits::Use& Limits::use_of(AccountId id, std::size_t kind) {
  if (uses_.size() >= forget_at_) forget_idle();
  Use& use = uses_[id];
  const ClassLimits& limits = classes_.at(kind);
  if (use.kind != kind || use.messages.size() != limits.messages.size() ||
      use.recipients.size() != limits.recipients.size()) {
    carry(use, classes_.at(use.kind), limits);
    use.kind = kind;
  }
  use.last = clock_.now();
  return use;
}

void Limits::forget_idle() {
  std::chrono::seconds longest{0};
  for (const ClassLimits& limits : classes_) {
    for (const Limit& limit : limits.messages) longest = std::max(longest, limit.window);
    for (const Limit& limit : limits.recipients) longest = std::max(longest, limit.window);
  }
  const TimePoint before = clock_.now() - longest;
  std::erase_if(uses_, [before](const auto& entry) { return entry.second.last < before; });
  forget_at_ = std::max<std::size_t>(10'000, uses_.size() * 2);
}

Verdict Limits::check_one(const char* what, const std::vector<Limit>& limits, std::vector<Window>& windows,
                          std::uint64_t more) {
  const TimePoint now = clock_.now();
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const std::int64_t slice = slice_of(now, limits[i], kSlices);
    windows[i].advance(slice);
    const std::uint64_t used = windows[i].total();
    if (used + more <= limits[i].count) continue;
    if (more > limits[i].count) {
      return Verdict::defer(fmt::format("{} limit {} reached: {} used; this message alone has {}", what,
                                        to_string(limits[i]), used, more));
    }
    // It frees when the oldest slices that must go have gone.
    std::uint64_t left = used;
    std::int64_t gone = windows[i].newest - static_cast<std::int64_t>(kSlices) + 1;
    while (gone <= windows[i].newest && left + more > limits[i].count)
      left -= windows[i].slices[static_cast<std::size_t>(gone++) % kSlices];
    const auto width = std::chrono::milliseconds(limits[i].window) / static_cast<std::int64_t>(kSlices);
    const auto frees = std::chrono::ceil<std::chrono::seconds>(
        TimePoint((gone - 1 + static_cast<std::int64_t>(kSlices)) * width));
    return Verdict::defer(fmt::format("{} limit {} reached: {} used; frees at {:%Y-%m-%d %H:%M:%S} UTC", what,
                                      to_string(limits[i]), used,
                                      fmt::gmtime(std::chrono::system_clock::to_time_t(frees))));
  }
  return Verdict::accept();
}

Verdict Limits::check(AccountId id, std::size_t kind, std::uint64_t recipients) {
  const std::lock_guard lock(mutex_);
  const ClassLimits& limits = classes_.at(kind);
  Use& use = use_of(id, kind);
  Verdict verdict = check_one("message", limits.messages, use.messages, 1);
  if (verdict.accepted) verdict = check_one("recipient", limits.recipients, use.recipients, recipients);
  return verdict;
}

void Limits::record(AccountId id, std::size_t kind, std::uint64_t recipients) {
  const std::lock_guard lock(mutex_);
  const ClassLimits& limits = classes_.at(kind);
  Use& use = use_of(id, kind);
  const TimePoint now = clock_.now();
  const auto add = [now](const std::vector<Limit>& all, std::vector<Window>& windows, std::uint64_t amount) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      windows[i].advance(slice_of(now, all[i], kSlices));
      windows[i].slices[static_cast<std::size_t>(windows[i].newest) % kSlices] +=
          static_cast<std::uint32_t>(amount);
    }
  };
  add(limits.messages, use.messages, 1);
  add(limits.recipients, use.recipients, recipients);
}

}  // namespace postern::guard
