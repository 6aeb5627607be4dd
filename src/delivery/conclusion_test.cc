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

TEST_F(ConclusionTest, RetryBecomesFailureWhenTimeIsUp) {
  const ActiveMessage message = message_with({later()});
  const TimePoint now = kAccepted + std::chrono::hours{120};
  const std::vector<Conclusion> got = conclude(message, now);
  EXPECT_EQ(got[0].outcome.kind, Kind::Failed);
  EXPECT_EQ(got[0].outcome.status, "4.4.7");
  const std::optional<Report> report = report_due(message, got, now, "postern.test");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->failed[0].diagnostic, "450 4.2.0 busy") << "RFC 3461 §6.3: what the remote said";
}

TEST_F(ConclusionTest, ReportNamesOnlyFailuresAndTheirRemote) {
  const ActiveMessage message = message_with({done(), never(), no_route()});
  const std::optional<Report> report = report_due(message, conclude(message), kAccepted, "postern.test");
  ASSERT_TRUE(report);
  ASSERT_EQ(report->failed.size(), 2U);
  EXPECT_EQ(report->failed[0].remote_mta, "mx.test");
  EXPECT_EQ(report->failed[1].remote_mta, "");
  EXPECT_EQ(report->failed[1].diagnostic, "no such domain");
  EXPECT_EQ(report->from, "postmaster@postern.test");
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
