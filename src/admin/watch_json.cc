#include "admin/watch_json.h"

#include "admin/queue_json.h"
#include "admin/watch_verbs.h"
#include "net/endpoint.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace postern::admin {
namespace {

namespace json = boost::json;

json::array texts(const std::vector<std::string>& lines) {
  json::array out;
  for (const std::string& line : lines) out.emplace_back(utf8(line));
  return out;
}

double rounded(double score) { return std::round(score * 100) / 100; }

std::string network_of(const std::string& client) {
  const Result<net::IpAddress> ip = net::IpAddress::parse(client);
  if (!ip) return "";
  return ip->network(24, 48).text() + (ip->is_v6() ? "/48" : "/24");
}

}  // namespace

json::object to_json(const guard::HeldAccount& hold) {
  return {{"account", utf8(hold.account)},
          {"since", shown(hold.since)},
          {"score", rounded(hold.score)},
          {"reasons", texts(hold.reasons)},
          {"told", hold.told}};
}

json::object to_json(const guard::WatchedAccount& account) {
  json::array events;
  for (const guard::WatchEvent& event : account.events) {
    events.push_back(json::object{
        {"time", shown(event.time)}, {"event", utf8(event.kind)}, {"detail", utf8(event.detail)}});
  }
  json::object out{{"account", utf8(account.account)},   {"held", account.hold.has_value()},
                   {"score", rounded(account.score)},    {"held_at_score", rounded(account.threshold)},
                   {"reasons", texts(account.reasons)},  {"messages", account.messages},
                   {"active_days", account.active_days}, {"history", std::move(events)}};
  if (account.hold) out["hold"] = to_json(*account.hold);
  return out;
}

json::array by_network(const std::vector<queue::Listed>& messages) {
  struct Share {
    std::string network;
    std::size_t messages = 0;
    std::size_t to_new = 0;
    TimePoint first;
    TimePoint last;
  };
  std::map<std::string, Share> shares;
  for (const queue::Listed& message : messages) {
    const std::string network = network_of(message.client);
    Share& share = shares[network];
    share.network = network;
    if (share.messages++ == 0) share.first = message.accepted_at;
    share.to_new += message.novelty >= kMostlyNew ? 1 : 0;
    share.last = message.accepted_at;
  }
  std::vector<Share> sorted;
  for (auto& [network, share] : shares) sorted.push_back(std::move(share));
  std::ranges::stable_sort(sorted, std::ranges::greater(), &Share::messages);
  json::array out;
  for (const Share& share : sorted) {
    out.push_back(json::object{{"network", share.network},
                               {"messages", share.messages},
                               {"to_new", share.to_new},
                               {"first", shown(share.first)},
                               {"last", shown(share.last)}});
  }
  return out;
}

}  // namespace postern::admin
