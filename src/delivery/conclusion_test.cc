#include "delivery/conclusion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern::delivery {
namespace {

using Kind = queue::RecipientOutcome::Kind;
using ::testing::HasSubstr;

constexpr TimePoint kAccepted{std::chrono::milliseconds{1'700'000'000'000}};

/// A message with one recipient per attempt; recipient i has number 10 + i in the queue.
ActiveMessage message_with(std::vector<std::optional<Attempt>> attempts) {
  ActiveMessage message;
  message.lease.id = QueueId{1};
  message.lease.accepted_at = kAccepted;
  message.lease.envelope.reverse_path = "anna@example.org";
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    message.lease.envelope.recipients.push_back(
        {"r" + std::to_string(i) + "@example.net", "example.net", {}, ""});
    message.lease.index.push_back(static_cast<std::uint32_t>(10 + i));
    message.lease.attempts.push_back(0);
    message.lease.delay_reported.push_back(false);
  }
  message.attempts = std::move(attempts);
  return message;
}

std::shared_ptr<const Peer> peer() {
  return std::make_shared<const Peer>(Peer{.host = "mx.test", .ip = "192.0.2.1", .security = "TLSv1.3 X"});
}
Attempt done() { return {{Decision::Done, "2.0.0", "250 2.0.0 ok", true}, peer()}; }
Attempt later() { return {{Decision::Retry, "4.2.0", "450 4.2.0 busy", true}, peer()}; }
Attempt never() { return {{Decision::Failed, "5.1.1", "550 5.1.1 who", true}, peer()}; }
Attempt no_route() { return {{Decision::Failed, "5.1.2", "no such domain", false}, nullptr}; }

class ConclusionTest : public ::testing::Test {
 protected:
  std::vector<Conclusion> conclude(const ActiveMessage& message, TimePoint now = kAccepted) {
    return conclude_attempts(message, now, options_, rng_);
  }
  Options options_;
  Rng rng_{1};
};

TEST_F(ConclusionTest, EachRecipientIsDecidedForItself) {
  const ActiveMessage message = message_with({done(), later(), never(), std::nullopt});
  const std::vector<Conclusion> got = conclude(message);
  ASSERT_EQ(got.size(), 4U);
  EXPECT_EQ(got[0].outcome.kind, Kind::Delivered);
  EXPECT_EQ(got[1].outcome.kind, Kind::Retry);
  EXPECT_GT(got[1].outcome.retry_at, kAccepted + std::chrono::minutes{20});
  EXPECT_EQ(got[2].outcome.kind, Kind::Failed);
  EXPECT_EQ(got[3].outcome.kind, Kind::Untried);
  EXPECT_EQ(got[3].outcome.index, 13U);
}

TEST_F(ConclusionTest, WhoFailedTogetherComesAgainTogether) {
  ActiveMessage message = message_with({later(), later(), later(), later()});
  message.lease.attempts[3] = 2;
  const std::vector<Conclusion> got = conclude(message);
  EXPECT_EQ(got[0].outcome.retry_at, got[1].outcome.retry_at);
  EXPECT_EQ(got[0].outcome.retry_at, got[2].outcome.retry_at);
  EXPECT_NE(got[0].outcome.retry_at, got[3].outcome.retry_at) << "it has failed more often";
}

TEST_F(ConclusionTest, RetryBecomesFailureWhenTimeIsUp) {
  const ActiveMessage message = message_with({later()});
  const TimePoint now = kAccepted + std::chrono::hours{120};
  std::vector<Conclusion> got = conclude(message, now);
  EXPECT_EQ(got[0].outcome.kind, Kind::Failed);
  EXPECT_EQ(got[0].outcome.status, "5.4.7");
  const std::vector<Report> reports = reports_due(message, got, now, options_, "postern.test");
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].recipients[0].diagnostic, "450 4.2.0 busy") << "RFC 3461 §6.3: what the remote said";
}

TEST_F(ConclusionTest, ReportNamesOnlyFailuresAndTheirRemote) {
  const ActiveMessage message = message_with({done(), never(), no_route()});
  std::vector<Conclusion> got = conclude(message);
  const std::vector<Report> reports = reports_due(message, got, kAccepted, options_, "postern.test");
  ASSERT_EQ(reports.size(), 1U);
  const Report* report = &reports[0];
  ASSERT_EQ(report->recipients.size(), 2U);
  EXPECT_EQ(report->recipients[0].remote_mta, "mx.test");
  EXPECT_EQ(report->recipients[1].remote_mta, "");
  EXPECT_EQ(report->recipients[1].diagnostic, "no such domain");
  EXPECT_EQ(report->from, "postmaster@postern.test");
}

TEST_F(ConclusionTest, APostponementIsNoAttempt) {
  Attempt postponed = later();
  postponed.outcome.decision = Decision::Postponed;
  postponed.outcome.wait = std::chrono::seconds{90};
  const ActiveMessage message = message_with({postponed});
  EXPECT_EQ(conclude(message)[0].outcome.kind, Kind::Postponed);
  EXPECT_EQ(conclude(message)[0].outcome.retry_at, kAccepted + std::chrono::seconds{90});
  EXPECT_EQ(conclude(message, kAccepted + std::chrono::hours{120})[0].outcome.kind, Kind::Failed);
}

/// RFC 3461 §5.2.5: once, and only if NOTIFY does not forbid it.
TEST_F(ConclusionTest, LateMailIsReportedOnceUnlessNotifyForbids) {
  using smtp::Notify;
  const struct {
    int hours;
    std::uint8_t notify;
    bool told;
    bool report;
  } cases[] = {
      {3, 0, false, false},
      {5, 0, false, true},
      {5, 0, true, false},
      {5, Notify::kDelay, false, true},
      {5, Notify::kFailure, false, false},
      {5, Notify::kNever, false, false},
      {5, Notify::kFailure | Notify::kDelay, false, true},
  };
  for (const auto& c : cases) {
    ActiveMessage message = message_with({later(), done()});
    message.lease.envelope.recipients[0].notify.bits = c.notify;
    message.lease.delay_reported[0] = c.told;
    const TimePoint now = kAccepted + std::chrono::hours{c.hours};
    std::vector<Conclusion> got = conclude(message, now);
    const std::vector<Report> reports = reports_due(message, got, now, options_, "postern.test");
    EXPECT_EQ(reports.size(), c.report ? 1U : 0U) << c.hours << ' ' << int{c.notify} << ' ' << c.told;
    EXPECT_EQ(got[0].outcome.delay_reported, c.report);
    if (!c.report) continue;
    EXPECT_EQ(reports[0].news, News::Delayed);
    EXPECT_EQ(reports[0].recipients.size(), 1U);
    EXPECT_EQ(reports[0].tried_until, kAccepted + std::chrono::hours{120});
  }
}

/// RFC 3461 §5.2.2: a next hop that offers DSN reports success itself.
TEST_F(ConclusionTest, SuccessIsReportedForWhoCannot) {
  for (const bool hop_reports : {false, true}) {
    ActiveMessage message = message_with({done(), done()});
    message.lease.envelope.recipients[0].notify.bits = smtp::Notify::kSuccess;
    for (std::optional<Attempt>& attempt : message.attempts) {
      Peer other = *attempt->peer;
      other.reports = hop_reports;
      attempt->peer = std::make_shared<const Peer>(other);
    }
    std::vector<Conclusion> got = conclude(message);
    const std::vector<Report> reports = reports_due(message, got, kAccepted, options_, "postern.test");
    ASSERT_EQ(reports.size(), hop_reports ? 0U : 1U);
    if (hop_reports) continue;
    EXPECT_EQ(reports[0].news, News::Relayed);
    ASSERT_EQ(reports[0].recipients.size(), 1U);
    EXPECT_EQ(reports[0].recipients[0].status, "2.0.0");
  }
}

/// RFC 2852 §4.1.2 and §4.1.3.
TEST_F(ConclusionTest, DeliverByReturnsOrTells) {
  using Mode = smtp::DeliverBy::Mode;
  for (const Mode mode : {Mode::Return, Mode::Notify}) {
    ActiveMessage message = message_with({later()});
    message.lease.envelope.params.handling.by = smtp::DeliverBy{std::chrono::minutes{10}, mode, false};
    EXPECT_EQ(conclude(message)[0].outcome.retry_at, kAccepted + std::chrono::minutes{10});
    const TimePoint late = kAccepted + std::chrono::minutes{11};
    std::vector<Conclusion> got = conclude(message, late);
    EXPECT_EQ(got[0].outcome.kind, mode == Mode::Return ? Kind::Failed : Kind::Retry);
    const std::vector<Report> reports = reports_due(message, got, late, options_, "postern.test");
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_EQ(reports[0].news, mode == Mode::Return ? News::Failed : News::Delayed);
    EXPECT_EQ(reports[0].deliver_by, kAccepted + std::chrono::minutes{10});
    EXPECT_EQ(reports[0].recipients.at(0).status, mode == Mode::Return ? "5.4.7" : "4.4.7");
  }
}

/// RFC 8689 §5: what was not to be seen on the way is not sent back either.
TEST_F(ConclusionTest, ReportsOfProtectedMailHoldNoContent) {
  ActiveMessage message = message_with({never()});
  message.lease.envelope.params.ret = smtp::Ret::Full;
  message.lease.envelope.params.handling.require_tls = true;
  std::vector<Conclusion> got = conclude(message);
  EXPECT_EQ(reports_due(message, got, kAccepted, options_, "postern.test").at(0).what, Return::Headers);
}

TEST_F(ConclusionTest, PostponedFailuresKeepTheirReason) {
  const ActiveMessage message = message_with({done(), never()});
  std::vector<Conclusion> got = conclude(message);
  postpone_failures(got, kAccepted + std::chrono::minutes{5}, "disk full");
  EXPECT_EQ(got[0].outcome.kind, Kind::Delivered);
  EXPECT_EQ(got[1].outcome.kind, Kind::Retry);
  EXPECT_EQ(got[1].outcome.retry_at, kAccepted + std::chrono::minutes{5});
  EXPECT_THAT(got[1].outcome.text, HasSubstr("disk full"));
}

TEST_F(ConclusionTest, HistorySaysWhereHowWhatAndWhenAgain) {
  const ActiveMessage message = message_with({later(), no_route()});
  const std::vector<Conclusion> got = conclude(message);
  const queue::HistoryEvent deferred = history_event(message, got[0], kAccepted);
  EXPECT_EQ(deferred.kind, "deferred");
  EXPECT_EQ(deferred.recipient, "r0@example.net");
  EXPECT_THAT(deferred.detail, HasSubstr("mx.test [192.0.2.1], TLSv1.3 X: 450 4.2.0 busy; next attempt "));
  EXPECT_EQ(history_event(message, got[1], kAccepted).detail, "no such domain");
}

}  // namespace
}  // namespace postern::delivery
