#pragma once

#include "probe/filter_model.h"

#include <string_view>

namespace postern::probe {

/// `iptables -S` or `ip6tables -S` (table filter) as it treats `packet`; `packet.v6` says which it was.
[[nodiscard]] RuleSet read_iptables(std::string_view listing, const Packet& packet, FilterTool tool);

/// The words of a line of `iptables -S`, quotes undone.
[[nodiscard]] std::vector<std::string> iptables_words(std::string_view line);

}  // namespace postern::probe
