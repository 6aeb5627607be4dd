#include "intake/testing/fixture.h"

#include "dkim/key.h"

#include <stdlib.h>

#include <filesystem>

namespace postern::intake::testing {
namespace {

using accounts::AccountClass;
// crypt(3) of "secret"; nobody logs in here.
constexpr const char* kHash =
    "$6$rounds=1000$saltsalt$Z/J9iYO1iE9xnr8JPQL57ZWsVRtVjrUv3CiWc/wKWseqXgSqn3HFYJ/"
    "Ng7YXa8XlLj.wpdAwHOJJzuGFqBBRa0";

const std::string& key_pem() {
  static const std::string pem = dkim::SigningKey::generate(2048)->pem();
  return pem;
}

Error broken() { return fail(Errc::Unavailable, "broken for the test"); }

class BrokenDraft final : public queue::Queue::Draft {
 public:
  explicit BrokenDraft(int good_appends) : good_(good_appends) {}
  net::Task<Result<>> append(std::string_view /*content*/) override {
    if (good_-- > 0) co_return Result<>{};
    co_return broken();
  }
  net::Task<Result<queue::Receipt>> commit(queue::NewMessage /*message*/) override { co_return broken(); }

 private:
  int good_;
};

}  // namespace

std::string crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

void IntakeTest::limit_person(const std::string& line) {
  guard::LimitConfig config;
  config.classes[0] = guard::parse_overrides({line})->over({});
  limits_ = std::make_unique<guard::Limits>(std::move(config), clock_);
}

IntakeTest::IntakeTest() {
  std::string pattern = (std::filesystem::temp_directory_path() / "postern-intake-XXXXXX").string();
  path_ = ::mkdtemp(pattern.data());
  directory_ = *accounts::Directory::open(path_ + "/directory.db", {}, clock_);
  EXPECT_TRUE(directory_->add_domain({"example.org", "s1", key_pem()}));
  EXPECT_TRUE(directory_->add_domain({"list.example.org", "s1", key_pem()}));
  EXPECT_TRUE(directory_->add_account("alice@example.org", kHash, AccountClass::Person));
  EXPECT_TRUE(directory_->add_account("bob@example.org", kHash, AccountClass::Person));
  for (const char* alias : {"sales@example.org", "*@list.example.org", "*@bare.example"})
    EXPECT_TRUE(directory_->add_alias(alias, "alice@example.org"));
  limits_ = std::make_unique<guard::Limits>(guard::LimitConfig{}, clock_);
  queue_ = *queue::SqliteQueue::open(path_ + "/queue.db", {}, clock_);
  queue_->set_on_accepted([this](queue::FreshMessage fresh) {
    const std::lock_guard lock(taken_mutex_);
    taken_ = std::move(fresh.lease);
    taken_wake_.notify_one();
  });
  history_ = *queue::History::open(path_ + "/history.db");

  facts_.account = directory_->accounts()->front();
  facts_.session = SessionId{5};
  facts_.client = *net::IpAddress::parse("192.0.2.7");
  facts_.helo = "client.example";
  facts_.tls_cipher = "TLS_AES_256_GCM_SHA384";
  facts_.tls_group = "x25519";
  facts_.envelope.reverse_path = "alice@example.org";
  facts_.envelope.recipients.push_back({"friend@example.net", "example.net", {}, ""});
}

IntakeTest::~IntakeTest() {
  queue_.reset();
  history_.reset();
  directory_.reset();
  std::filesystem::remove_all(path_);
}

queue::Lease IntakeTest::taken() {
  std::unique_lock lock(taken_mutex_);
  EXPECT_TRUE(taken_wake_.wait_for(lock, std::chrono::seconds{20}, [this] { return taken_.has_value(); }));
  queue::Lease lease = taken_.value_or(queue::Lease{});
  taken_.reset();
  return lease;
}

net::Task<> IntakeTest::do_read(Outcome& out) {
  out.lease = taken();
  EXPECT_EQ(out.lease.id, out.id);
  for (std::uint32_t piece = 0;; ++piece) {
    const Result<std::string> content = co_await queue_->read(loop_, out.id, piece);
    EXPECT_TRUE(content);
    if (!content || content->empty()) break;
    out.stored += *content;
  }
  std::vector<queue::RecipientOutcome> done;
  for (const std::uint32_t index : out.lease.index) {
    done.emplace_back().index = index;
    done.back().kind = queue::RecipientOutcome::Kind::Delivered;
  }
  const Result<> settled = co_await queue_->settle(loop_, out.lease, std::move(done), "");
  EXPECT_TRUE(settled);
}

net::Task<> IntakeTest::do_submit(std::string_view message, std::size_t cut, Outcome& out) {
  queue::Queue& queue = use_queue_ != nullptr ? *use_queue_ : static_cast<queue::Queue&>(*queue_);
  const Live<Options> options(options_);
  const Services services{hostname_, options, clock_, *directory_, *limits_, queue, *history_};
  IncomingMessage incoming(loop_, services, facts_);
  out.id = incoming.id();
  co_await incoming.feed("");  // what a dot decoder gives when it has to wait for more
  for (std::size_t at = 0; at < message.size(); at += cut) co_await incoming.feed(message.substr(at, cut));
  EXPECT_EQ(incoming.size(), message.size());
  Accepted accepted = co_await incoming.finish();
  if (auto* refusal = std::get_if<Refusal>(&accepted)) {
    out.refusal = std::move(*refusal);
  } else {
    EXPECT_EQ(std::get<queue::Receipt>(accepted).id(), out.id);
    co_await do_read(out);
  }
  loop_.stop();
}

Outcome IntakeTest::submit(std::string_view message, std::size_t cut) {
  Outcome out;
  loop_.spawn(do_submit(message, cut, out));
  loop_.run();
  constexpr std::string_view kId = "QUEUEID";
  const std::string id = to_string(out.id);
  for (std::size_t at = out.stored.find(id); at != std::string::npos; at = out.stored.find(id, at)) {
    out.stored.replace(at, id.size(), kId);
    const std::size_t random = at + kId.size() + 1;
    if (at > 0 && out.stored[at - 1] == '<')
      out.stored.replace(random, out.stored.find('@', at) - random, "RANDOM");
  }
  return out;
}

std::string IntakeTest::verdict(std::string_view message) {
  const Outcome out = submit(message);
  return out.refusal ? out.refusal->detail : "accepted";
}

std::string IntakeTest::history_of(QueueId id) {
  history_->flush();
  std::string lines;
  const Result<std::vector<queue::HistoryEvent>> events = history_->of_message(id);
  EXPECT_TRUE(events);
  for (const queue::HistoryEvent& event : *events) lines += event.kind + " " + event.detail + "\n";
  return lines;
}

std::unique_ptr<queue::Queue::Draft> BrokenQueue::begin(net::Loop& /*loop*/, QueueId /*id*/) {
  return std::make_unique<BrokenDraft>(good_appends_);
}
void BrokenQueue::set_on_accepted(std::function<void(queue::FreshMessage)> /*taker*/) {}
net::Task<Result<std::vector<queue::Lease>>> BrokenQueue::lease_due(net::Loop& /*loop*/, TimePoint /*now*/,
                                                                    std::size_t /*max*/) {
  co_return broken();
}
void BrokenQueue::release(const queue::Lease& /*lease*/) {}
net::Task<Result<std::string>> BrokenQueue::read(net::Loop& /*loop*/, QueueId /*id*/,
                                                 std::uint32_t /*piece*/) {
  co_return broken();
}
net::Task<Result<>> BrokenQueue::settle(net::Loop& /*loop*/, const queue::Lease& /*lease*/,
                                        std::vector<queue::RecipientOutcome> /*outcomes*/,
                                        std::string /*keep_signature*/) {
  co_return broken();
}
net::Task<Result<std::vector<queue::Listed>>> BrokenQueue::list(net::Loop& /*loop*/,
                                                                const queue::Filter& /*filter*/) {
  co_return broken();
}
net::Task<Result<std::vector<queue::Grouped>>> BrokenQueue::group(net::Loop& /*loop*/,
                                                                  const queue::Filter& /*filter*/,
                                                                  queue::GroupBy /*by*/) {
  co_return broken();
}
net::Task<Result<queue::Operated>> BrokenQueue::count(net::Loop& /*loop*/, const queue::Filter& /*filter*/) {
  co_return broken();
}
net::Task<Result<>> BrokenQueue::hold_account(net::Loop& /*loop*/, queue::AccountHold /*hold*/) {
  co_return broken();
}
net::Task<Result<>> BrokenQueue::release_account(net::Loop& /*loop*/, AccountId /*account*/) {
  co_return broken();
}
net::Task<Result<queue::Operated>> BrokenQueue::operate(net::Loop& /*loop*/, const queue::Filter& /*filter*/,
                                                        queue::Operation /*operation*/) {
  co_return broken();
}

}  // namespace postern::intake::testing
