#include "mail/mime_scan.h"

#include <gtest/gtest.h>

namespace postern::mail {
namespace {

std::size_t deepest(std::string_view content_type, std::string_view body, std::size_t cut = 100'000,
                    std::size_t most = 100) {
  MimeScan scan(content_type, most);
  for (std::size_t at = 0; at < body.size(); at += cut) scan.feed(body.substr(at, cut));
  return scan.deepest();
}

struct Case {
  const char* name;
  const char* content_type;
  const char* body;
  std::size_t depth;
};

class MimeScanTest : public testing::TestWithParam<Case> {};

TEST_P(MimeScanTest, CountsTheSameHoweverTheBodyIsCut) {
  for (std::size_t cut = 1; cut < 40; ++cut) {
    EXPECT_EQ(deepest(GetParam().content_type, GetParam().body, cut), GetParam().depth) << cut;
  }
}

constexpr const char* kNested =
    "--a\r\nContent-Type: multipart/mixed;\r\n\tboundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b--\r\n--a\r\n"
    "content-type : multipart/mixed; boundary=\"c\"\r\n\r\n--c\r\n\r\nx\r\n--a--\r\n";

INSTANTIATE_TEST_SUITE_P(
    Rfc2046Section51, MimeScanTest,
    testing::Values(
        Case{"text", "text/plain; boundary=a", "--a\r\n\r\n--a--\r\n", 0},
        Case{"nothing_said", "", "--a\r\n", 0}, Case{"one", "multipart/mixed; boundary=a", "", 1},
        Case{"no_boundary", "multipart/mixed", kNested, 0},
        Case{"nested", "MULTIPART/MIXED; x=y; BOUNDARY=a", kNested, 2},
        Case{"comment", "multipart/mixed (b; boundary=z); boundary = \"a\" ", kNested, 2},
        Case{"other_boundary", "multipart/mixed; boundary=z", kNested, 1},
        Case{"a_message", "multipart/mixed; boundary=a",
             "--a\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
             "--b\r\n\r\nx\r\n",
             3},
        Case{"a_prefix_is_no_delimiter", "multipart/mixed; boundary=a",
             "--ab\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", 1},
        Case{"behind_the_end", "multipart/mixed; boundary=a",
             "--a--\r\n--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", 1}),
    [](const auto& param) { return param.param.name; });

TEST(MimeScan, StopsLookingBeyondTheLimit) {
  std::string body;
  for (int i = 0; i < 2000; ++i) {
    const std::string number = std::to_string(i);
    body +=
        "--b" + number + "\r\nContent-Type: multipart/mixed; boundary=b" + std::to_string(i + 1) + "\r\n\r\n";
  }
  EXPECT_EQ(deepest("multipart/mixed; boundary=b0", body, 100'000, 50), 51U);
  EXPECT_EQ(deepest("multipart/mixed; boundary=b0", body, 100'000, 5000), 2001U);
}

}  // namespace
}  // namespace postern::mail
