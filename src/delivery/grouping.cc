#include "delivery/grouping.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

namespace postern::delivery {

std::vector<Group> groups_of(const std::shared_ptr<ActiveMessage>& message, const Options& options,
                             const RouteTable& routes) {
  const smtp::Envelope& envelope = message->lease.envelope;
  const bool sandbox = options.mode == Mode::Sandbox;
  std::map<std::pair<const RouteChoice*, std::string_view>, std::vector<std::uint32_t>> by_destination;
  for (std::uint32_t i = 0; i < envelope.recipients.size(); ++i) {
    if (message->attempts[i]) continue;  // decided already
    const smtp::Recipient& r = envelope.recipients[i];
    const RouteChoice& choice = routes.choose(envelope.reverse_path, r.address, r.domain);
    // A relay and the sandbox take everything; they are one destination without a name.
    const bool by_domain = choice.action == RouteAction::Direct && !sandbox;
    by_destination[{&choice, by_domain ? std::string_view(r.domain) : std::string_view()}].push_back(i);
  }
  std::vector<Group> groups;
  for (const auto& [destination, all] : by_destination) {
    for (std::size_t begin = 0; begin < all.size(); begin += options.max_recipients) {
      const std::size_t end = std::min<std::size_t>(all.size(), begin + options.max_recipients);
      std::vector<std::uint32_t> some(all.begin() + static_cast<std::ptrdiff_t>(begin),
                                      all.begin() + static_cast<std::ptrdiff_t>(end));
      groups.push_back({destination.first, std::string(destination.second), Job{message, std::move(some)}});
    }
  }
  return groups;
}

}  // namespace postern::delivery
