#include "guard/watch/account_state.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace postern::guard {
namespace {

constexpr std::uint8_t kVersion = 2;
constexpr std::uint8_t kOldestVersion = 1;  // without what follows in each_field()
// Counts that fade are kept as 16 bits of log2(1 + x): relative error below 0.05 %, largest value 2^36.
constexpr double kPerOctave = 1800;

class Writer {
 public:
  template <class Number>
  void put(Number value) {
    const auto bits = static_cast<std::make_unsigned_t<Number>>(value);
    for (std::size_t i = 0; i < sizeof(Number); ++i) out_ += static_cast<char>((bits >> (8 * i)) & 0xFFU);
  }
  void put_count(float value) {
    const double steps = std::round(std::log2(1 + std::max(0.0F, value)) * kPerOctave);
    put(static_cast<std::uint16_t>(std::min(steps, 65535.0)));
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}
  template <class Number>
  void get(Number& value) {
    std::make_unsigned_t<Number> bits = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
      const auto octet = at_ < in_.size() ? static_cast<std::uint8_t>(in_[at_]) : std::uint8_t{0};
      bits = static_cast<std::make_unsigned_t<Number>>(
          bits | static_cast<std::make_unsigned_t<Number>>(static_cast<std::make_unsigned_t<Number>>(octet)
                                                           << (8 * i)));
      ++at_;
    }
    value = static_cast<Number>(bits);
  }
  void get_count(float& value) {
    std::uint16_t steps = 0;
    get(steps);
    value = static_cast<float>(std::exp2(steps / kPerOctave) - 1);
  }
  [[nodiscard]] bool exactly_read() const { return at_ == in_.size(); }

 private:
  std::string_view in_;
  std::size_t at_ = 0;
};

/// Every field in its order on disk; `number` and `count` read or write one. A change needs a new kVersion.
template <class State, class Number, class Count>
void each_field(std::uint8_t version, State& s, const Number& number, const Count& count) {
  number(s.first_seen);
  number(s.last_seen);
  number(s.last_day);
  number(s.messages);
  number(s.active_days);
  for (auto& entry : s.networks.entries()) {
    number(entry.network);
    number(entry.surrounding);
    number(entry.last_minute);
    number(entry.calm);
  }
  number(s.habit.last_outreach);
  number(s.habit.last_message);
  number(s.habit.at);
  number(s.habit.turned);
  for (auto* values : {&s.habit.most, &s.habit.recent, &s.habit.older}) {
    for (auto& value : *values) count(value);
  }
  for (auto& value : s.habit.now) count(value);
  for (auto& value : s.hours) number(value);
  for (auto& value : s.weekdays) number(value);
  for (auto* value : {&s.new_share, &s.bounced, &s.delivered, &s.new_networks, &s.strange_new,
                      &s.strange_networks, &s.mostly_new, &s.mostly_known, &s.odd_hours, &s.bounce_evidence,
                      &s.recent_bounces, &s.largest, &s.reported, &s.releases})
    count(*value);
  number(s.held_since);
  number(s.warned_at);
  if (version < 2) return;
  count(s.outage);
  count(s.complaints);
  count(s.usual_suspicion);
  count(s.recent_answers);
  for (auto& refuser : s.refusers) {
    number(refuser.domain);
    number(refuser.times);
  }
}

template <std::size_t N>
void put_filter(Writer& out, const AgingFilter<N>& filter) {
  for (const std::uint64_t word : filter.young()) out.put(word);
  for (const std::uint64_t word : filter.old()) out.put(word);
}

template <std::size_t N>
void get_filter(Reader& in, AgingFilter<N>& filter) {
  typename AgingFilter<N>::Words young{};
  typename AgingFilter<N>::Words old{};
  for (std::uint64_t& word : young) in.get(word);
  for (std::uint64_t& word : old) in.get(word);
  filter.restore(young, old);
}

}  // namespace

const char* to_string(SenderClass kind) {
  switch (kind) {
    case SenderClass::Unknown:
      return "unknown";
    case SenderClass::Person:
      return "person";
    case SenderClass::App:
      return "app";
    case SenderClass::Bulk:
      return "bulk";
  }
  return "unknown";
}

Result<SenderClass> parse_sender_class(std::string_view text) {
  for (const SenderClass kind : {SenderClass::Person, SenderClass::App, SenderClass::Bulk}) {
    if (text == to_string(kind)) return kind;
  }
  return fail(Errc::Malformed, "not a class (person, app, bulk): \"" + std::string(text) + "\"");
}

std::string encode(const AccountState& state) {
  Writer out;
  out.put(kVersion);
  out.put(static_cast<std::uint8_t>(state.given));
  each_field(
      kVersion, state, [&out](auto value) { out.put(value); }, [&out](float value) { out.put_count(value); });
  put_filter(out, state.recipients);
  put_filter(out, state.domains);
  return out.take();
}

Result<AccountState> decode_account_state(std::string_view octets) {
  Reader in(octets);
  std::uint8_t version = 0;
  std::uint8_t given = 0;
  in.get(version);
  in.get(given);
  if (version < kOldestVersion || version > kVersion || given > static_cast<std::uint8_t>(SenderClass::Bulk))
    return fail(Errc::Corrupt, "an account's watch state has an unknown version or class");
  AccountState state;
  state.given = static_cast<SenderClass>(given);
  each_field(
      version, state, [&in](auto& value) { in.get(value); }, [&in](float& value) { in.get_count(value); });
  get_filter(in, state.recipients);
  get_filter(in, state.domains);
  if (!in.exactly_read()) return fail(Errc::Corrupt, "an account's watch state has a wrong length");
  return state;
}

}  // namespace postern::guard
