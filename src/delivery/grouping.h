#pragma once

#include "delivery/message.h"
#include "delivery/options.h"
#include "delivery/route_table.h"

#include <memory>
#include <string>
#include <vector>

namespace postern::delivery {

/// Some recipients of a message that go the same way.
struct Group {
  const RouteChoice* choice;  ///< of the table
  std::string domain;         ///< empty when it does not matter
  Job job;
};

/// A message's undecided recipients by destination, no more in one job than a server must take (RFC 5321 §4.5.3.1.8).
[[nodiscard]] std::vector<Group> groups_of(const std::shared_ptr<ActiveMessage>& message,
                                           const Options& options, const RouteTable& routes);

}  // namespace postern::delivery
