#include "tlspolicy/session_log.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace postern::tlspolicy {
namespace {

using std::chrono::days;
using std::chrono::hours;

const TimePoint kNoon = std::chrono::sys_days{std::chrono::year{2026} / 11 / 24} + hours{12};

SessionResult session(const std::string& domain, TlsResult result, TimePoint when = kNoon) {
  return {when, {"sts", {"version: STSv1"}, domain, {"mx.test"}}, result, "mx.test", "192.0.2.1", "192.0.2.2",
          "why"};
}

class SessionLogTest : public testing::Test {
 protected:
  SessionLogTest() {
    std::string name = testing::TempDir() + "session_logXXXXXX";
    directory_ = ::mkdtemp(name.data());
    open();
  }
  ~SessionLogTest() override {
    log_.reset();
    std::filesystem::remove_all(directory_);
  }
  void open() {
    log_.reset();
    auto opened = SessionLog::open(directory_ + "/sessions.db");
    ASSERT_TRUE(opened) << opened.error().detail;
    log_ = *std::move(opened);
  }
  std::vector<DueReport> due(TimePoint now) {
    const auto found = log_->due(day_of(now), now, 10);
    EXPECT_TRUE(found);
    return found ? *found : std::vector<DueReport>();
  }
  std::string directory_;
  std::unique_ptr<SessionLog> log_;
};

TEST_F(SessionLogTest, CountsByKindAndOutlivesARestart) {
  for (int i = 0; i < 3; ++i) log_->record(session("a.test", TlsResult::Success));
  log_->record(session("a.test", TlsResult::CertificateExpired));
  ASSERT_TRUE(log_->flush());
  log_->record(session("a.test", TlsResult::CertificateExpired));
  ASSERT_TRUE(log_->flush());
  open();
  const auto found = log_->sessions(day_of(kNoon), "a.test");
  ASSERT_TRUE(found) << found.error().detail;
  ASSERT_EQ(found->size(), 2U);
  for (const SessionCount& each : *found) {
    const bool good = each.session.result == TlsResult::Success;
    EXPECT_EQ(each.count, good ? 3U : 2U);
    EXPECT_EQ(each.session.mx_ip, good ? "" : "192.0.2.1");
    EXPECT_EQ(each.session.policy.lines, std::vector<std::string>{"version: STSv1"});
    EXPECT_EQ(each.session.reason, good ? "" : "why");
  }
}

TEST_F(SessionLogTest, ADayIsDueWhenItIsOver) {
  log_->record(session("a.test", TlsResult::Success));
  log_->record(session("b.test", TlsResult::Success, kNoon + days{1}));
  ASSERT_TRUE(log_->flush());
  EXPECT_TRUE(due(kNoon + hours{11}).empty());
  const auto found = due(kNoon + hours{12});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].domain, "a.test");
  EXPECT_EQ(due(kNoon + days{2}).size(), 2U);
}

TEST_F(SessionLogTest, WhatFailedWaitsAndWhatIsDoneIsForgotten) {
  log_->record(session("a.test", TlsResult::Success));
  ASSERT_TRUE(log_->flush());
  const TimePoint now = kNoon + days{1};
  ASSERT_TRUE(log_->failed(day_of(kNoon), "a.test", now + hours{1}));
  EXPECT_TRUE(due(now).empty());
  ASSERT_EQ(due(now + hours{1}).size(), 1U);
  EXPECT_EQ(due(now + hours{1})[0].attempts, 1U);
  ASSERT_TRUE(log_->done(day_of(kNoon), "a.test"));
  EXPECT_TRUE(due(now + hours{1}).empty());
}

TEST_F(SessionLogTest, KindsOfADomainAreBounded) {
  for (int i = 0; i < SessionLog::kMaxKinds + 50; ++i) {
    SessionResult one = session("a.test", TlsResult::ValidationFailure);
    one.reason = std::to_string(i);
    log_->record(one);
  }
  ASSERT_TRUE(log_->flush());
  EXPECT_EQ(log_->sessions(day_of(kNoon), "a.test")->size(), static_cast<std::size_t>(SessionLog::kMaxKinds));
}

}  // namespace
}  // namespace postern::tlspolicy
