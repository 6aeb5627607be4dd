#pragma once

#include "probe/filter_model.h"

#include <string_view>

namespace postern::probe {

/// `nft -j list ruleset` (libnftables-json(5)) as it treats `packet`. Tables that iptables-nft manages are left out:
/// its own listing is read for them. Error: Malformed.
[[nodiscard]] Result<RuleSet> read_nft(std::string_view json, const Packet& packet);

}  // namespace postern::probe
