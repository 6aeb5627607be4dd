#include "dns/txt_soon.h"

#include "dns/fake_resolver.h"

#include <gtest/gtest.h>

namespace postern::dns {
namespace {

using std::chrono::milliseconds;

/// Answers after `delay`.
class SlowResolver final : public Resolver {
 public:
  SlowResolver(net::Loop& loop, milliseconds delay) : loop_(loop), delay_(delay) {}
  net::Task<Result<MxAnswer>> mx(std::string /*domain*/) override { co_return MxAnswer{}; }
  net::Task<Result<AddressAnswer>> addresses(std::string /*host*/) override { co_return AddressAnswer{}; }
  net::Task<Result<TlsaAnswer>> tlsa(std::string /*name*/) override { co_return TlsaAnswer{}; }
  net::Task<Result<bool>> secure_alias(std::string /*name*/) override { co_return false; }
  net::Task<Result<std::vector<std::string>>> txt(std::string name) override {
    co_await loop_.sleep_until(std::chrono::steady_clock::now() + delay_);
    co_return std::vector<std::string>{name};
  }

 private:
  net::Loop& loop_;
  milliseconds delay_;
};

net::Task<> ask(net::Loop& loop, Resolver& resolver, milliseconds patience,
                Result<std::vector<std::string>>& out) {
  Result<std::vector<std::string>> found = co_await txt_soon(loop, resolver, "a.test", patience);
  out = std::move(found);
  loop.stop();
}

Result<std::vector<std::string>> answer_of(milliseconds delay, milliseconds patience) {
  net::Loop loop;
  SlowResolver resolver(loop, delay);
  Result<std::vector<std::string>> out;
  loop.spawn(ask(loop, resolver, patience, out));
  loop.run();
  loop.abandon_tasks();
  return out;
}

TEST(TxtSoon, AnAnswerInTimeIsTheAnswer) {
  EXPECT_EQ(answer_of(milliseconds{0}, milliseconds{5000}).value(), std::vector<std::string>{"a.test"});
  EXPECT_EQ(answer_of(milliseconds{20}, milliseconds{5000}).value(), std::vector<std::string>{"a.test"});
}

TEST(TxtSoon, ALateOneIsATimeout) {
  const auto late = answer_of(milliseconds{10'000}, milliseconds{20});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::Timeout);
}

}  // namespace
}  // namespace postern::dns
