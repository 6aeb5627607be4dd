#include "delivery/testing/server.h"

#include <utility>

namespace postern::delivery::testing {
namespace {

constexpr std::chrono::seconds kLimit{10};
constexpr std::chrono::milliseconds kLook{2};

}  // namespace

DeliveryTest::DeliveryTest()
    : key_(*dkim::SigningKey::generate(1024)), signer_([this](std::string_view) {
        return DomainKeyText{"s1", key_.pem()};
      }) {
  std::string name = ::testing::TempDir() + "deliveryXXXXXX";
  directory_ = ::mkdtemp(name.data());
  auto queue = queue::SqliteQueue::open(directory_ + "/queue.db", {}, clock_);
  EXPECT_TRUE(queue) << queue.error().detail;
  queue_ = *std::move(queue);
  auto history = queue::History::open(directory_ + "/history.db");
  EXPECT_TRUE(history) << history.error().detail;
  history_ = *std::move(history);
  settings_.map.identity.hostname = "postern.example.org";
  settings_.map.manners.tls = TlsPolicy::None;
  settings_.sandbox_directory = directory_ + "/sandbox";
}

DeliveryTest::~DeliveryTest() {
  if (dispatcher_) stop();
  queue_.reset();
  history_.reset();
  std::filesystem::remove_all(directory_);
}

void DeliveryTest::start() {
  const Services services{
      .queue = *queue_,
      .history = *history_,
      .signer = signer_,
      .clock = clock_,
      .metrics = metrics_,
      .enqueue_report =
          [this](net::Loop&, std::string recipient, std::string content, smtp::MailParams params) {
            return enqueue_report(std::move(recipient), std::move(content), std::move(params));
          },
      .urgency = services_urgency_};
  settings_.map.port = settings_.options.port;
  const Courtesy general{.max_connections = settings_.options.max_connections,
                         .max_messages_per_connection = settings_.options.max_messages_per_connection};
  settings_.map.providers = *Providers::make(providers_, general);
  dispatcher_ =
      std::make_unique<Dispatcher>(settings_, services, std::vector<Dispatcher::Place>{{loop_, resolver_}});
  dispatcher_->start();
}

net::Task<Result<>> DeliveryTest::enqueue_report(std::string recipient, std::string content,
                                                 smtp::MailParams params) {
  if (!store_works_) co_return fail(Errc::Unavailable, "disk full");
  queue::NewMessage report;
  report.id = QueueId{make_id(clock_.now().time_since_epoch().count())};
  const std::string domain = recipient.substr(recipient.find('@') + 1);
  report.envelope.recipients.push_back({recipient, domain, {smtp::Notify::kNever}, ""});
  report.accepted_at = clock_.now();
  report.smtputf8 = params.smtputf8;
  report.envelope.params = std::move(params);
  const std::unique_ptr<queue::Queue::Draft> draft = queue_->begin(loop_, report.id);
  POSTERN_CO_CHECK(co_await draft->append(content));
  POSTERN_CO_CHECK(co_await draft->commit(std::move(report)));
  co_return Result<>{};
}

net::Task<> DeliveryTest::do_wait(std::function<bool()> done, bool& came) {
  const SteadyTime limit = clock_.steady_now() + kLimit;
  while (!done() && clock_.steady_now() < limit) co_await loop_.sleep_until(clock_.steady_now() + kLook);
  came = done();
  loop_.stop();
}

void DeliveryTest::run_until(std::function<bool()> done) {
  bool came = false;
  loop_.spawn(do_wait(std::move(done), came));
  loop_.run();
  ASSERT_TRUE(came) << "did not happen in time";
}

net::Task<> DeliveryTest::do_wait_left(std::size_t left, bool& came) {
  const SteadyTime limit = clock_.steady_now() + kLimit;
  while (!came && clock_.steady_now() < limit) {
    co_await loop_.sleep_until(clock_.steady_now() + kLook);
    if (dispatcher_->active() != 0) continue;
    const queue::Filter everything;
    Result<std::vector<queue::Listed>> all = co_await queue_->list(loop_, everything);
    came = all && all->size() == left && dispatcher_->active() == 0;
  }
  loop_.stop();
}

void DeliveryTest::run_until_left(std::size_t left) {
  bool came = false;
  loop_.spawn(do_wait_left(left, came));
  loop_.run();
  ASSERT_TRUE(came) << "the queue did not come to " << left << " messages; history:\n" << history();
}

net::Task<> DeliveryTest::do_stop(std::chrono::milliseconds patience) {
  co_await dispatcher_->stop(loop_, clock_.steady_now() + patience);
  loop_.stop();
}

void DeliveryTest::stop(std::chrono::milliseconds patience) {
  loop_.spawn(do_stop(patience));
  loop_.run();
  dispatcher_.reset();
}

queue::NewMessage DeliveryTest::message(const std::vector<std::string>& recipients) {
  queue::NewMessage m;
  m.id = QueueId{make_id(clock_.now().time_since_epoch().count())};
  m.account = AccountId{7};
  m.account_name = "anna@example.org";
  m.envelope.reverse_path = "anna@example.org";
  for (const std::string& address : recipients) {
    m.envelope.recipients.push_back({address, address.substr(address.find('@') + 1), {}, ""});
  }
  m.signing_domain = "example.org";
  m.accepted_at = clock_.now();
  put_.push_back(m.id);
  return m;
}

net::Task<> DeliveryTest::do_put(queue::NewMessage message, std::string content) {
  const std::unique_ptr<queue::Queue::Draft> draft = queue_->begin(loop_, message.id);
  const Result<> appended = co_await draft->append(content);
  EXPECT_TRUE(appended);
  const Result<queue::Receipt> receipt = co_await draft->commit(std::move(message));
  EXPECT_TRUE(receipt);
  loop_.stop();
}

void DeliveryTest::put(queue::NewMessage message, std::string content) {
  loop_.spawn(do_put(std::move(message), std::move(content)));
  loop_.run();
}

net::Task<> DeliveryTest::do_list(std::vector<queue::Listed>& out, bool& done) {
  const queue::Filter everything;
  Result<std::vector<queue::Listed>> all = co_await queue_->list(loop_, everything);
  EXPECT_TRUE(all);
  if (all) out = *std::move(all);
  done = true;
  loop_.stop();
}

std::vector<queue::Listed> DeliveryTest::listed() {
  std::vector<queue::Listed> out;
  bool done = false;
  loop_.spawn(do_list(out, done));
  loop_.run();
  EXPECT_TRUE(done);
  return out;
}

std::string DeliveryTest::history() {
  history_->flush();
  std::string text;
  for (const QueueId id : put_) {
    const auto events = history_->of_message(id);
    EXPECT_TRUE(events);
    for (const queue::HistoryEvent& event : *events) {
      text += event.kind + " " + event.recipient + ": " + event.detail + "\n";
    }
  }
  return text;
}

}  // namespace postern::delivery::testing
