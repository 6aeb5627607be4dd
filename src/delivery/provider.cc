#include "delivery/provider.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace postern::delivery {
namespace {

bool runs(const std::vector<std::string>& patterns, std::string_view host) {
  return std::ranges::any_of(patterns, [host](std::string_view pattern) {
    if (!pattern.starts_with("*.")) return pattern == host;
    const std::string_view below = pattern.substr(1);
    return host.size() > below.size() && host.ends_with(below);
  });
}

}  // namespace

Result<Rate> parse_rate(std::string_view text) {
  if (text.empty()) return Rate{};
  const auto malformed = [&] {
    return fail(Errc::Malformed, "\"" + std::string(text) + "\" is no rate such as 500/1m");
  };
  Rate rate;
  const char* const end = text.data() + text.size();
  const auto count = std::from_chars(text.data(), end, rate.messages);
  if (count.ec != std::errc{} || rate.messages == 0 || count.ptr == end || *count.ptr != '/')
    return malformed();
  std::int64_t number = 0;
  const auto window = std::from_chars(count.ptr + 1, end, number);
  const std::string_view unit(window.ptr, static_cast<std::size_t>(end - window.ptr));
  const std::int64_t factor = unit == "s"   ? 1
                              : unit == "m" ? 60
                              : unit == "h" ? 3600
                              : unit == "d" ? 86'400
                                            : 0;
  if (window.ec != std::errc{} || factor == 0 || number <= 0 || number > 31 * 86'400 / factor)
    return malformed();
  rate.window = std::chrono::milliseconds{number * factor * 1000};
  return rate;
}

Result<> Provider::check(std::string_view key) const {
  if (key == "rate") POSTERN_CHECK(parse_rate(rate));
  if (key == "replies") POSTERN_CHECK(parse_reply_rules(replies));
  return {};
}

Result<> Provider::validate() const {
  if (mx.empty()) return fail(Errc::Malformed, "a provider needs mx, the names of its mail hosts");
  POSTERN_CHECK(parse_rate(rate));
  POSTERN_CHECK(parse_reply_rules(replies));
  return {};
}

Result<Providers> Providers::make(const std::map<std::string, Provider>& tables, const Courtesy& general) {
  Providers all;
  all.general_ = general;
  for (const auto& [name, provider] : tables) {
    if (const Result<> valid = provider.validate(); !valid)
      return fail(Errc::Malformed, "[provider." + name + "] " + valid.error().detail);
    Known known{provider.mx, general};
    known.courtesy.name = name;
    if (provider.max_connections != 0) known.courtesy.max_connections = provider.max_connections;
    if (provider.max_messages_per_connection != 0)
      known.courtesy.max_messages_per_connection = provider.max_messages_per_connection;
    POSTERN_TRY(known.courtesy.rate, parse_rate(provider.rate));
    POSTERN_TRY(known.courtesy.replies, parse_reply_rules(provider.replies));
    all.known_.push_back(std::move(known));
  }
  return all;
}

const Courtesy& Providers::of(const std::vector<dns::MxHost>& hosts) const {
  if (hosts.empty()) return general_;
  const auto known = std::ranges::find_if(known_, [&](const Known& k) {
    return std::ranges::all_of(hosts, [&](const dns::MxHost& h) { return runs(k.mx, h.host); });
  });
  return known == known_.end() ? general_ : known->courtesy;
}

}  // namespace postern::delivery
