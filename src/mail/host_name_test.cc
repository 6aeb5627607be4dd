#include "mail/host_name.h"

#include <gtest/gtest.h>

#include <string>

namespace postern::mail {
namespace {

TEST(HostName, IsMadeOfLabels) {
  const std::string long_label(64, 'a');
  struct Case {
    const char* what;
    std::string text;
    bool name;
    bool labels;
  };
  for (const Case& c : {
           Case{"plain", "mail.example.org", true, true},
           {"digits and hyphens", "a-1.3com.example", true, true},
           {"an A-label", "xn--mnchen-3ya.example", true, true},
           {"one label", "localhost", false, true},
           {"empty", "", false, false},
           {"a dot", ".", false, false},
           {"a trailing dot", "mail.example.org.", false, false},
           {"two dots", "mail..example.org", false, false},
           {"a space", "mail example.org", false, false},
           {"a line end", "mail.a\r\n221 bye.x", false, false},
           {"a NUL", std::string("mail.a\0b.org", 12), false, false},
           {"a U-label", "m\xC3\xA4il.example.org", false, false},
           {"a leading hyphen", "-a.example", false, false},
           {"a trailing hyphen", "a-.example", false, false},
           {"an IPv4 address", "192.0.2.1", false, true},
           {"an address literal", "[192.0.2.1]", false, false},
           {"an underscore", "a_b.example", false, false},
           {"63 octets", std::string(63, 'a') + ".example", true, true},
           {"64 octets", long_label + ".example", false, false},
       }) {
    EXPECT_EQ(check_host_name(c.text).has_value(), c.name) << c.what;
    EXPECT_EQ(check_labels(c.text).has_value(), c.labels) << c.what;
  }
}

}  // namespace
}  // namespace postern::mail
