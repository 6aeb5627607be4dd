#include "probe/ports.h"

#include <gtest/gtest.h>

#include <initializer_list>

namespace postern::probe {
namespace {

TEST(MailPorts, SortedCompleteAndFound) {
  std::uint16_t last = 0;
  for (const MailPort& port : mail_ports()) {
    EXPECT_GT(port.number, last);
    last = port.number;
    for (const std::string_view text :
         {port.service, port.use, port.encryption, port.exposure, port.reference}) {
      EXPECT_FALSE(text.empty()) << port.number;
    }
    EXPECT_EQ(find_mail_port(port.number), &port);
  }
  for (const std::uint16_t number :
       std::initializer_list<std::uint16_t>{25, 110, 143, 465, 587, 993, 995, 2525, 4190}) {
    EXPECT_NE(find_mail_port(number), nullptr) << number;
  }
  EXPECT_EQ(find_mail_port(80), nullptr);
}

}  // namespace
}  // namespace postern::probe
