// Whose mail is frozen, by whom and why, and what an operator can do about it.
#include "app/cli/frozen.h"

#include "admin/queue_json.h"
#include "app/cli/running.h"
#include "guard/watch/watch_book.h"
#include "queue/queue_reader.h"

#include <fmt/format.h>

namespace postern::app::cli {
namespace {

namespace json = boost::json;

Result<json::value> frozen_in_files(const config::Config& config) {
  if (!has_queue(config)) return json::value(json::array{});
  POSTERN_TRY(queue::QueueReader reader, queue::QueueReader::open(queue_path(config), nullptr));
  POSTERN_TRY(const auto holds, reader.held_accounts());
  return json::value(admin::to_json(holds));
}

Result<json::value> counted_in_files(const config::Config& config, const queue::Filter& filter) {
  if (!has_queue(config)) return json::value(admin::to_json(queue::Operated{}));
  POSTERN_TRY(queue::QueueReader reader, queue::QueueReader::open(queue_path(config), nullptr));
  POSTERN_TRY(const auto found, reader.count(filter));
  return json::value(admin::to_json(found));
}

std::string text_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
}

}  // namespace

Result<FrozenAccounts> frozen_accounts(const config::Config& config) {
  POSTERN_TRY(const json::value found,
              ask_or(config, {{"verb", "queue.frozen"}}, [&] { return frozen_in_files(config); }));
  FrozenAccounts all;
  for (const json::value& entry : found.as_array()) {
    const json::object& hold = entry.as_object();
    all[text_at(hold, "account")] = {text_at(hold, "since"), text_at(hold, "reason")};
  }
  return all;
}

std::string shown(const std::string& account, const Frozen& frozen) {
  if (frozen.reason.starts_with(guard::kFrozenByWatch)) {
    return fmt::format(
        "held by the watch since {}: {}; postern watch show {} tells more, postern watch release {} lets it "
        "go",
        frozen.since, frozen.reason.substr(guard::kFrozenByWatch.size()), account, account);
  }
  return fmt::format("frozen since {}{}; postern queue thaw {} lets it go", frozen.since,
                     frozen.reason.empty() ? "" : ": " + frozen.reason, account);
}

Result<std::size_t> waiting_of(const config::Config& config, const std::string& account) {
  queue::Filter filter;
  filter.account = account;
  filter.limit = SIZE_MAX;
  const json::object request{{"verb", "queue.count"}, {"filter", admin::to_json(filter)}};
  POSTERN_TRY(const json::value count,
              ask_or(config, request, [&] { return counted_in_files(config, filter); }));
  return count.at("messages").to_number<std::size_t>();
}

}  // namespace postern::app::cli
