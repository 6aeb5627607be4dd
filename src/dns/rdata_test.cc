#include "dns/rdata.h"

#include <gtest/gtest.h>

namespace postern::dns {
namespace {

using namespace std::string_literals;

TEST(Rfc1035Section31, NamesFromTheWire) {
  EXPECT_EQ(name_from_wire("\4mail\7EXAMPLE\3org\0"s).value(), "mail.example.org");
  EXPECT_EQ(name_from_wire("\0"s).value(), "");
  EXPECT_EQ(name_from_wire("\3a.b\0"s).value(), "a\\046b") << "a dot inside a label is no separator";
  EXPECT_EQ(name_from_wire("\2\r\n\0"s).value(), "\\013\\010") << "no octet can break a log or a reply";
}

TEST(Rfc1035Section31, BrokenNamesAreRefused) {
  for (const std::string& wire :
       {""s, "\4mail"s, "\4ma"s, "\xc0\x0c"s, "\1a\0junk"s, std::string(256, '\1')}) {
    EXPECT_FALSE(name_from_wire(wire)) << testing::PrintToString(wire);
  }
}

TEST(Rfc1035Section339, MxHostsAreSortedByPreference) {
  const MxAnswer answer = mx_from_rdata({"\0\x14\1c\0"s, "\0\x0a\1a\0"s, "\0\x14\1b\0"s, "\1\0\1d\0"s});
  EXPECT_EQ(answer.hosts, (std::vector<MxHost>{{10, "a"}, {20, "c"}, {20, "b"}, {256, "d"}}));
  EXPECT_FALSE(answer.null_mx);
}

TEST(Rfc1035Section339, BrokenMxRecordsAreLeftOut) {
  const MxAnswer answer = mx_from_rdata({"\0"s, "\0\x0a"s, "\0\x0a\5ab"s, "\0\x0a\1a\0"s});
  EXPECT_EQ(answer.hosts, (std::vector<MxHost>{{10, "a"}}));
}

TEST(Rfc7505Section3, TheRootAsOnlyHostMeansNoMail) {
  EXPECT_TRUE(mx_from_rdata({"\0\0\0"s}).null_mx);
  EXPECT_TRUE(mx_from_rdata({"\0\x0a\0"s}).null_mx) << "some publish another preference than 0";
  const MxAnswer mixed = mx_from_rdata({"\0\0\0"s, "\0\x0a\1a\0"s});
  EXPECT_FALSE(mixed.null_mx);
  EXPECT_EQ(mixed.hosts, (std::vector<MxHost>{{10, "a"}}));
  EXPECT_FALSE(mx_from_rdata({}).null_mx);
}

TEST(TlsaRdata, FourFieldsOrNothing) {
  EXPECT_FALSE(tlsa_from_rdata("abc").has_value());
  EXPECT_EQ(tlsa_from_rdata(std::string("\x03\x01\x02xyz")), (net::TlsaRecord{3, 1, 2, "xyz"}));
}

TEST(TxtRdata, StringsAreJoined) {
  EXPECT_EQ(text_from_rdata("\x03"
                            "abc\x02"
                            "de"),
            "abcde");
  EXPECT_EQ(text_from_rdata(""), "");
  EXPECT_EQ(text_from_rdata("\x09"
                            "short"),
            "short");
}

}  // namespace
}  // namespace postern::dns
