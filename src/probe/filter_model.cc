#include "probe/filter_model.h"

#include <algorithm>
#include <charconv>

namespace postern::probe {
namespace {

constexpr int kDeepest = 32;  // jumps; the kernel allows 16

class Walk {
 public:
  Walk(const RuleSet& rules, const FilterChain& base) : rules_(rules) { out_.base = &base; }

  ChainDecision run() {
    if (!walk(*out_.base, 0)) {
      out_.kind = out_.base->drops ? ChainDecision::Kind::Denied : ChainDecision::Kind::Allowed;
    }
    // A rule that we cannot judge matters only if a packet could be lost there.
    if (out_.kind == ChainDecision::Kind::Denied && !out_.unknown.empty()) {
      out_.kind = ChainDecision::Kind::NotUnderstood;
    }
    return std::move(out_);
  }

 private:
  /// True when decided.
  bool walk(const FilterChain& chain, int depth) {
    for (const FilterRule& rule : chain.rules) {
      if (depth == 0) top_ = &rule;
      if (rule.match == Match::No || rule.action == Action::Continue) continue;
      if (rule.match != Match::Yes || rule.action == Action::Unknown) {
        note(chain, rule, depth);
        continue;
      }
      if (rule.action == Action::Return) return false;
      if (rule.action == Action::Jump || rule.action == Action::Goto) {
        const FilterChain* const target = find(chain, rule.target);
        if (target == nullptr || depth == kDeepest) {
          out_.unknown.push_back(rule.text);
          continue;
        }
        if (walk(*target, depth + 1)) return true;
        if (rule.action == Action::Goto) return false;
        continue;
      }
      out_.kind = rule.action == Action::Accept ? ChainDecision::Kind::Allowed : ChainDecision::Kind::Denied;
      out_.rule = &rule;
      out_.top_rule = top_;
      return true;
    }
    return false;
  }

  void note(const FilterChain& chain, const FilterRule& rule, int depth) {
    if (rule.action == Action::Accept || rule.action == Action::Return) return;  // nothing is lost there
    if (rule.match == Match::Some && (rule.action == Action::Jump || rule.action == Action::Goto))
      return note_branch(chain, rule, depth);
    const bool known = rule.match == Match::Some && rule.action != Action::Unknown;
    (known ? out_.in_part : out_.unknown).push_back(rule.text);
  }

  /// Some of the packets go through another chain: is any of them lost there?
  void note_branch(const FilterChain& chain, const FilterRule& rule, int depth) {
    const FilterChain* const target = find(chain, rule.target);
    if (target == nullptr || depth == kDeepest) return out_.unknown.push_back(rule.text);
    Walk branch(rules_, *out_.base);
    const bool decided = branch.walk(*target, depth + 1);
    const bool by_policy = !decided && rule.action == Action::Goto && depth == 0 && out_.base->drops;
    if (by_policy || (decided && branch.out_.kind == ChainDecision::Kind::Denied) ||
        !branch.out_.in_part.empty())
      out_.in_part.push_back(rule.text);
    out_.unknown.insert(out_.unknown.end(), branch.out_.unknown.begin(), branch.out_.unknown.end());
  }

  [[nodiscard]] const FilterChain* find(const FilterChain& from, const std::string& name) const {
    const auto at = std::find_if(rules_.begin(), rules_.end(), [&](const FilterChain& c) {
      return c.tool == from.tool && c.family == from.family && c.table == from.table && c.name == name;
    });
    return at == rules_.end() ? nullptr : &*at;
  }

  const RuleSet& rules_;
  ChainDecision out_;
  const FilterRule* top_ = nullptr;
};

}  // namespace

Result<Network> Network::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const Result<net::IpAddress> ip = net::IpAddress::parse(text.substr(0, slash));
  if (!ip) return fail(Errc::Malformed, "not an address or network: " + std::string(text));
  const unsigned most = ip->is_v6() ? 128 : 32;
  Network out{*ip, most};
  if (slash != std::string_view::npos) {
    const std::string_view bits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), out.bits);
    if (error != std::errc{} || end != bits.data() + bits.size() || out.bits > most) {
      return fail(Errc::Malformed, "not a prefix length in " + std::string(text));
    }
  }
  if (ip->network(out.bits, out.bits) != *ip) {
    return fail(Errc::Malformed, std::string(text) + " has bits beyond its prefix; meant " +
                                     ip->network(out.bits, out.bits).text() + '/' + std::to_string(out.bits) +
                                     '?');
  }
  return out;
}

std::string Network::text() const { return ip.text() + '/' + std::to_string(bits); }

bool Network::contains(const Network& other) const {
  return ip.is_v6() == other.ip.is_v6() && bits <= other.bits && other.ip.network(bits, bits) == ip;
}

bool Network::overlaps(const Network& other) const { return contains(other) || other.contains(*this); }

Match both(Match a, Match b) {
  if (a == Match::No || b == Match::No) return Match::No;
  if (a == Match::Unknown || b == Match::Unknown) return Match::Unknown;
  if (a == Match::Some || b == Match::Some) return Match::Some;
  return Match::Yes;
}

Match comes_in_by(const Packet& packet, std::string_view name, char wildcard) {
  if (name == "lo") return Match::No;
  if (packet.interface.empty()) return Match::Some;
  const bool any_rest = name.ends_with(wildcard);
  if (any_rest) name.remove_suffix(1);
  return (any_rest ? packet.interface.starts_with(name) : packet.interface == name) ? Match::Yes : Match::No;
}

std::vector<ChainDecision> decide(const RuleSet& rules, bool v6) {
  std::vector<ChainDecision> out;
  for (const FilterChain& chain : rules) {
    if (chain.is_base && chain.sees(v6)) out.push_back(Walk(rules, chain).run());
  }
  return out;
}

}  // namespace postern::probe
