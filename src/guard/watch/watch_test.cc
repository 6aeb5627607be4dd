#include "guard/watch/watch.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace postern::guard {
namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kMonday = 1'700'438'400;  // 2023-11-20 00:00 UTC
const char* const kHome = "192.0.2.7";
const char* const kElsewhere = "203.0.113.9";

/// One account whose life a test tells.
struct Life {
  AccountState state;
  Surroundings surroundings;
  std::int64_t now = kMonday;
  int strangers = 0;

  Judgement send(const std::vector<std::string>& to, const char* ip = kHome, bool bounced = false) {
    std::vector<WatchedRecipient> recipients;
    for (const std::string& address : to) recipients.push_back(WatchedRecipient::of(address));
    const Judgement judged =
        Watch::judge(state, surroundings, {now, Place::of(*net::IpAddress::parse(ip)), recipients});
    if (state.held()) return judged;
    const Judgement after = Watch::delivered(state, surroundings, now,
                                             Answered::of(to.front(), bounced, judged.new_recipients > 0));
    return after.action == Action::Hold ? after : judged;
  }
  std::string stranger() {
    ++strangers;
    return "s" + std::to_string(strangers) + "@site" + std::to_string(strangers * 7 % 501) + ".example";
  }
  std::vector<std::string> some_strangers(int count) {
    std::vector<std::string> out;
    for (int i = 0; i < count; ++i) out.push_back(stranger());
    return out;
  }
  /// `days` of `messages` a working day to twenty friends, a new one now and then.
  void live(int days, int messages = 8) {
    for (int day = 0; day < days; ++day, now = (now / kDay + 1) * kDay) {
      if (now / kDay % 7 == 2 || now / kDay % 7 == 3) continue;  // Saturday and Sunday
      for (int i = 0; i < messages; ++i) {
        now = now / kDay * kDay + 8 * 3600 + i * 3600;
        send({i == 3 && day % 4 == 0 ? stranger()
                                     : "friend" + std::to_string((day + i) % 20) + "@firm.example"});
      }
    }
    now += 10 * 3600;
  }
  /// Recipients out before the hold, at one message per `every` seconds; `most` when it never came.
  int attack(int every, const char* ip, int one_in_bounces, int size = 1, int most = 1000) {
    for (int sent = 0; sent < most; sent += size, now += every) {
      send(some_strangers(size), ip,
           one_in_bounces > 0 && sent / size % one_in_bounces == one_in_bounces - 1);
      if (state.held()) return sent;
    }
    return most;
  }
};

struct Attack {
  const char* name;
  int every;
  const char* ip;
  int one_in_bounces;
  int size;
  int at_most;
};

class TakeoverTest : public testing::TestWithParam<Attack> {};

TEST_P(TakeoverTest, IsHeldInTime) {
  const Attack& attack = GetParam();
  Life life;
  life.live(40);
  EXPECT_LE(life.attack(attack.every, attack.ip, attack.one_in_bounces, attack.size), attack.at_most);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, TakeoverTest,
    testing::Values(Attack{"flood", 1, kElsewhere, 5, 1, 50}, Attack{"flood_from_home", 1, kHome, 6, 1, 50},
                    Attack{"blasts", 120, kElsewhere, 1, 100, 0},
                    Attack{"blasts_from_home", 120, kHome, 0, 100, 0},
                    Attack{"every_30_s", 30, kElsewhere, 8, 1, 50},
                    Attack{"every_4_minutes", 240, kElsewhere, 10, 1, 50},
                    Attack{"every_4_minutes_from_home_without_bounces", 240, kHome, 0, 1, 100}),
    [](const auto& one) { return one.param.name; });

TEST(Watch, SixtyNewPeopleAtOnceAreNoAttack) {
  Life life;
  life.live(40);
  EXPECT_NE(life.send(life.some_strangers(60)).action, Action::Hold);
  life.live(5);
  EXPECT_FALSE(life.state.held());
}

TEST(Watch, SixtyMessagesToNewPeopleAreNoAttack) {
  Life life;
  life.live(40);
  for (int i = 0; i < 60; ++i, life.now += 5) life.send({life.stranger()});
  EXPECT_FALSE(life.state.held());
}

TEST(Watch, ANewNetworkAloneIsNoAttack) {
  Life life;
  life.live(40);
  for (int day = 0; day < 20; ++day, life.now += kDay) {
    for (int i = 0; i < 8; ++i) life.send({"friend" + std::to_string(i) + "@firm.example"}, kElsewhere);
    life.send({life.stranger()}, kElsewhere);
  }
  EXPECT_FALSE(life.state.held());
  EXPECT_TRUE(life.state.networks.trusts(Place::of(*net::IpAddress::parse(kElsewhere))));
}

TEST(Watch, MuchMailAfterAHolidayIsNoAttack) {
  Life life;
  life.live(40);
  life.now += 21 * kDay;
  for (int i = 0; i < 120; ++i, life.now += 60)
    life.send({"friend" + std::to_string(i % 20) + "@firm.example"});
  EXPECT_FALSE(life.state.held());
}

TEST(Watch, ANewslettersFirstIssueAndTheNextAreNoAttack) {
  Life life;
  const std::vector<std::string> readers = life.some_strangers(2000);
  for (int week = 0; week < 6; ++week, life.now = kMonday + week * 7 * kDay) {
    for (std::size_t i = 0; i < readers.size(); i += 100, life.now += 2)
      life.send({readers.begin() + static_cast<std::ptrdiff_t>(i),
                 readers.begin() + static_cast<std::ptrdiff_t>(i) + 100});
    ASSERT_FALSE(life.state.held()) << "issue " << week;
  }
}

TEST(Watch, AnApplicationsSteadyMailIsNoAttack) {
  Life life;
  for (int i = 0; i < 12'000; ++i, life.now += 300) life.send({life.stranger()}, kHome, i % 60 == 0);
  EXPECT_FALSE(life.state.held());
}

TEST(Watch, AnApplicationsStolenPasswordIsSeenByPlaceAndBounces) {
  Life life;
  for (int i = 0; i < 6'000; ++i, life.now += 300) life.send({life.stranger()}, kHome, i % 60 == 0);
  EXPECT_LE(life.attack(1, kElsewhere, 5), 200);
}

TEST(Watch, OneBounceOfALowVolumeAccountIsNothing) {
  Life life;
  life.live(10, 1);
  const Judgement judged = life.send({life.stranger()}, kHome, true);
  EXPECT_EQ(judged.action, Action::None);
  EXPECT_EQ(Watch::weigh(life.state)[Signal::Bounces].strength, 0);
}

TEST(Watch, WhileHeldNothingIsLearned) {
  Life life;
  life.live(40);
  life.attack(1, kElsewhere, 5);
  ASSERT_TRUE(life.state.held());
  const std::string victim = life.stranger();
  EXPECT_EQ(life.send({victim}, kElsewhere).action, Action::Held);
  EXPECT_FALSE(life.state.recipients.contains(WatchedRecipient::of(victim).address));
  EXPECT_FALSE(life.state.networks.trusts(Place::of(*net::IpAddress::parse(kElsewhere))));
}

TEST(Watch, AnAttackThatGoesOnAfterAReleaseIsHeldAgain) {
  Life life;
  life.live(40);
  life.attack(30, kElsewhere, 6);
  ASSERT_TRUE(life.state.held());
  life.now += 4 * 3600;
  Watch::release(life.state, life.now);
  ASSERT_FALSE(life.state.held());
  EXPECT_LE(life.attack(30, kElsewhere, 6), 100);
}

TEST(Watch, WhatIsForgivenBecomesHabit) {
  Life life;
  life.live(40);
  ASSERT_LT(life.attack(60, kHome, 0), 100);
  for (int i = 0; i < 200; ++i, life.now += 60) life.send({life.stranger()});
  Watch::forgive(life.state, life.now);
  life.now += 3 * kDay;
  EXPECT_EQ(life.attack(60, kHome, 0, 1, 200), 200);
}

TEST(Watch, AStolenAccountsNetworkIsSuspectForOthers) {
  Life first;
  first.live(40);
  first.attack(1, kElsewhere, 5);
  const Place place = Place::of(*net::IpAddress::parse(kElsewhere));
  EXPECT_TRUE(first.surroundings.suspect(place, first.now));
  EXPECT_FALSE(first.surroundings.suspect(Place::of(*net::IpAddress::parse(kHome)), first.now));
}

TEST(Watch, ItsVerdictNamesTheSignals) {
  Life life;
  life.live(40);
  life.attack(60, kElsewhere, 0);
  const std::vector<std::string> words = in_words(Watch::weigh(life.state));
  ASSERT_FALSE(words.empty());
  std::string all;
  for (const std::string& word : words) all += word + "\n";
  EXPECT_NE(all.find("new_recipients: "), std::string::npos) << all;
  EXPECT_NE(all.find("strange_network: "), std::string::npos) << all;
  EXPECT_NE(all.find("strength "), std::string::npos) << all;
}

TEST(Watch, ReportsSpeakToo) {
  Life life;
  life.live(40);
  for (int i = 0; i < 12; ++i) life.send({life.stranger()}, kElsewhere);
  const double before = Watch::weigh(life.state).score();
  Watch::report(life.state, life.surroundings, life.now, Report::Complaint);
  Watch::report(life.state, life.surroundings, life.now, Report::ScannerSpam);
  EXPECT_GT(Watch::weigh(life.state).score(), before + 3);
}

TEST(Watch, AScannersSuspicionCountsAgainstWhatTheAccountIsUsedTo) {
  Life person;
  person.live(40);
  Life shop = person;
  for (int i = 0; i < 300; ++i) Watch::scanned(shop.state, shop.surroundings, shop.now += 7200, 0.5);
  for (int i = 0; i < 6; ++i) {
    Watch::scanned(person.state, person.surroundings, person.now, 0.6);
    Watch::scanned(shop.state, shop.surroundings, shop.now, 0.5);
  }
  EXPECT_GT(Watch::weigh(person.state)[Signal::Reports].strength, 3);
  EXPECT_LT(Watch::weigh(shop.state)[Signal::Reports].strength, 0.3);
  const double before = Watch::weigh(person.state)[Signal::Reports].strength;
  Watch::scanned(person.state, person.surroundings, person.now, 0.2);
  EXPECT_EQ(Watch::weigh(person.state)[Signal::Reports].strength, before) << "an ordinary score";
}

TEST(Watch, ComplaintsCountAgainstTheNumberOfRecipients) {
  Life newsletter;
  for (int week = 0; week < 8; ++week, newsletter.now += 7 * 86'400) {
    for (int i = 0; i < 1000; ++i)
      Watch::delivered(newsletter.state, newsletter.surroundings, newsletter.now,
                       Answered::of("r@site.example", false, false));
  }
  const auto hold_after = [](Life life, double complaints) {
    return Watch::report(life.state, life.surroundings, life.now, Report::Complaint, complaints).action ==
           Action::Hold;
  };
  EXPECT_FALSE(hold_after(newsletter, 15)) << "1.5 %";
  EXPECT_TRUE(hold_after(newsletter, 60)) << "6 %";
}

/// A person's ordinary month: what the cases below begin with.
Life after_a_month() {
  Life life;
  for (int i = 0; i < 150; ++i) {
    life.send({"friend" + std::to_string(i % 12) + "@y.example"});
    life.now += 17'000;
  }
  return life;
}

TEST(WatchBounces, OfWhoRefusesEverythingAreNotTheAccounts) {
  Life one_domain = after_a_month();
  Life whole_relay = after_a_month();
  Life bought_list = after_a_month();
  int sent = 0;
  for (; sent < 15; ++sent) {
    const std::string n = std::to_string(sent);
    EXPECT_NE(one_domain.send({"u" + n + "@down.example"}, kHome, true).action, Action::Hold) << n;
    EXPECT_NE(whole_relay.send({"u" + n + "@d" + n + ".example"}, kHome, true).action, Action::Hold) << n;
  }
  EXPECT_LT(Watch::weigh(one_domain.state)[Signal::Bounces].strength, 6);
  EXPECT_LT(Watch::weigh(whole_relay.state)[Signal::Bounces].strength, 1);
  // One of three lives: nothing but a list explains that.
  Action action = Action::None;
  for (sent = 0; sent < 40 && action != Action::Hold; ++sent)
    action = bought_list.send({bought_list.stranger()}, kHome, sent % 3 != 2).action;
  EXPECT_EQ(action, Action::Hold);
  EXPECT_LT(sent, 25);
}

TEST(WatchBounces, OfAFirstDayHaveToBeMany) {
  Life life;
  Action action = Action::None;
  int sent = 0;
  for (; sent < 300 && action != Action::Hold; ++sent, life.now += 20)
    action = life.send({life.stranger()}, kHome, sent % 3 == 0).action;
  EXPECT_EQ(action, Action::Hold);
  EXPECT_GT(sent, 40);
  EXPECT_LT(sent, 100);
}

TEST(WatchBounces, ADomainThatTakesTheRestIsNotAtFault) {
  Life life = after_a_month();
  for (int i = 0; i < 6; ++i) {
    life.send({"a" + std::to_string(i) + "@large.example"}, kHome, true);
    life.send({"b" + std::to_string(i) + "@large.example"}, kHome, false);
  }
  EXPECT_GT(Watch::weigh(life.state)[Signal::Bounces].strength, 3);
}

}  // namespace
}  // namespace postern::guard
