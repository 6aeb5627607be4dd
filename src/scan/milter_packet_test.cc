#include "scan/milter_packet.h"

#include <gtest/gtest.h>

namespace postern::scan::milter {
namespace {

using Decision = Verdict::Decision;
using namespace std::string_literals;

TEST(MilterPackets, AreTakenOffOneByOneHoweverTheyAreCut) {
  const std::string both = wire('c', "") + wire('h', texts({"X-A", "v"}));
  EXPECT_EQ(both.substr(0, 5), "\0\0\0\1c"s);
  for (std::size_t cut = 0; cut <= both.size(); ++cut) {
    std::string commands;
    std::string buffer;
    for (const std::string& part : {both.substr(0, cut), both.substr(cut)}) {
      buffer += part;
      for (;;) {
        const auto packet = take_packet(buffer);
        ASSERT_TRUE(packet);
        if (!*packet) break;
        commands += (*packet)->command;
      }
    }
    EXPECT_EQ(commands, "ch") << cut;
    EXPECT_TRUE(buffer.empty());
  }
}

TEST(MilterPackets, OfNoLengthOrTooMuchAreRefused) {
  std::string empty = "\0\0\0\0"s;
  EXPECT_EQ(take_packet(empty).error().code, Errc::Malformed);
  std::string huge = "HTTP/1.1 400";
  EXPECT_EQ(take_packet(huge).error().code, Errc::Exhausted);
}

TEST(MilterNegotiation, TakesWhatWeOfferedAndNothingElse) {
  const auto answer = [](std::uint32_t version, std::uint32_t actions, std::uint32_t protocol) {
    return read_negotiation({'O', number(version) + number(actions) + number(protocol)});
  };
  EXPECT_EQ(*answer(6, 0x11, kNoHelo | kQuietHeader), kNoHelo | kQuietHeader);
  EXPECT_EQ(*answer(2, 0, 0), 0U);
  EXPECT_EQ(*answer(6, 0x22, 0), 0U);  // may replace bodies and quarantine: seen when it does
  EXPECT_EQ(answer(6, 0x100, 0).error().code, Errc::Denied);       // lists of macros, not offered
  EXPECT_EQ(answer(6, 0, 0x20000000).error().code, Errc::Denied);  // bodies in pieces of 1 MiB
  EXPECT_EQ(answer(7, 0, 0).error().code, Errc::Denied);
  EXPECT_EQ(answer(1, 0, 0).error().code, Errc::Denied);
  EXPECT_EQ(read_negotiation({'O', "short"}).error().code, Errc::Malformed);
  EXPECT_EQ(read_negotiation({'c', std::string(12, '\0')}).error().code, Errc::Malformed);
}

TEST(MilterRequests, ThatNoFilterMayMakeAreNamed) {
  for (const auto& [command, what] : {std::pair{'b', "replace the body"}, std::pair{'+', "add a recipient"},
                                      std::pair{'2', "add a recipient"}, std::pair{'-', "remove a recipient"},
                                      std::pair{'e', "change the sender"}, std::pair{'h', ""}})
    EXPECT_EQ(forbidden({command, "x"}), what);
}

TEST(MilterDecisions, AreRead) {
  struct Case {
    Packet packet;
    Decision decision;
    const char* text;
  };
  for (const Case& c : {
           Case{{'a', ""}, Decision::Accept, ""},
           Case{{'r', ""}, Decision::Reject, ""},
           Case{{'t', ""}, Decision::Defer, ""},
           Case{{'q', "Virus X\0"s}, Decision::Reject, "quarantined: Virus X"},
           Case{{'d', ""}, Decision::Reject, "the filter discards it"},
           Case{{'y', "550 5.7.1 Virus found\0"s}, Decision::Reject, "Virus found"},
           Case{{'y', "451 later"}, Decision::Defer, "later"},
           Case{{'y', "554-5.7.1 one\r\n554 5.7.1 two\0"s}, Decision::Reject, "one two"},
           Case{{'y', "550\0"s}, Decision::Reject, ""},
           Case{{'y', "550 5.7.1 \xffhid\rden\0"s}, Decision::Reject, "?hid den"},
       }) {
    const auto verdict = read_decision(c.packet);
    ASSERT_TRUE(verdict && *verdict) << c.packet.data;
    EXPECT_EQ((*verdict)->decision, c.decision) << c.packet.data;
    EXPECT_EQ((*verdict)->text, c.text);
  }
  for (const char* bad : {"", "2", "250 ok", "5x0 no"})
    EXPECT_EQ(read_decision({'y', bad}).error().code, Errc::Malformed) << bad;
  EXPECT_FALSE(*read_decision({'c', ""}));
}

TEST(MilterEdits, AreRead) {
  const auto added = read_edit({'h', texts({"X-A", "v"})});
  ASSERT_TRUE(added && *added);
  EXPECT_EQ((*added)->kind, Edit::Kind::Add);
  EXPECT_EQ((*added)->name, "X-A");
  EXPECT_EQ((*added)->value, "v");
  const auto changed = read_edit({'m', number(2) + texts({"X-A", ""})});
  ASSERT_TRUE(changed && *changed);
  EXPECT_EQ((*changed)->kind, Edit::Kind::Change);
  EXPECT_EQ((*changed)->index, 2U);
  EXPECT_EQ((*read_edit({'i', number(1) + texts({"X-A", "v"})}))->kind, Edit::Kind::Insert);
  for (const Packet& bad :
       {Packet{'h', "X-A"}, Packet{'h', texts({"X-A"})}, Packet{'m', "ab"}, Packet{'i', number(1)}})
    EXPECT_EQ(read_edit(bad).error().code, Errc::Malformed);
  EXPECT_FALSE(*read_edit({'+', texts({"<more@example.org>"})}));
}

}  // namespace
}  // namespace postern::scan::milter
