#include "tlspolicy/reporter.h"

#include "dns/fake_resolver.h"

#include <gtest/gtest.h>

namespace postern::tlspolicy {
namespace {

using std::chrono::hours;

/// What left, and what the queue and the web say to it.
struct Outside {
  Result<> queue;
  unsigned status = 200;
  std::vector<std::string> mails;
  std::vector<std::string> posts;
};

net::Task<Result<>> take_mail(Outside& outside, std::string recipient) {
  if (outside.queue) outside.mails.push_back(std::move(recipient));
  co_return outside.queue;
}
net::Task<Result<net::HttpResponse>> take_post(Outside& outside, std::string url) {
  outside.posts.push_back(std::move(url));
  co_return net::HttpResponse{outside.status, {}, {}};
}

class ReporterTest : public testing::Test {
 protected:
  ReporterTest() : clock_(std::chrono::sys_days{std::chrono::year{2026} / 11 / 24} + hours{12}) {
    log_ = SessionLog::open(":memory:").value();
    resolver_.add_txt("_smtp._tls.a.test", {"v=TLSRPTv1;rua=mailto:r@a.test,https://a.test/r"});
    SessionResult session;
    session.time = clock_.now();
    session.policy.domain = "a.test";
    log_->record(session);
    start();
  }
  void start() {
    const auto send = [this](net::Loop& /*loop*/, std::string recipient, std::string /*content*/) {
      return take_mail(outside_, std::move(recipient));
    };
    const auto post = [this](net::Loop& /*loop*/, net::HttpRequest request, SteadyTime /*deadline*/) {
      return take_post(outside_, request.url);
    };
    reporter_ = std::make_unique<Reporter>(Reporter::Services{
        *log_, clock_, resolver_, [this] { return author_; }, send, post, std::chrono::seconds{0}});
  }
  void run(hours later) {
    clock_.advance(later);
    loop_.spawn(once());
    loop_.run();
  }
  net::Task<> once() {
    co_await reporter_->run_once(loop_);
    loop_.stop();
  }

  net::Loop loop_;
  FakeClock clock_;
  dns::FakeResolver resolver_;
  std::unique_ptr<SessionLog> log_;
  Outside outside_;
  std::optional<ReportAuthor> author_ = ReportAuthor{"Example", "postmaster@example.org"};
  std::unique_ptr<Reporter> reporter_;
};

TEST_F(ReporterTest, SendsOnceWhenTheDayIsOver) {
  run(hours{1});
  EXPECT_TRUE(outside_.mails.empty());
  run(hours{12});
  EXPECT_EQ(outside_.mails, std::vector<std::string>{"r@a.test"});
  EXPECT_EQ(outside_.posts, std::vector<std::string>{"https://a.test/r"});
  run(hours{24});
  EXPECT_EQ(outside_.mails.size(), 1U);
}

TEST_F(ReporterTest, OneWhoTakesItIsEnough) {
  outside_.status = 500;
  run(hours{13});
  run(hours{24});
  EXPECT_EQ(outside_.mails.size(), 1U);
  EXPECT_EQ(outside_.posts.size(), 1U);
}

TEST_F(ReporterTest, WhatNobodyTakesIsTriedForADay) {
  outside_.status = 500;
  outside_.queue = fail(Errc::Unavailable, "disk full");
  run(hours{13});
  const std::vector<PendingReport> pending = *log_->pending(10);
  ASSERT_EQ(pending.size(), 1U);
  EXPECT_EQ(pending[0].report.attempts, 1U);
  EXPECT_TRUE(pending[0].next_try && *pending[0].next_try > clock_.now());
  EXPECT_GE(pending[0].sessions, 1U);
  EXPECT_LE(pending[0].failures, pending[0].sessions);
  for (int i = 0; i < 30; ++i) run(hours{7});
  EXPECT_EQ(outside_.posts.size(), Reporter::kMaxAttempts);
  EXPECT_TRUE(log_->pending(10)->empty());
  const std::vector<PastReport> past = *log_->past(10);
  ASSERT_EQ(past.size(), 1U);
  EXPECT_FALSE(past[0].sent);
  EXPECT_NE(past[0].detail, "");
}

TEST_F(ReporterTest, WhatWasSentIsKnownAfterwards) {
  run(hours{13});
  run(hours{24});
  const std::vector<PastReport> past = *log_->past(10);
  ASSERT_EQ(past.size(), 1U);
  EXPECT_TRUE(past[0].sent);
  EXPECT_NE(past[0].detail.find("a.test"), std::string::npos) << past[0].detail;
}

TEST_F(ReporterTest, DnsTroubleIsNoRefusal) {
  resolver_.fail_with("_smtp._tls.a.test", fail(Errc::Unavailable, "SERVFAIL"));
  run(hours{13});
  resolver_.add_txt("_smtp._tls.a.test", {"v=TLSRPTv1;rua=mailto:r@a.test"});
  run(hours{1});
  EXPECT_EQ(outside_.mails.size(), 1U);
}

TEST_F(ReporterTest, WhoWantsNoReportGetsNone) {
  resolver_.add_txt("_smtp._tls.a.test", {});
  run(hours{13});
  EXPECT_TRUE(outside_.mails.empty());
  EXPECT_TRUE(log_->pending(10)->empty());
}

TEST_F(ReporterTest, NothingLeavesUnsigned) {
  author_.reset();
  run(hours{13});
  EXPECT_TRUE(outside_.mails.empty());
  EXPECT_EQ(log_->pending(10)->size(), 1U);
}

}  // namespace
}  // namespace postern::tlspolicy
