#include "delivery/options.h"

#include "delivery/manners.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace postern::delivery {
namespace {

TEST(SmarthostTest, PasswordNeedsVerifiedTlsAndAFile) {
  Smarthost relay;
  EXPECT_FALSE(relay.validate()) << "no host";
  relay.host = "relay.test";
  EXPECT_TRUE(relay.validate());
  relay.user = "user";
  EXPECT_FALSE(relay.validate()) << "no password file";
  relay.password_file = "/somewhere";
  EXPECT_TRUE(relay.validate());
  for (const TlsPolicy policy : {TlsPolicy::None, TlsPolicy::Opportunistic}) {
    relay.tls = policy;
    EXPECT_FALSE(relay.validate()) << "the password could be read on the way";
  }
}

TEST(OptionsTest, CrossFieldRules) {
  Options options;
  EXPECT_TRUE(options.validate());
  options.mode = Mode::Smarthost;
  EXPECT_FALSE(options.validate()) << "which one?";
  options.smarthost = "ses";
  EXPECT_TRUE(options.validate());
  options.sign = Signing::None;
  EXPECT_TRUE(options.validate()) << "the relay signs";
  options.mode = Mode::Direct;
  EXPECT_FALSE(options.validate()) << "unsigned to an MX host";
  options.sign = Signing::Domain;
  options.first_retry = options.longest_retry + std::chrono::seconds{1};
  EXPECT_FALSE(options.validate());
}

class MannersTest : public testing::Test {
 protected:
  MannersTest() {
    std::string name = testing::TempDir() + "mannersXXXXXX";
    directory_ = ::mkdtemp(name.data());
    relay_.host = "relay.test";
    relay_.user = "user";
    relay_.password_file = directory_ + "/password";
  }
  ~MannersTest() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
  Smarthost relay_;
};

TEST_F(MannersTest, PasswordIsTheFirstLine) {
  const Result<Manners> missing = make_manners({}, relay_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::NotFound);
  std::ofstream(relay_.password_file) << "secret word\r\nsecond line\n";
  const Result<Manners> got = make_manners({}, relay_);
  ASSERT_TRUE(got) << got.error().detail;
  EXPECT_EQ(got->password, "secret word");
  EXPECT_EQ(got->tls, TlsPolicy::Required);
  EXPECT_NE(got->tls_client, nullptr);
  std::ofstream(relay_.password_file) << "\n";
  EXPECT_FALSE(make_manners({}, relay_));
}

TEST_F(MannersTest, MxHostsAreMetWithTheTableDelivery) {
  Options options;
  const Result<Manners> got = make_manners(options, std::nullopt);
  ASSERT_TRUE(got) << got.error().detail;
  EXPECT_EQ(got->tls, TlsPolicy::Opportunistic);
  EXPECT_TRUE(got->user.empty());
}

}  // namespace
}  // namespace postern::delivery
