#pragma once

#include <optional>
#include <string>
#include <string_view>

/// Rules of nftables as text: as `nft -a list ruleset` prints them and as /etc/nftables.conf has them. Pure.
namespace postern::probe {

struct NftChain {
  std::string family;  ///< "inet", "ip", "ip6"
  std::string table;
  std::string name;
};

/// The rule of that handle, without counter values and handle; "" when there is none.
[[nodiscard]] std::string nft_rule_text(std::string_view listing, const NftChain& chain,
                                        std::string_view handle);

/// `config` with `line` before `rule`, which has to stand on a line of its own in that chain; nothing when it does not stand
/// there exactly once, in words that mean the same to us.
[[nodiscard]] std::optional<std::string> with_rule_before(std::string_view config, const NftChain& chain,
                                                          std::string_view rule, std::string_view line);

}  // namespace postern::probe
