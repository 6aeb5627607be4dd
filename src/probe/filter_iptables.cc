#include "probe/filter_iptables.h"

#include <algorithm>
#include <charconv>

namespace postern::probe {
namespace {

Match yes_if(bool condition) { return condition ? Match::Yes : Match::No; }

bool port_in(const std::string& text, std::uint16_t port) {
  unsigned low = 0;
  unsigned high = 65535;
  const std::size_t colon = text.find(':');
  const std::string first = text.substr(0, colon);
  if (!first.empty()) std::from_chars(first.data(), first.data() + first.size(), low);
  if (colon == std::string::npos) {
    high = low;
  } else if (colon + 1 < text.size()) {
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), high);
  }
  return low <= port && port <= high;
}

bool any_port(const std::string& list, std::uint16_t port) {
  std::size_t at = 0;
  while (at <= list.size()) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    if (port_in(list.substr(at, end - at), port)) return true;
    at = end + 1;
  }
  return false;
}

bool has_item(const std::string& list, const std::string& item) {
  return (',' + list + ',').find(',' + item + ',') != std::string::npos;
}

/// Reads one rule's options; each is a condition for the packet.
class RuleReader {
 public:
  RuleReader(const std::vector<std::string>& words, const Packet& packet) : words_(words), packet_(packet) {}

  FilterRule run() {
    while (at_ < words_.size()) {
      const bool negated = words_[at_] == "!";
      if (negated) ++at_;
      if (at_ >= words_.size()) break;
      option(words_[at_++], negated);
    }
    return std::move(out_);
  }

 private:
  std::string next() { return at_ < words_.size() ? words_[at_++] : std::string(); }
  void need(Match match, bool negated = false) {
    if (negated && (match == Match::Yes || match == Match::No)) match = yes_if(match == Match::No);
    out_.match = both(out_.match, match);
  }
  void skip_values() {
    while (at_ < words_.size() && !words_[at_].starts_with('-') && words_[at_] != "!") ++at_;
  }

  void option(const std::string& name, bool negated) {
    if (name == "-j" || name == "-g") return target(next(), name == "-g");
    if (name == "-m") return module(next());
    if (name == "-p") {
      const std::string protocol = next();
      return need(yes_if(protocol == "tcp" || protocol == "6" || protocol == "all"), negated);
    }
    if (name == "-s") return need(source(next()), negated);
    if (name == "-d") return (void)next(), need(Match::Some);
    if (name == "-i") return need(comes_in_by(packet_, next(), '+'), negated);
    if (name == "--dport" || name == "--dports" || name == "--ports")
      return need(yes_if(any_port(next(), packet_.port)), negated);
    if (name == "--ctstate" || name == "--state") return need(yes_if(has_item(next(), "NEW")), negated);
    if (name == "--dst-type")
      return need(yes_if(has_item(next(), "LOCAL") || has_item(words_[at_ - 1], "UNICAST")), negated);
    if (name == "--pkt-type") return need(yes_if(next() == "unicast"), negated);
    if (name == "--syn" || name == "--tcp-flags") return skip_values(), need(Match::Some);
    if (name == "--comment") return (void)next();
    // Values of a target (--reject-with) or of a module that is only known to match some packets.
    skip_values();
  }

  void module(const std::string& name) {
    constexpr const char* kJudged[] = {"tcp",      "multiport", "conntrack", "state",
                                       "addrtype", "pkttype",   "comment"};
    constexpr const char* kInPart[] = {"limit",   "hashlimit", "connlimit", "recent", "set",  "mac",
                                       "iprange", "mark",      "connmark",  "geoip",  "time", "statistic",
                                       "length",  "tos",       "dscp",      "physdev"};
    constexpr const char* kOther[] = {"udp", "icmp", "icmp6", "icmpv6", "sctp", "esp", "ah", "rt", "hl"};
    const auto in = [&](const auto& list) {
      return std::find(std::begin(list), std::end(list), name) != std::end(list);
    };
    if (in(kJudged)) return;
    if (in(kInPart)) return need(Match::Some);
    need(in(kOther) ? Match::No : Match::Unknown);
  }

  Match source(const std::string& text) {
    const Result<Network> network = Network::parse(text);
    if (!network) return Match::Some;
    if (network->bits == 0) return Match::Yes;
    if (!packet_.from) return Match::Some;
    if (network->contains(*packet_.from)) return Match::Yes;
    return network->overlaps(*packet_.from) ? Match::Some : Match::No;
  }

  void target(const std::string& name, bool is_goto) {
    constexpr const char* kGoesOn[] = {"LOG",   "NFLOG", "ULOG", "MARK",    "CONNMARK",
                                       "AUDIT", "TRACE", "SET",  "CLASSIFY"};
    out_.target = name;
    if (name == "ACCEPT") {
      out_.action = Action::Accept;
    } else if (name == "DROP") {
      out_.action = Action::Drop;
    } else if (name == "REJECT" || name == "TARPIT") {
      out_.action = Action::Reject;
    } else if (name == "RETURN") {
      out_.action = Action::Return;
    } else if (std::find(std::begin(kGoesOn), std::end(kGoesOn), name) != std::end(kGoesOn)) {
      out_.action = Action::Continue;
    } else if (name == "NFQUEUE" || name == "QUEUE" || name == "SYNPROXY") {
      out_.action = Action::Unknown;
    } else {
      out_.action = is_goto ? Action::Goto : Action::Jump;
    }
  }

  const std::vector<std::string>& words_;
  const Packet& packet_;
  std::size_t at_ = 2;
  FilterRule out_;
};

}  // namespace

std::vector<std::string> iptables_words(std::string_view line) {
  std::vector<std::string> out;
  std::string word;
  bool quoted = false;
  bool any = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"') {
      quoted = !quoted;
      any = true;
    } else if (c == '\\' && quoted && i + 1 < line.size()) {
      word += line[++i];
    } else if ((c == ' ' || c == '\t') && !quoted) {
      if (any) out.push_back(std::move(word));
      word.clear();
      any = false;
    } else {
      word += c;
      any = true;
    }
  }
  if (any) out.push_back(std::move(word));
  return out;
}

RuleSet read_iptables(std::string_view listing, const Packet& packet, FilterTool tool) {
  RuleSet out;
  const auto chain_of = [&](const std::string& name) -> FilterChain& {
    for (FilterChain& chain : out) {
      if (chain.name == name) return chain;
    }
    FilterChain made;
    made.tool = tool;
    made.family = packet.v6 ? "ip6" : "ip";
    made.table = "filter";
    made.name = name;
    made.is_base = name == "INPUT";
    return out.emplace_back(std::move(made));
  };
  while (!listing.empty()) {
    const std::size_t end = std::min(listing.find('\n'), listing.size());
    const std::string_view line = listing.substr(0, end);
    listing.remove_prefix(std::min(end + 1, listing.size()));
    const std::vector<std::string> words = iptables_words(line);
    if (words.size() < 2) continue;
    FilterChain& chain = chain_of(words[1]);
    if (words[0] == "-P" && words.size() > 2) chain.drops = words[2] == "DROP";
    if (words[0] != "-A") continue;
    FilterRule rule = RuleReader(words, packet).run();
    rule.text = std::string(line);
    rule.handle = std::to_string(chain.rules.size() + 1);
    chain.rules.push_back(std::move(rule));
  }
  return out;
}

}  // namespace postern::probe
