#include "app/limits_report.h"

#include "intake/limited_sender.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

namespace postern::app {
namespace {

namespace json = boost::json;

/// Slices end between seconds: later rather than too early.
std::string utc(TimePoint when) {
  const auto second = std::chrono::ceil<std::chrono::seconds>(when);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(second)));
}

json::object to_json(const guard::Allowance& one) {
  json::object out;
  out["of"] = one.of;
  out["counts"] = to_string(one.what);
  out["limit"] = to_string(one.limit);
  out["action"] = to_string(one.limit.action);
  out["max"] = one.limit.count;
  out["window_seconds"] = one.limit.window.count();
  out["used"] = one.used;
  out["left"] = one.limit.count - std::min(one.limit.count, one.used);
  const auto time = [&one](TimePoint when) { return one.used == 0 ? json::value() : json::value(utc(when)); };
  out["next_frees"] = time(one.next_frees);
  out["all_free"] = time(one.all_free);
  return out;
}

}  // namespace

Result<json::value> limits_report(accounts::Directory& directory, guard::Limits& limits,
                                  const std::string& address) {
  POSTERN_TRY(const std::vector<accounts::Account> all, directory.accounts());
  const auto found = std::find_if(all.begin(), all.end(), [&address](const accounts::Account& one) {
    return one.address == accounts::lower(address);
  });
  if (found == all.end()) return fail(Errc::NotFound, "no account " + address);
  accounts::Account account = *found;
  json::array list;
  for (const guard::Allowance& one :
       limits.allowances(intake::limited_sender(directory, account, std::nullopt)))
    list.push_back(to_json(one));
  POSTERN_TRY(const auto passwords, directory.app_passwords(account.address));
  for (const accounts::AppPassword& password : passwords) {
    account.app_password = password.id;
    for (guard::Allowance& one :
         limits.allowances(intake::limited_sender(directory, account, std::nullopt))) {
      if (!one.of_app_password) continue;
      one.of = "app password " + password.name;
      list.push_back(to_json(one));
    }
  }
  return json::value(json::object{{"account", account.address}, {"limits", std::move(list)}});
}

}  // namespace postern::app
