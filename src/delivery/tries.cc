#include "delivery/tries.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace postern::delivery {
namespace {
/// Of one address, and of how many: a trace is read by people.
constexpr std::size_t kLongest = 300;
constexpr std::size_t kDescribed = 8;
}  // namespace

std::string_view without_host(std::string_view text, const Peer& peer) {
  for (const std::string& known : {peer.host + " [" + peer.ip + "]", peer.host}) {
    if (!text.starts_with(known)) continue;
    text.remove_prefix(known.size());
    break;
  }
  while (text.starts_with(':') || text.starts_with(' ')) text.remove_prefix(1);
  return text;
}

int Tries::Try::weight() const {
  constexpr int kMayWork = 10;  // more than what follows
  const int said = outcome.remote ? 3 : static_cast<int>(reached);
  return said + (outcome.decision == Decision::Failed ? 0 : kMayWork);
}

std::string Tries::Try::text() const {
  return peer.host + " [" + peer.ip +
         "]: " + std::string(without_host(outcome.text, peer).substr(0, kLongest));
}

void Tries::add(Peer peer, Outcome outcome, Reached reached) {
  all_.push_back({std::move(peer), std::move(outcome), reached});
}

Attempt Tries::decide() && {
  const auto best = std::ranges::max_element(all_, {}, &Try::weight);
  const std::string others = describe_without(static_cast<std::size_t>(best - all_.begin()));
  Attempt decided{std::move(best->outcome), nullptr};
  best->peer.others = others;
  decided.peer = std::make_shared<const Peer>(std::move(best->peer));
  return decided;
}

std::string Tries::describe_without(std::size_t which) const {
  std::string out;
  std::size_t described = 0;
  for (std::size_t i = 0; i < all_.size(); ++i) {
    if (i == which) continue;
    if (described == kDescribed) return out + "; and more";
    out += (described == 0 ? "" : "; ") + all_[i].text();
    ++described;
  }
  return out;
}

}  // namespace postern::delivery
