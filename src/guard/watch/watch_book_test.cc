#include "guard/watch/watch_book.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace postern::guard {
namespace {

class WatchBookTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-watch-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    open();
  }
  void TearDown() override {
    book_.reset();
    std::filesystem::remove_all(dir_);
  }
  void open() {
    book_.reset();
    auto opened = WatchBook::open(dir_ + "/watch.db", clock_, options_,
                                  [](const std::string& /*address*/, const std::string& domain) {
                                    return domain == "example.org" ? Nearness::OwnDomain : Nearness::Outside;
                                  });
    ASSERT_TRUE(opened) << opened.error().detail;
    book_ = *std::move(opened);
    book_->on_hold([this](const HeldAccount& hold) { told_.push_back(hold.account); });
  }
  Judgement send(const std::string& account, const std::string& to, const char* ip) {
    const smtp::Recipient recipient{to, to.substr(to.find('@') + 1), {}, ""};
    return book_->judge({account, stated_, *net::IpAddress::parse(ip), {&recipient, 1}});
  }
  void live(const std::string& account) {
    for (int i = 0; i < 150; ++i) {
      send(account, "Friend" + std::to_string(i % 10) + "@y.example", "192.0.2.1");
      clock_.advance(std::chrono::hours(3));
    }
  }
  int attack(const std::string& account) {
    for (int sent = 0; sent < 500; ++sent) {
      const std::string to =
          "v" + std::to_string(victims_) + "@z" + std::to_string(victims_ % 50) + ".example";
      ++victims_;
      const Action action = send(account, to, "203.0.113.5").action;
      if (action == Action::Hold || action == Action::Held) return sent;
      const Answered answered = Answered::of(to, sent % 5 == 4, true);
      book_->delivered(account, {&answered, 1});
      clock_.advance(std::chrono::seconds(10));
    }
    return 500;
  }
  std::vector<WatchEvent> events_of(const std::string& account) {
    const Result<WatchedAccount> shown = book_->show(account);
    return shown ? shown->events : std::vector<WatchEvent>{};
  }
  std::string dir_;
  FakeClock clock_;
  WatchOptions options_;
  SenderClass stated_ = SenderClass::Person;
  std::unique_ptr<WatchBook> book_;
  std::vector<std::string> told_;
  int victims_ = 0;
};

TEST_F(WatchBookTest, AHoldSurvivesARestart) {
  live("a@example.org");
  ASSERT_LE(attack("a@example.org"), 50);
  EXPECT_EQ(told_, std::vector<std::string>{"a@example.org"});
  open();
  const std::vector<HeldAccount> held = book_->held();
  ASSERT_EQ(held.size(), 1U);
  EXPECT_EQ(held.front().account, "a@example.org");
  EXPECT_GE(held.front().score, Watch::kHold);
  EXPECT_FALSE(held.front().reasons.empty());
  EXPECT_FALSE(held.front().told);
  EXPECT_EQ(send("a@example.org", "friend1@y.example", "192.0.2.1").action, Action::Held);
  EXPECT_EQ(send("b@example.org", "friend1@y.example", "192.0.2.1").action, Action::None);
}

TEST_F(WatchBookTest, WhatWasLearnedSurvivesARestart) {
  live("a@example.org");
  open();
  const auto shown = book_->show("a@example.org");
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->messages, 150U);
  EXPECT_EQ(send("a@example.org", "FRIEND3@y.example", "192.0.2.1").new_recipients, 0);
}

TEST_F(WatchBookTest, AReleasedAccountSendsAgain) {
  live("a@example.org");
  attack("a@example.org");
  ASSERT_TRUE(book_->release("a@example.org"));
  EXPECT_TRUE(book_->held().empty());
  EXPECT_EQ(send("a@example.org", "friend1@y.example", "192.0.2.1").action, Action::None);
  EXPECT_EQ(book_->release("a@example.org").error().code, Errc::NotFound);
  open();
  EXPECT_TRUE(book_->held().empty());
  EXPECT_EQ(send("a@example.org", "friend1@y.example", "192.0.2.1").action, Action::None);
}

TEST_F(WatchBookTest, UnknownAccountsAreNamed) {
  EXPECT_EQ(book_->show("x@example.org").error().code, Errc::NotFound);
  EXPECT_EQ(book_->forgive("x@example.org").error().code, Errc::NotFound);
}

TEST_F(WatchBookTest, ARecipientIsCountedAsNewOnceAndNeverLearnedWhileHeld) {
  live("a@example.org");
  EXPECT_EQ(send("a@example.org", "stranger@x.example", "192.0.2.1").unseen, 1U);
  EXPECT_EQ(send("a@example.org", "Stranger@x.example", "192.0.2.1").unseen, 0U);
  attack("a@example.org");
  EXPECT_EQ(send("a@example.org", "friend1@y.example", "192.0.2.1").unseen, 0U);
  EXPECT_EQ(send("a@example.org", "other@x.example", "192.0.2.1").unseen, 1U);
  EXPECT_EQ(send("a@example.org", "other@x.example", "192.0.2.1").unseen, 1U);
}

TEST_F(WatchBookTest, SparedAccountsAndClassesAreOnlyWarnedOf) {
  options_.never_hold = {"Postmaster@example.org", "bulk"};
  open();
  live("postmaster@example.org");
  EXPECT_EQ(attack("postmaster@example.org"), 500);
  stated_ = SenderClass::Bulk;
  live("news@example.org");
  EXPECT_EQ(attack("news@example.org"), 500);
  EXPECT_TRUE(book_->held().empty() && told_.empty());
  const std::vector<WatchEvent> events = events_of("postmaster@example.org");
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().kind, "spared");
  EXPECT_LE(events.size(), 4U) << "once a day";
  stated_ = SenderClass::Person;
  live("a@example.org");
  EXPECT_LE(attack("a@example.org"), 50);
}

TEST_F(WatchBookTest, TheHistoryTellsEverythingAndIsBounded) {
  live("a@example.org");
  attack("a@example.org");
  ASSERT_TRUE(book_->release("a@example.org"));
  ASSERT_TRUE(book_->complain("a@example.org", 1));
  std::string kinds;
  for (const WatchEvent& event : events_of("a@example.org")) kinds += event.kind + ' ';
  EXPECT_NE(kinds.find("hold release complaint "), std::string::npos) << kinds;
  for (int i = 0; i < 3 * WatchStore::kEvents; ++i)
    book_->note_event("a@example.org", "purge", std::to_string(i));
  const std::vector<WatchEvent> events = events_of("a@example.org");
  ASSERT_EQ(events.size(), std::size_t{WatchStore::kEvents});
  EXPECT_EQ(events.back().detail, std::to_string(3 * WatchStore::kEvents - 1));
}

TEST_F(WatchBookTest, FailedLoginsBeforeASuccessSpeakOnlyFromStrangeNetworks) {
  live("a@example.org");
  const auto guess = [this](const char* ip, int failures) {
    for (int i = 0; i < failures; ++i) book_->login_failed(*net::IpAddress::parse(ip), "A@example.org");
    book_->login_succeeded(*net::IpAddress::parse(ip), "a@example.org", "a@example.org");
    return book_->show("a@example.org")->score;
  };
  const double before = book_->show("a@example.org")->score;
  EXPECT_EQ(guess("192.0.2.1", 40), before) << "its owner, at home";
  EXPECT_EQ(guess("203.0.113.5", 2), before) << "that happens";
  EXPECT_GT(guess("203.0.113.5", 40), before);
}

TEST_F(WatchBookTest, AFewComplaintsBringAHoldNearerAndManyHold) {
  live("a@example.org");
  EXPECT_EQ(book_->complain("x@example.org", 1).error().code, Errc::NotFound);
  const double before = book_->show("a@example.org")->score;
  ASSERT_TRUE(book_->complain("a@example.org", 1));
  EXPECT_GT(book_->show("a@example.org")->score, before);
  ASSERT_TRUE(book_->complain("a@example.org", 2));
  EXPECT_FALSE(book_->is_held("a@example.org")) << "anybody can complain";
  ASSERT_TRUE(book_->complain("a@example.org", 17));
  EXPECT_TRUE(book_->is_held("a@example.org")) << "20 for 150 messages";
}

TEST_F(WatchBookTest, OptionsCanChangeWhileItRuns) {
  live("a@example.org");
  book_->use({.never_hold = {"A@example.org"}});
  EXPECT_EQ(attack("a@example.org"), 500) << "spared from now on";
  live("b@example.org");
  EXPECT_LT(attack("b@example.org"), 100);
  book_->use({.new_mail = NewMail::Refuse});
  EXPECT_EQ(book_->options()->new_mail, NewMail::Refuse);
  live("c@example.org");
  book_->use({.never_hold = {"person"}});
  EXPECT_EQ(attack("c@example.org"), 500);
}

TEST_F(WatchBookTest, CallsAreKeptUntilTheyEnd) {
  const PendingCall call{"watch.hold-a-1", clock_.now(), "{}"};
  EXPECT_TRUE(*book_->add_call(call));
  EXPECT_FALSE(*book_->add_call(call)) << "the same event";
  open();
  ASSERT_EQ(book_->calls()->size(), 1U);
  EXPECT_EQ(book_->calls()->front().body, "{}");
  EXPECT_EQ(book_->calls()->front().since, clock_.now());
  ASSERT_TRUE(book_->end_call(call.id));
  EXPECT_TRUE(book_->calls()->empty());
  for (int i = 0; i < WatchStore::kMostCalls; ++i)
    ASSERT_TRUE(*book_->add_call({std::to_string(i), clock_.now(), "{}"}));
  EXPECT_FALSE(*book_->add_call({"one more", clock_.now(), "{}"}));
}

TEST_F(WatchBookTest, WhatTheQueueKnowsIsAdopted) {
  ASSERT_TRUE(book_->adopt({"a@example.org", clock_.now(), 0, {"why"}, false}));
  open();
  EXPECT_EQ(send("a@example.org", "friend1@y.example", "192.0.2.1").action, Action::Held);
  EXPECT_EQ(book_->held().front().reasons, std::vector<std::string>{"why"});
}

TEST_F(WatchBookTest, MemoryHasABound) {
  for (std::size_t i = 0; i < WatchBook::kMostInMemory + 100; ++i) {
    send("n" + std::to_string(i) + "@example.org", "friend@y.example", "192.0.2.1");
    if (i % 10'000 == 0) {
      ASSERT_TRUE(book_->flush());
    }
  }
  EXPECT_LE(book_->in_memory(), WatchBook::kMostInMemory);
  EXPECT_EQ(book_->show("n7@example.org")->messages, 1U) << "what left memory is on disk";
}

TEST_F(WatchBookTest, AMillionAccountsWouldCostAKilobyteEach) {
  constexpr int kAccounts = 2000;
  for (int i = 0; i < kAccounts; ++i)
    send("account-number-" + std::to_string(i) + "@example.org", "friend@y.example", "192.0.2.1");
  book_.reset();  // writes all, and the log into the file
  EXPECT_LE(std::filesystem::file_size(dir_ + "/watch.db"), kAccounts * 1024U + 65'536);
}

}  // namespace
}  // namespace postern::guard
