#include "probe/saved_nft.h"

#include <gtest/gtest.h>

namespace postern::probe {
namespace {

const NftChain kInput{"inet", "filter", "input"};

constexpr const char* kListing = R"(table inet filter { # handle 1
	set bad { # handle 2
		type ipv4_addr
		elements = { 198.51.100.7,
			     198.51.100.8 }
	}

	chain input { # handle 3
		type filter hook input priority filter; policy accept;
		ip saddr @bad drop # handle 4
		tcp dport 22 accept comment "log # in" # handle 5
		counter packets 17 bytes 940 reject with icmpx admin-prohibited # handle 6
	}

	chain forward { # handle 7
		counter packets 0 bytes 0 reject with icmpx admin-prohibited # handle 6
	}
}
)";

TEST(SavedNft, RulesAreFoundByHandleWithoutTheirCounters) {
  EXPECT_EQ(nft_rule_text(kListing, kInput, "6"), "counter reject with icmpx admin-prohibited");
  EXPECT_EQ(nft_rule_text(kListing, kInput, "5"), "tcp dport 22 accept comment \"log # in\"");
  EXPECT_EQ(nft_rule_text(kListing, kInput, "9"), "");
  EXPECT_EQ(nft_rule_text(kListing, {"ip", "filter", "input"}, "6"), "");
}

TEST(SavedNft, ALineGoesBeforeTheRuleWithItsIndent) {
  const std::string config =
      "#!/usr/sbin/nft -f\nflush ruleset\ntable inet filter {\n  chain forward {\n    counter reject with "
      "icmpx admin-prohibited\n"
      "  }\n  chain input {\n    tcp dport { 22, 25 } accept\n    counter   reject with icmpx type "
      "admin-prohibited # the rest\n  }\n}\n";
  const auto changed =
      with_rule_before(config, kInput, "counter reject with icmpx admin-prohibited", "tcp dport 587 accept");
  ASSERT_TRUE(changed);
  const std::size_t at = config.find("    counter   reject");
  EXPECT_EQ(*changed, config.substr(0, at) + "    tcp dport 587 accept\n" + config.substr(at));
}

TEST(SavedNft, TheFamilyOfATableIsIpWhenItIsLeftOut) {
  EXPECT_TRUE(with_rule_before("table filter {\n chain input {\n  drop;\n }\n}\n", {"ip", "filter", "input"},
                               "drop", "x"));
}

TEST(SavedNft, NothingIsChangedWhereItIsNotClear) {
  struct Case {
    const char* name;
    const char* config;
  };
  for (const Case& c : {
           Case{"twice", "table inet filter {\n chain input {\n drop\n drop\n }\n}\n"},
           Case{"another chain", "table inet filter {\n chain output {\n drop\n }\n}\n"},
           Case{"another family", "table ip filter {\n chain input {\n drop\n }\n}\n"},
           Case{"other words", "table inet filter {\n chain input {\n counter drop\n }\n}\n"},
           Case{"on one line", "table inet filter { chain input { drop; } }\n"},
           Case{"a comment", "table inet filter {\n chain input {\n # drop\n }\n}\n"},
           Case{"empty", ""},
           Case{"only closing", "}\n}\n}\ndrop\n"},
       }) {
    EXPECT_FALSE(with_rule_before(c.config, kInput, "drop", "x")) << c.name;
  }
  EXPECT_FALSE(with_rule_before("table inet filter {\n chain input {\n\n }\n}\n", kInput, "", "x"));
}

}  // namespace
}  // namespace postern::probe
