#include "admin/webhook.h"

#include <gtest/gtest.h>

namespace postern::admin {
namespace {

// The example of standardwebhooks.com's specification ("Signature scheme"), recomputed with Python's hmac.
TEST(Webhook, SignatureIsThatOfStandardWebhooks) {
  const auto key = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
  ASSERT_TRUE(key) << key.error().detail;
  EXPECT_EQ(webhook_signature(*key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(Webhook, KeysAreTextOrBase64AndNotShort) {
  EXPECT_EQ(*webhook_key("  a key of twenty octs\r\n"), "a key of twenty octs");
  for (const char* bad : {"", "   \n", "short", "whsec_", "whsec_MfKQ9r8G", "whsec_!!!!"})
    EXPECT_FALSE(webhook_key(bad)) << bad;
}

TEST(Webhook, SettingsThatCannotWorkAreNamed) {
  const SystemClock clock;
  net::SystemAddressLookup lookup;
  for (const auto& [url, why] : {std::pair{"ftp://x.example/", "watch.webhook: "},
                                 std::pair{"http://x.example/hook", "must be https://"},
                                 std::pair{"https://x.example/hook", "needs watch.webhook_secret_file"}}) {
    const auto made = Webhook::create(url, "", clock, lookup);
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().detail.find(why), std::string::npos) << made.error().detail;
  }
  const auto made = Webhook::create("http://127.0.0.1:1/", "/nowhere/secret", clock, lookup);
  EXPECT_EQ(made.error().code, Errc::NotFound);
}

}  // namespace
}  // namespace postern::admin
