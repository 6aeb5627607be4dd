#include "tlspolicy/mta_sts.h"

#include "dns/fake_resolver.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace postern::tlspolicy {
namespace {

using Mode = StsPolicy::Mode;
using std::chrono::hours;

std::string policy(const std::string& mode, long max_age = 7L * 86'400) {
  return "version: STSv1\nmode: " + mode + "\nmx: mx.test\nmax_age: " + std::to_string(max_age) + "\n";
}

/// What the web server says next.
struct Web {
  Result<net::HttpResponse> answer = fail(Errc::Unavailable, "nobody there");
  int asked = 0;
  void serve(const std::string& text, unsigned status = 200, const std::string& type = "text/plain") {
    answer = net::HttpResponse{status, {{"content-type", type}}, text};
  }
};

net::Task<Result<net::HttpResponse>> get(Web& web, net::Loop& loop) {
  ++web.asked;
  co_await loop.sleep_until(std::chrono::steady_clock::now());  // others may come meanwhile
  co_return web.answer;
}

class MtaStsTest : public testing::Test {
 protected:
  MtaStsTest() {
    std::string name = testing::TempDir() + "mta_stsXXXXXX";
    directory_ = ::mkdtemp(name.data());
    start();
    announce("1");
  }
  ~MtaStsTest() override {
    mta_sts_.reset();
    std::filesystem::remove_all(directory_);
  }
  void start() {
    mta_sts_.reset();
    auto cache = StsCache::open(directory_ + "/tls.db");
    ASSERT_TRUE(cache) << cache.error().detail;
    const auto page = [this](net::Loop& loop, net::HttpRequest /*request*/, SteadyTime /*deadline*/) {
      return get(web_, loop);
    };
    mta_sts_ = std::make_unique<MtaSts>(*std::move(cache), page, clock_);
  }
  void announce(const std::string& id) { resolver_.add_txt("_mta-sts.test", {"v=STSv1; id=" + id + ";"}); }
  StsFinding ask(int times = 1) {
    StsFinding found;
    waiting_ = times;
    for (int i = 0; i < times; ++i) loop_.spawn(look(found));
    loop_.run();
    return found;
  }
  net::Task<> look(StsFinding& out) {
    StsFinding found = co_await mta_sts_->policy_of(loop_, resolver_, "test");
    out = std::move(found);
    if (--waiting_ == 0) loop_.stop();
  }
  void refresh() {
    loop_.spawn(run_refresh());
    loop_.run();
  }
  net::Task<> run_refresh() {
    co_await mta_sts_->refresh(loop_);
    loop_.stop();
  }

  std::string directory_;
  net::Loop loop_;
  FakeClock clock_;
  dns::FakeResolver resolver_;
  Web web_;
  std::unique_ptr<MtaSts> mta_sts_;
  int waiting_ = 0;
};

TEST_F(MtaStsTest, IsFetchedOnceAndOutlivesARestart) {
  web_.serve(policy("enforce"));
  EXPECT_EQ(ask().policy->mode, Mode::Enforce);
  EXPECT_EQ(ask().policy->mode, Mode::Enforce);
  start();
  EXPECT_EQ(ask().policy->mode, Mode::Enforce);
  EXPECT_EQ(web_.asked, 1);
}

TEST_F(MtaStsTest, ManyWhoAskAtOnceCauseOneFetch) {
  web_.serve(policy("testing"));
  EXPECT_EQ(ask(20).policy->mode, Mode::Testing);
  EXPECT_EQ(web_.asked, 1);
}

TEST_F(MtaStsTest, ANewIdFetchesAgain) {
  web_.serve(policy("enforce"));
  ask();
  announce("2");
  web_.serve(policy("none"));
  EXPECT_EQ(ask().policy->mode, Mode::None);
  EXPECT_EQ(web_.asked, 2);
}

TEST_F(MtaStsTest, WhatWasPromisedHoldsUntilItExpires) {
  web_.serve(policy("enforce", 3600));
  ask();
  web_.answer = fail(Errc::Unavailable, "down");
  announce("2");
  const StsFinding held = ask();
  EXPECT_EQ(held.policy->mode, Mode::Enforce);
  EXPECT_TRUE(held.cached);
  EXPECT_EQ(held.problem, StsProblem::Fetch);
  resolver_.fail_with("_mta-sts.test", fail(Errc::Unavailable, "SERVFAIL"));
  EXPECT_EQ(ask().policy->mode, Mode::Enforce);
  resolver_.add_txt("_mta-sts.test", {});
  EXPECT_EQ(ask().policy->mode, Mode::Enforce);
  clock_.advance(hours{1});
  EXPECT_FALSE(ask().policy);
}

TEST_F(MtaStsTest, NoRecordNoFetch) {
  resolver_.add_txt("_mta-sts.test", {});
  EXPECT_FALSE(ask().policy);
  EXPECT_EQ(web_.asked, 0);
}

TEST_F(MtaStsTest, AFailedFetchIsNotRepeatedForFiveMinutes) {
  EXPECT_FALSE(ask().policy);
  web_.serve(policy("enforce"));
  EXPECT_EQ(ask().problem, StsProblem::Fetch);
  EXPECT_EQ(web_.asked, 1);
  clock_.advance(MtaSts::kAfterFailure);
  EXPECT_EQ(ask().policy->mode, Mode::Enforce);
  EXPECT_EQ(web_.asked, 2);
}

TEST_F(MtaStsTest, ProblemsAreToldApart) {
  const auto problem = [this] {
    clock_.advance(MtaSts::kAfterFailure);
    const StsFinding found = ask();
    EXPECT_FALSE(found.policy);
    return found.problem;
  };
  web_.serve(policy("enforce"), 301);
  EXPECT_EQ(problem(), StsProblem::Fetch);
  web_.serve(policy("enforce"), 200, "text/html; charset=utf-8");
  EXPECT_EQ(problem(), StsProblem::Invalid);
  web_.serve("hello");
  EXPECT_EQ(problem(), StsProblem::Invalid);
  web_.answer = fail(Errc::Exhausted, "too large");
  EXPECT_EQ(problem(), StsProblem::Invalid);
  web_.answer = fail(Errc::Denied, "certificate has expired");
  EXPECT_EQ(problem(), StsProblem::WebPki);
  clock_.advance(MtaSts::kAfterFailure);
  web_.serve(policy("enforce"), 200, "Text/Plain ; charset=utf-8");
  EXPECT_EQ(ask().problem, StsProblem::None);
}

TEST_F(MtaStsTest, RefreshedDailyWhileInUse) {
  web_.serve(policy("testing"));
  ask();
  refresh();
  EXPECT_EQ(web_.asked, 1);
  clock_.advance(hours{25});
  web_.serve(policy("enforce"));
  refresh();
  EXPECT_EQ(web_.asked, 2);
  EXPECT_EQ(ask().policy->mode, Mode::Enforce);  // although the id is the old one
  clock_.advance(hours{25});
  web_.answer = fail(Errc::Unavailable, "down");
  refresh();
  EXPECT_EQ(ask().policy->mode, Mode::Enforce);
}

}  // namespace
}  // namespace postern::tlspolicy
