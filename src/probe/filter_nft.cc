#include "probe/filter_nft.h"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace postern::probe {
namespace {

namespace json = boost::json;

std::string text_of(const json::value& value) {
  if (const auto* text = value.if_string()) return std::string(*text);
  return json::serialize(value);
}

const json::value* member(const json::value& value, std::string_view name) {
  const auto* object = value.if_object();
  return object == nullptr ? nullptr : object->if_contains(name);
}

std::string string_member(const json::value& value, std::string_view name) {
  const json::value* found = member(value, name);
  return found == nullptr ? std::string() : text_of(*found);
}

/// Any of several.
Match either(Match a, Match b) {
  if (a == Match::Yes || b == Match::Yes) return Match::Yes;
  if (a == Match::Unknown || b == Match::Unknown) return Match::Unknown;
  return a == Match::Some || b == Match::Some ? Match::Some : Match::No;
}

Match negated(Match match) {
  if (match == Match::Yes) return Match::No;
  return match == Match::No ? Match::Yes : match;
}

Match yes_if(bool condition) { return condition ? Match::Yes : Match::No; }

/// Sets and maps by family/table/name.
using Sets = std::map<std::string, const json::value*>;

class Reader {
 public:
  Reader(const Packet& packet, const Sets& sets, std::string scope)
      : packet_(packet), sets_(sets), scope_(std::move(scope)) {}

  FilterRule rule(const json::object& from) {
    FilterRule out;
    if (const auto* handle = from.if_contains("handle")) out.handle = text_of(*handle);
    if (const auto* comment = from.if_contains("comment")) comment_ = text_of(*comment);
    const json::value* const parts = from.if_contains("expr");
    if (parts == nullptr || !parts->is_array()) return out;
    for (const json::value& part : parts->get_array()) statement(part, out);
    out.text += comment_.empty() ? "" : " comment \"" + comment_ + '"';
    return out;
  }

 private:
  void say(FilterRule& out, const std::string& words) { out.text += (out.text.empty() ? "" : " ") + words; }

  void statement(const json::value& part, FilterRule& out) {
    const auto* object = part.if_object();
    if (object == nullptr || object->empty()) return;
    const auto& entry = *object->begin();
    const std::string name(entry.key());
    if (verdict(name, entry.value(), out)) return;
    if (name == "match") {
      out.match = both(out.match, condition(entry.value(), out));
    } else if (name == "vmap") {
      verdict_map(entry.value(), out);
    } else if (name == "limit" || name == "ct count" || name == "meter") {
      say(out, name);
      out.match = both(out.match, Match::Some);
    } else if (name == "counter" || name == "log" || name == "comment" || name == "notrack" ||
               name == "mangle" || name == "set") {
      if (name != "counter") say(out, name);
    } else {
      say(out, json::serialize(part));
      out.action = Action::Unknown;
    }
  }

  bool verdict(const std::string& name, const json::value& value, FilterRule& out) {
    constexpr std::array kVerdicts{
        std::pair{"accept", Action::Accept},    std::pair{"drop", Action::Drop},
        std::pair{"reject", Action::Reject},    std::pair{"jump", Action::Jump},
        std::pair{"goto", Action::Goto},        std::pair{"return", Action::Return},
        std::pair{"continue", Action::Continue}};
    for (const auto& [word, action] : kVerdicts) {
      if (name != word) continue;
      out.action = action;
      if (action == Action::Jump || action == Action::Goto) out.target = string_member(value, "target");
      say(out, name + (out.target.empty() ? "" : ' ' + out.target));
      return true;
    }
    return false;
  }

  void verdict_map(const json::value& map, FilterRule& out) {
    const json::value* key = member(map, "key");
    const json::value* data = member(map, "data");
    say(out, (key != nullptr ? name_of(*key) : "") + " vmap");
    if (data != nullptr && data->is_string()) data = named(text_of(*data));
    if (data != nullptr && member(*data, "set") != nullptr) data = member(*data, "set");
    if (key == nullptr || data == nullptr || !data->is_array()) {
      out.action = Action::Unknown;
      return;
    }
    for (const json::value& pair : data->get_array()) {
      const auto* entry = pair.if_array();
      if (entry == nullptr || entry->size() != 2) continue;
      const Match match = compare(*key, (*entry)[0]);
      if (match == Match::No) continue;
      out.match = both(out.match, match);
      if (const auto* object = (*entry)[1].if_object(); object != nullptr && !object->empty()) {
        const auto& found = *object->begin();
        if (!verdict(std::string(found.key()), found.value(), out)) out.action = Action::Unknown;
      }
      if (match == Match::Yes) return;
    }
  }

  Match condition(const json::value& value, FilterRule& out) {
    const json::value* left = member(value, "left");
    const json::value* right = member(value, "right");
    const std::string op = string_member(value, "op");
    if (left == nullptr || right == nullptr) return Match::Unknown;
    say(out, name_of(*left) + (op == "==" || op == "in" ? " " : ' ' + op + ' ') + shown(*right));
    if (op == "!=") return negated(compare(*left, *right));
    if (op == "==" || op == "in") return compare(*left, *right);
    if (op == "<" || op == ">" || op == "<=" || op == ">=") return compare_order(*left, op, *right);
    return Match::Unknown;
  }

  Match compare_order(const json::value& left, const std::string& op, const json::value& right) {
    if (name_of(left) != "tcp dport" || !right.is_int64()) return Match::Unknown;
    const std::int64_t limit = right.get_int64();
    if (op == "<") return yes_if(packet_.port < limit);
    if (op == ">") return yes_if(packet_.port > limit);
    return yes_if(op == "<=" ? packet_.port <= limit : packet_.port >= limit);
  }

  /// "tcp dport", "ct state", "meta iifname"
  static std::string name_of(const json::value& left) {
    if (const json::value* payload = member(left, "payload")) {
      return string_member(*payload, "protocol") + ' ' + string_member(*payload, "field");
    }
    for (const char* kind : {"meta", "ct"}) {
      if (const json::value* found = member(left, kind))
        return std::string(kind) + ' ' + string_member(*found, "key");
    }
    if (const json::value* fib = member(left, "fib")) return "fib " + string_member(*fib, "result");
    if (member(left, "&") != nullptr) return "flags";
    return json::serialize(left);
  }

  static std::string shown(const json::value& right) {
    if (const json::value* set = member(right, "set")) {
      std::string out = "{";
      if (set->is_array()) {
        for (const json::value& element : set->get_array())
          out += (out.size() == 1 ? " " : ", ") + shown(element);
      }
      return out + " }";
    }
    if (const json::value* prefix = member(right, "prefix"))
      return string_member(*prefix, "addr") + '/' + string_member(*prefix, "len");
    if (const json::value* range = member(right, "range");
        range != nullptr && range->is_array() && range->get_array().size() == 2) {
      return shown(range->get_array()[0]) + '-' + shown(range->get_array()[1]);
    }
    return text_of(right);
  }

  const json::value* named(const std::string& name) const {
    if (!name.starts_with('@')) return nullptr;
    const auto found = sets_.find(scope_ + name.substr(1));
    return found == sets_.end() ? nullptr : found->second;
  }

  Match compare(const json::value& left, const json::value& right) {
    if (right.is_string() && text_of(right).starts_with('@')) {
      const json::value* const set = named(text_of(right));
      // A set without elements is listed without "elem".
      return set == nullptr ? Match::No : compare_any(left, *set);
    }
    if (const json::value* set = member(right, "set")) return compare_any(left, *set);
    if (right.is_array()) return compare_any(left, right);
    if (const json::value* element = member(right, "elem")) {  // with a timeout or counter
      const json::value* value = member(*element, "val");
      return value == nullptr ? Match::Unknown : compare(left, *value);
    }
    return compare_one(left, right);
  }

  Match compare_any(const json::value& left, const json::value& list) {
    if (!list.is_array()) return compare(left, list);
    Match out = Match::No;
    for (const json::value& element : list.get_array()) out = either(out, compare(left, element));
    return out;
  }

  Match compare_one(const json::value& left, const json::value& right) {
    const std::string what = name_of(left);
    const std::string value = text_of(right);
    if (what == "tcp dport" || what == "th dport") return compare_port(right);
    if (what == "meta l4proto" || what == "ip protocol" || what == "ip6 nexthdr") {
      if (what != "meta l4proto" && (what == "ip6 nexthdr") != packet_.v6) return Match::No;
      return yes_if(value == "tcp" || value == "6");
    }
    if (what == "meta nfproto") return yes_if((value == "ipv6" || value == "10") == packet_.v6);
    if (what == "meta protocol") return yes_if((value == "ip6") == packet_.v6);
    if (what == "ct state") return yes_if(value == "new");
    if (what == "ct status")
      return Match::No;  // dnat, snat, confirmed, ...: not of a first packet to ourselves
    if (what == "meta iifname" || what == "meta iif") return comes_in_by(packet_, value, '*');
    if (what == "meta pkttype") return yes_if(value == "host" || value == "unicast");
    if (what == "fib type") return yes_if(value == "local");
    if (what == "fib oif") return Match::No;  // reverse path filter: only forged addresses
    if (what == "ip saddr" || what == "ip6 saddr") return compare_source(what == "ip6 saddr", shown(right));
    if (what == "ip daddr" || what == "ip6 daddr")
      return (what == "ip6 daddr") == packet_.v6 ? Match::Some : Match::No;
    if (what == "tcp flags" || what == "flags") return Match::Some;
    if (what == "tcp sport" || what == "th sport" || what.starts_with("ether ") || what == "meta mark" ||
        what == "ct mark") {
      return Match::Some;
    }
    for (const char* other :
         {"udp ", "icmp ", "icmpv6 ", "sctp ", "dccp ", "esp ", "ah ", "comp ", "igmp ", "arp "}) {
      if (what.starts_with(other)) return Match::No;
    }
    if (what.starts_with("ip ") || what.starts_with("ip6 ")) {
      return what.starts_with("ip6 ") == packet_.v6 ? Match::Unknown : Match::No;
    }
    return Match::Unknown;
  }

  Match compare_port(const json::value& right) {
    if (right.is_int64()) return yes_if(right.get_int64() == packet_.port);
    const json::value* range = member(right, "range");
    if (range == nullptr || !range->is_array() || range->get_array().size() != 2) return Match::Unknown;
    const json::value& low = range->get_array()[0];
    const json::value& high = range->get_array()[1];
    if (!low.is_int64() || !high.is_int64()) return Match::Unknown;
    return yes_if(low.get_int64() <= packet_.port && packet_.port <= high.get_int64());
  }

  Match compare_source(bool v6, const std::string& text) {
    if (v6 != packet_.v6) return Match::No;
    const Result<Network> network = Network::parse(text);
    if (!network) return Match::Some;  // a range
    if (network->bits == 0) return Match::Yes;
    if (!packet_.from) return Match::Some;
    if (network->contains(*packet_.from)) return Match::Yes;
    return network->overlaps(*packet_.from) ? Match::Some : Match::No;
  }

  const Packet& packet_;
  const Sets& sets_;
  std::string scope_;
  std::string comment_;
};

std::string scope_of(const json::value& value) {
  return string_member(value, "family") + '/' + string_member(value, "table") + '/';
}

/// iptables-nft keeps its rules in tables of these names with upper-case chains.
bool is_of_iptables(const json::value& chain) {
  const std::string family = string_member(chain, "family");
  const std::string table = string_member(chain, "table");
  if (family != "ip" && family != "ip6") return false;
  const bool its_table =
      table == "filter" || table == "nat" || table == "mangle" || table == "raw" || table == "security";
  const std::string name = string_member(chain, "name");
  const bool its_chain = name == "INPUT" || name == "FORWARD" || name == "OUTPUT" || name == "PREROUTING" ||
                         name == "POSTROUTING";
  return its_table && its_chain;
}

FilterChain chain_of(const json::value& value) {
  FilterChain out;
  out.tool = FilterTool::Nft;
  out.family = string_member(value, "family");
  out.table = string_member(value, "table");
  out.name = string_member(value, "name");
  out.is_base = string_member(value, "hook") == "input" && string_member(value, "type") == "filter";
  out.drops = string_member(value, "policy") == "drop";
  if (const json::value* priority = member(value, "prio"); priority != nullptr && priority->is_int64()) {
    out.priority = static_cast<int>(priority->get_int64());
  }
  return out;
}

}  // namespace

Result<RuleSet> read_nft(std::string_view text, const Packet& packet) {
  boost::system::error_code error;
  const json::value document = json::parse({text.data(), text.size()}, error);
  const json::value* list = error ? nullptr : member(document, "nftables");
  if (list == nullptr || !list->is_array())
    return fail(Errc::Malformed, "cannot read the answer of `nft -j list ruleset`");
  Sets sets;
  RuleSet out;
  std::vector<std::string> of_iptables;  // scopes
  for (const json::value& entry : list->get_array()) {
    for (const char* kind : {"set", "map"}) {
      const json::value* set = member(entry, kind);
      const json::value* elements = set == nullptr ? nullptr : member(*set, "elem");
      if (elements != nullptr) sets[scope_of(*set) + string_member(*set, "name")] = elements;
    }
    if (const json::value* chain = member(entry, "chain")) {
      if (is_of_iptables(*chain)) of_iptables.push_back(scope_of(*chain));
      out.push_back(chain_of(*chain));
    }
  }
  for (const json::value& entry : list->get_array()) {
    const json::value* rule = member(entry, "rule");
    if (rule == nullptr || !rule->is_object()) continue;
    const auto chain = std::find_if(out.begin(), out.end(), [&](const FilterChain& c) {
      return scope_of(*rule) == c.family + '/' + c.table + '/' && string_member(*rule, "chain") == c.name;
    });
    if (chain == out.end()) continue;
    chain->rules.push_back(Reader(packet, sets, scope_of(*rule)).rule(rule->get_object()));
  }
  std::erase_if(out, [&](const FilterChain& chain) {
    return std::find(of_iptables.begin(), of_iptables.end(), chain.family + '/' + chain.table + '/') !=
           of_iptables.end();
  });
  std::stable_sort(out.begin(), out.end(),
                   [](const FilterChain& a, const FilterChain& b) { return a.priority < b.priority; });
  return out;
}

}  // namespace postern::probe
