#include "config/config.h"

#include "config/shipping.h"

#include <gtest/gtest.h>

namespace postern::config {
namespace {

constexpr const char* kHost = "hostname = \"mail.example.org\"\n";

TEST(Config, ReadsEveryKindOfValue) {
  const Result<Config> config = parse(std::string(kHost) + R"(
data_dir = "/srv/postern"
[listen]
submission = ["127.0.0.1:2587", "[::1]:2587"]
[submission]
max_message = "10MiB"
command_timeout = "5m"
max_recipients = 200
[delivery]
mode = "smarthost"
smarthost = "relay"
[smarthost.relay]
host = "relay.example.net"
tls = "none"
[limits.person]
messages = ["10/1h"]
[dns]
dnssec = false
)",
                                      "a.toml");
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->listen.submission.size(), 2U);
  EXPECT_EQ(config->submission.max_message.count, 10U << 20U);
  EXPECT_EQ(config->submission.command_timeout, std::chrono::minutes(5));
  EXPECT_EQ(config->submission.max_recipients, 200U);
  EXPECT_EQ(config->delivery.mode, delivery::Mode::Smarthost);
  EXPECT_EQ(config->smarthosts.at("relay").host, "relay.example.net");
  EXPECT_FALSE(config->dns.dnssec);
  EXPECT_EQ(config->limit_config()->classes[0].of(guard::Counted::Messages).size(), 1U);
  EXPECT_EQ(config->limit_config()->classes[1].of(guard::Counted::Recipients).size(), 1U)
      << "a default stays";
}

struct Case {
  const char* text;
  const char* error;
};

TEST(Config, NamesThePlaceAndTheNearestName) {
  for (const Case& c : {
           Case{"hostnme = \"a.b\"", "a.toml:1:11: unknown key \"hostnme\"; did you mean \"hostname\"?"},
           Case{"hostname = \"a.b\"\n[listn]\n",
                "a.toml:2:1: unknown key \"listn\"; did you mean \"listen\"?"},
           Case{"hostname = \"mail.a\\r\\n221 bye. X\"",
                "a.toml:1:12: hostname must be a fully qualified name such as \"mail.example.org\": only "
                "letters, digits and hyphens make a host name (write others as xn--...)"},
           Case{"hostname = \"192.0.2.1\"",
                "a.toml:1:12: hostname must be a fully qualified name such as \"mail.example.org\": it must "
                "be a name, not an address"},
           Case{"hostname = \"mail.example.org.\"",
                "a.toml:1:12: hostname must be a fully qualified name such as \"mail.example.org\": it has "
                "an empty part"},
           Case{"hostname = \"a.b\"\n[listen]\nsubmission = [\"[::]:587\"]\nsubmissions = [\"[::]:587\"]",
                "a.toml:2:1: [listen] submissions: [::]:587 is in submission already"},
           Case{"hostname = \"a.b\"\n[listen]\nadmin = [\"127.0.0.1:9\", \"127.0.0.1:9\"]",
                "a.toml:2:1: [listen] admin: 127.0.0.1:9 is in admin already"},
           Case{"hostname = \"a.b\"\n[submission]\nmax_recipients = 5",
                "a.toml:3:18: max_recipients must be from 100 to 100000"},
           Case{"hostname = \"a.b\"\n[submission]\nmax_message = 5",
                "a.toml:3:15: max_message must be written like \"50MiB\""},
           Case{"hostname = \"a.b\"\n[submission]\ncommand_timeout = \"2h\"",
                "a.toml:3:19: command_timeout must be from 1s to 1h"},
           Case{"hostname = \"a.b\"\n[delivery]\nmode = \"dirct\"",
                "a.toml:3:8: mode must be one of direct, smarthost, sandbox"},
           Case{"hostname = \"a.b\"\n[submission]\nproxy_networks = [\"192.0.2.0/24\", \"10.0.0.1/8\"]",
                "a.toml:3:18: proxy_networks "},
           Case{"hostname = \"a.b\"\n[submission]\nproxy_networks = [\"lb.example.org\"]",
                "a.toml:3:18: proxy_networks "},
           Case{"hostname = \"a.b\"\n[submission]\npostmaster = \"postmaster\"",
                "a.toml:3:14: postmaster must be an address such as \"postmaster@example.org\""},
           Case{"hostname = \"a.b\"\n[listen]\nsubmission = [\"0.0.0.0\"]", "a.toml:3:14: submission "},
           Case{"hostname = \"a.b\"\n[listen]\nadmin = [\"localhost:80\"]", "a.toml:3:9: admin "},
           Case{"hostname = \"a.b\"\n[listen]\nclient_certificates = [\"[::]:466\"]",
                "a.toml:2:1: [listen] client_certificates: [::]:466 is neither in submission nor in "
                "submissions"},
           Case{"hostname = \"a.b\"\n[limits.bulk]\nrecipients = [\"5/1h\", \"5 a day\"]",
                "a.toml:3:23: limits.bulk.recipients: "},
           Case{"hostname = \"a.b\"\n[ldap]\nurl = \"ldap://x\"\nbind_dn = \"uid=%u\"",
                "a.toml:2:1: [ldap] "},
           Case{"hostname = \"a.b\"\n[oauth]\nissuer = \"https://id.example\"",
                "a.toml:2:1: [oauth] audience is required: a token made for another service must not log in "
                "here"},
           Case{"hostname = \"a.b\"\n[oauth]\nissuer = \"https://id.example\"\naudience = "
                "[\"x\"]\nalgorithms = [\"HS256\"]",
                "a.toml:2:1: [oauth] algorithms: HS256 is none of RS256, ES256, EdDSA"},
           Case{"hostname = \"a.b\"\n[listen]\nclient_certificates = [\"[::]:465\"]",
                "a.toml: listen.client_certificates needs tls.client_ca: whose certificates count"},
           Case{"hostname = \"a.b\"\n[[route]]\nto = [\"*.ok.example\", \"no domain!\"]",
                "a.toml:2:1: [[route]] to: \"no domain!\" is neither a domain, nor *.DOMAIN, nor an address"},
           Case{"hostname = \"a.b\"\n[watch]\nnever_hold = [\"bulk\", \"peple\"]",
                "a.toml:3:14: never_hold holds \"peple\", which is neither an address nor person, app, bulk"},
           Case{"hostname = \"a.b\"\n[watch]\nnotify = \"postmaster\"",
                "a.toml:3:10: notify must be an address such as \"postmaster@example.org\""},
           Case{"hostname = \"a.b\"\n[watch]\nwebhook = \"http://x.example/\"",
                "a.toml:3:11: webhook must be https:// (http:// only to this machine)"},
           Case{"hostname = \"a.b\"\n[watch]\nwebhook = \"https://x.example/\"",
                "a.toml:2:1: [watch] webhook needs webhook_secret_file: unsigned, anybody could call it"},
           Case{"hostname = \"a.b\"\n[scan]\nmilters = [\"localhost:8891\"]", "a.toml:3:11: milters "},
           Case{"hostname = \"a.b\"\n[scan]\nrspamd = \"127.0.0.1:11333\"", "a.toml:3:10: rspamd "},
           Case{"hostname = \"a.b\"\n[limits.person]\nmessages = [\"10/1m\",\n\"5/1h\"]",
                "a.toml:4:1: limits.person.messages: \"10/1m\" contradicts \"5/1h\": the shorter window "
                "allows more than the longer one, so it is never reached"},
           Case{"hostname = 5", "a.toml:1:12: hostname must be a text in quotes"},
           Case{"hostname = \"localhost\"",
                "a.toml:1:12: hostname must be a fully qualified name such as \"mail.example.org\": it needs "
                "a dot, such as in mail.example.org"},
           Case{"",
                "a.toml: hostname must be a fully qualified name such as \"mail.example.org\": it needs a "
                "dot, such as in mail.example.org"},
       }) {
    const Result<Config> config = parse(c.text, "a.toml");
    ASSERT_FALSE(config) << c.text;
    const bool begins = std::string_view(c.error).ends_with(' ');  // what follows is another module's word
    EXPECT_EQ(config.error().detail.substr(0, begins ? std::string_view(c.error).size() : std::string::npos),
              c.error);
  }
  EXPECT_FALSE(parse("hostname = \"a.b\"\n[limits.person]\nmessages = [\"10\"]", "a.toml"));
  EXPECT_FALSE(parse("hostname = ", "a.toml"));
  EXPECT_EQ(load("/nonexistent/postern.toml").error().code, Errc::NotFound);
}

TEST(Config, WhatIsShippedIsUsable) {
  for (const auto& [name, preset] : shipped_smarthosts()) {
    const Result<Config> config = parse(
        std::string(kHost) + "[smarthost.mine]\npreset = \"" + name + "\"\nhost = \"relay.example.net\"\n",
        "a.toml");
    ASSERT_TRUE(config) << config.error().detail;
    const Result<delivery::Map> map = config->map();
    ASSERT_TRUE(map) << name << ": " << map.error().detail;
    EXPECT_EQ(map->relays.at("mine").where.host, "relay.example.net");
    EXPECT_EQ(map->relays.at("mine").courtesy.replies.size(), preset.replies.size());
  }
  const Result<Config> config = parse(kHost, "a.toml");
  const Result<delivery::Map> map = config->map();
  ASSERT_TRUE(map) << map.error().detail;
  EXPECT_EQ(
      map->providers.of({{5, "gmail-smtp-in.l.google.com"}, {10, "alt1.gmail-smtp-in.l.google.com"}}).name,
      "gmail");
  EXPECT_EQ(map->providers.of({{0, "example-com.mail.protection.outlook.com"}}).name, "outlook");
  EXPECT_EQ(map->providers.of({{1, "mta7.am0.yahoodns.net"}}).name, "yahoo");
  EXPECT_EQ(map->providers.of({{10, "mx01.mail.icloud.com"}}).name, "icloud");
}

TEST(Config, RoutesAndProvidersAreCheckedWhereTheyStand) {
  const Result<Config> config = parse(std::string(kHost) + R"(
[provider.gmail]
mx = ["*.google.com"]
max_connections = 2
[smarthost.relay]
host = "relay.example.net"
[[route]]
to = ["example.net"]
action = "smarthost"
smarthost = "relay"
[[route]]
from = ["news@example.org"]
source_addresses = ["192.0.2.1", "2001:db8::1"]
)",
                                      "a.toml");
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->routes.size(), 2U);
  EXPECT_EQ(config->providers.at("gmail").max_connections, 2U);
  EXPECT_TRUE(config->providers.at("gmail").replies.empty()) << "the whole table is replaced";
  EXPECT_TRUE(config->map()) << config->map().error().detail;
  const struct {
    const char* text;
    const char* error;
  } wrong[] = {
      {"[[route]]\naction = \"smarthost\"\nsmarthost = \"nobody\"", "there is no [smarthost.nobody]"},
      {"[[route]]\naction = \"smarthost\"", "a.toml:2:1: [[route]] smarthost = NAME belongs to"},
      {"[route]\n", "route must be a list of tables"},
      {"[[route]]\nfrm = [\"x\"]", "did you mean \"from\"?"},
      {"[provider.x]\nmx = [\"a\"]\nreplies = [\"421 -> go\"]", "none of slow, wait, fail, retry"},
      {"[smarthost.x]\npreset = \"sess\"", "preset must be one of generic, gmail"},
      {"[smarthost.x]\nhost = \"a.test\"\nrate = \"many\"", "a.toml:4:8: rate \"many\" is no rate"},
      {"[smarthost.x]\nhost = \"a.test:587\"", "a.toml:3:8: host must be a name or an address, without port"},
      {"[smarthost.x]\nhost = \"a.test\"\nreplies = [\"421 -> go\"]", "a.toml:4:11: replies "},
      {"[smarthost.x]\nhost = \"a.test\"\noauth_token_url = \"http://a\"",
       "a.toml:4:19: oauth_token_url must begin"},
      {"[provider.x]\nmx = [\"a\"]\nrate = \"5\"", "a.toml:4:8: rate "},
      {"[tls_policies]\nreport_contact = \"postmaster\"", "a.toml:3:18: report_contact must be an address"},
  };
  for (const auto& w : wrong) {
    const Result<Config> refused = parse(std::string(kHost) + w.text, "a.toml");
    ASSERT_FALSE(refused) << w.text;
    EXPECT_NE(refused.error().detail.find(w.error), std::string::npos) << refused.error().detail;
  }
}

/// What only shows when files are read is told with the place of the table as well.
TEST(ConfigTest, FilesOfASmarthostThatCannotBeReadAreToldWithTheirTable) {
  const Result<Config> config = parse(
      std::string(kHost) + "[smarthost.x]\nhost = \"a.test\"\nuser = \"u\"\npassword_file = \"/nowhere\"",
      "a.toml");
  ASSERT_TRUE(config) << config.error().detail;
  const Result<delivery::Map> map = config->map();
  ASSERT_FALSE(map);
  EXPECT_EQ(map.error().detail.substr(0, 29), "a.toml:2:1: [smarthost.x] can") << map.error().detail;
}

}  // namespace
}  // namespace postern::config
