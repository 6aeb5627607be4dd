#include "config/changes.h"

#include <gtest/gtest.h>

namespace postern::config {
namespace {

Config config_of(const std::string& text) {
  const Result<Config> config = parse("hostname = \"mail.example.org\"\n" + text, "a.toml");
  EXPECT_TRUE(config) << config.error().detail;
  return config ? *config : Config{};
}

struct Case {
  const char* running;
  const char* fresh;
  const char* live;
  const char* restart;
};

constexpr const char* kRelay = "[smarthost.a]\nhost = \"a.example\"\n";

TEST(Changes, NameWhatTakesEffectAndWhatWaits) {
  const std::string relay = std::string("[delivery]\nmode = \"smarthost\"\nsmarthost = \"a\"\n") + kRelay;
  const std::string same_relay_port = relay + "port = 2525\n";
  for (const Case& c : {
           Case{"", "", "nothing", "nothing"},
           Case{"", "[submission]\nmax_message = \"50MiB\"", "nothing", "nothing"},
           Case{"", "[submission]\nmax_message = \"1MiB\"", "submission.max_message", "nothing"},
           Case{"", "[limits.app]\nmessages = [\"5/1h\"]", "limits.app.messages", "nothing"},
           Case{"", "[listen]\nadmin = []\n[lockout]\nfree_failures = 9", "lockout.free_failures",
                "listen.admin"},
           Case{"", "[tls]\ncertificate = \"/c\"\nkey = \"/k\"", "nothing", "tls.certificate, tls.key"},
           Case{"[tls]\ncertificate = \"/c\"\nkey = \"/k\"", "[tls]\ncertificate = \"/d\"\nkey = \"/k\"",
                "tls.certificate", "nothing"},
           Case{"", kRelay, "smarthost.a.host", "nothing"},
           Case{kRelay, "", "smarthost.a.host", "nothing"},
           Case{relay.c_str(), "", "delivery.mode, delivery.smarthost, smarthost.a.host", "nothing"},
           Case{relay.c_str(), same_relay_port.c_str(), "smarthost.a.port", "nothing"},
           Case{"", "[watch]\nnew_mail = \"refuse\"\nenabled = false\n[scan]\nmilter_timeout = \"5s\"",
                "watch.new_mail, scan.milter_timeout", "watch.enabled"},
           Case{"", "[delivery]\nfirst_retry = \"10m\"\nmax_active = 50", "delivery.first_retry",
                "delivery.max_active"},
       }) {
    const Changes found = changes(config_of(c.running), config_of(c.fresh));
    EXPECT_EQ(shown(found.live), c.live) << c.fresh;
    EXPECT_EQ(shown(found.restart), c.restart) << c.fresh;
    const Changes again = changes(found.config, config_of(c.fresh));
    EXPECT_TRUE(again.live.empty()) << c.fresh << ": what is live was taken over";
    EXPECT_EQ(again.restart, found.restart) << c.fresh << ": what waits is named again";
  }
}

TEST(Changes, TakesOverTheValues) {
  const Changes found =
      changes(config_of("[listen]\nsubmission = [\"127.0.0.1:1\"]"),
              config_of("[listen]\nsubmission = [\"127.0.0.1:2\"]\n[submission]\nmax_recipients = 123"));
  EXPECT_EQ(found.config.submission.max_recipients, 123U);
  EXPECT_EQ(found.config.listen.submission.front(), "127.0.0.1:1");
}

}  // namespace
}  // namespace postern::config
