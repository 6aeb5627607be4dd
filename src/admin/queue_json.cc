#include "admin/queue_json.h"

#include <boost/json/value.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace postern::admin {
namespace {

namespace json = boost::json;

constexpr std::array<std::pair<queue::Operation, std::string_view>, 5> kOperations{
    {{queue::Operation::Retry, "retry"},
     {queue::Operation::Hold, "hold"},
     {queue::Operation::Release, "release"},
     {queue::Operation::Remove, "rm"},
     {queue::Operation::Bounce, "bounce"}}};

const char* name_of(queue::RecipientState state) {
  switch (state) {
    case queue::RecipientState::Waiting:
      return "waiting";
    case queue::RecipientState::Held:
      return "held";
    case queue::RecipientState::Removed:
      return "removing";
  }
  return "unknown";
}

/// The length of the UTF-8 sequence at the beginning of `text`; 0 when there is none (RFC 3629 §4).
std::size_t sequence_length(std::string_view text) {
  const auto octet = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = octet(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xC2 && first <= 0xDF   ? 2
                             : first >= 0xE0 && first <= 0xEF ? 3
                             : first >= 0xF0 && first <= 0xF4 ? 4
                                                              : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((octet(i) & 0xC0) != 0x80) return 0;
  }
  const unsigned char second = octet(1);
  const bool overlong_or_beyond = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
                                  (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
  return overlong_or_beyond ? 0 : length;
}

template <class T>
json::array array_of(const std::vector<T>& items) {
  json::array all;
  all.reserve(items.size());
  for (const T& item : items) all.push_back(to_json(item));
  return all;
}

}  // namespace

std::string shown(TimePoint when) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(when)));
}

std::string utf8(std::string_view octets) {
  std::string out;
  out.reserve(octets.size());
  while (!octets.empty()) {
    const std::size_t length = sequence_length(octets);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      octets.remove_prefix(1);
    } else {
      out += octets.substr(0, length);
      octets.remove_prefix(length);
    }
  }
  return out;
}

json::object to_json(const queue::Listed& message) {
  json::array recipients;
  for (const queue::Listed::To& to : message.recipients) {
    recipients.push_back(json::object{{"address", utf8(to.address)},
                                      {"state", name_of(to.state)},
                                      {"attempts", to.attempts},
                                      {"next_attempt", shown(to.next_attempt)},
                                      {"status", utf8(to.status)},
                                      {"text", utf8(to.text)}});
  }
  return {{"id", to_string(message.id)},
          {"account", utf8(message.account)},
          {"sender", utf8(message.sender)},
          {"accepted_at", shown(message.accepted_at)},
          {"not_before", shown(message.not_before)},
          {"size", message.size},
          {"active", message.active},
          {"account_held", message.account_held},
          {"client", message.client},
          {"novelty", message.novelty},
          {"recipients", std::move(recipients)}};
}

json::array to_json(const std::vector<queue::Listed>& messages) { return array_of(messages); }

json::object to_json(const queue::HistoryEvent& event) {
  return {{"time", shown(event.time)},    {"id", to_string(event.id)},
          {"event", utf8(event.kind)},    {"account", utf8(event.account)},
          {"sender", utf8(event.sender)}, {"recipient", utf8(event.recipient)},
          {"detail", utf8(event.detail)}};
}

json::array to_json(const std::vector<queue::HistoryEvent>& events) { return array_of(events); }

json::object to_json(const queue::Operated& count) {
  return {{"messages", count.messages}, {"under_way", count.under_way}, {"recipients", count.recipients}};
}

json::object to_json(const queue::Grouped& group) {
  return {{"key", utf8(group.key)},         {"messages", group.messages},
          {"recipients", group.recipients}, {"held", group.held},
          {"oldest", shown(group.oldest)},  {"next_attempt", shown(group.next_attempt)}};
}

json::array to_json(const std::vector<queue::Grouped>& groups) { return array_of(groups); }

json::object to_json(const queue::AccountHold& hold) {
  return {{"account", utf8(hold.account_name)}, {"since", shown(hold.since)}, {"reason", utf8(hold.reason)}};
}

json::array to_json(const std::vector<queue::AccountHold>& holds) { return array_of(holds); }

json::object to_json(const queue::Filter& filter) {
  json::object out{{"limit", filter.limit}};
  if (filter.id) out["id"] = to_string(*filter.id);
  if (!filter.account.empty()) out["account"] = filter.account;
  if (!filter.sender.empty()) out["sender"] = filter.sender;
  if (!filter.recipient.empty()) out["recipient"] = filter.recipient;
  if (!filter.site.empty()) out["site"] = filter.site;
  if (!filter.reason.empty()) out["reason"] = filter.reason;
  if (filter.state) out["state"] = name_of(*filter.state);
  if (filter.accepted_before) out["accepted_before"] = filter.accepted_before->time_since_epoch().count();
  if (filter.scheduled_after) out["scheduled_after"] = filter.scheduled_after->time_since_epoch().count();
  if (filter.accepted_since) out["accepted_since"] = filter.accepted_since->time_since_epoch().count();
  if (filter.network) out["network"] = filter.network->text();
  if (filter.min_novelty > 0) out["min_novelty"] = filter.min_novelty;
  return out;
}

namespace {

/// The members that are no texts. True: it was one of them.
Result<bool> take_number(queue::Filter& filter, std::string_view name, const json::value& content) {
  if ((name == "limit" || name == "min_novelty") && content.is_number()) {
    boost::system::error_code error;
    const auto count = content.to_number<std::size_t>(error);
    if (error || (name == "min_novelty" && count > 100))
      return fail(Errc::Malformed, "filter: " + std::string(name) + " is no count");
    if (name == "limit") filter.limit = count;
    if (name == "min_novelty") filter.min_novelty = static_cast<std::uint32_t>(count);
    return true;
  }
  const bool time = name == "accepted_before" || name == "accepted_since" || name == "scheduled_after";
  if (!time || !content.is_int64()) return false;
  const TimePoint when{std::chrono::milliseconds{content.as_int64()}};
  std::optional<TimePoint>& member = name == "accepted_before"  ? filter.accepted_before
                                     : name == "accepted_since" ? filter.accepted_since
                                                                : filter.scheduled_after;
  member = when;
  return true;
}

}  // namespace

Result<queue::Filter> filter_from_json(const json::value& value) {
  if (!value.is_object()) return fail(Errc::Malformed, "filter is not an object");
  queue::Filter filter;
  for (const auto& [name, content] : value.as_object()) {
    POSTERN_TRY(const bool taken, take_number(filter, name, content));
    if (taken) continue;
    if (!content.is_string())
      return fail(Errc::Malformed, "filter: " + std::string(name) + " is not a string");
    const std::string text(content.as_string());
    if (name == "id") {
      const std::optional<std::int64_t> id = parse_id_text(text);
      if (!id) return fail(Errc::Malformed, "not a queue id: " + text);
      filter.id = QueueId{*id};
    } else if (name == "account") {
      filter.account = text;
    } else if (name == "sender") {
      filter.sender = text;
    } else if (name == "recipient") {
      filter.recipient = text;
    } else if (name == "site") {
      filter.site = text;
    } else if (name == "reason") {
      filter.reason = text;
    } else if (name == "network") {
      POSTERN_TRY(filter.network, net::Network::parse(text));
    } else if (name == "state" && (text == "waiting" || text == "held")) {
      filter.state = text == "held" ? queue::RecipientState::Held : queue::RecipientState::Waiting;
    } else {
      return fail(Errc::Malformed, "filter: unknown member " + std::string(name));
    }
  }
  return filter;
}

std::string_view name_of(queue::Operation operation) {
  for (const auto& [known, name] : kOperations) {
    if (known == operation) return name;
  }
  return "unknown";
}

Result<queue::GroupBy> grouping_named(std::string_view name) {
  if (name == "site") return queue::GroupBy::Site;
  if (name == "reason") return queue::GroupBy::Reason;
  if (name == "account") return queue::GroupBy::Account;
  return fail(Errc::Malformed, "group by site, reason or account, not by " + std::string(name));
}

Result<queue::Operation> operation_named(std::string_view name) {
  for (const auto& [operation, known] : kOperations) {
    if (known == name) return operation;
  }
  return fail(Errc::Malformed, "no such operation: " + std::string(name));
}

}  // namespace postern::admin
