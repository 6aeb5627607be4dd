#include "delivery/tries.h"

#include <gtest/gtest.h>

#include <ostream>

namespace postern::delivery {
namespace {

Peer peer(const char* host, const char* ip = "192.0.2.1") { return {.host = host, .ip = ip, .security = ""}; }
Outcome reply(Decision decision, const char* text) {
  Outcome out = local_outcome(decision, decision == Decision::Failed ? "5.0.0" : "4.0.0", text);
  out.remote = true;
  return out;
}
Outcome ours(Decision decision, const char* text) {
  return local_outcome(decision, decision == Decision::Failed ? "5.0.0" : "4.0.0", text);
}

struct Case {
  const char* name;
  std::vector<std::pair<Outcome, Tries::Reached>> tries;
  const char* decided;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class TriesTest : public ::testing::TestWithParam<Case> {};

TEST_P(TriesTest, DecidesByWhatSaysMost) {
  Tries tries;
  for (const auto& [outcome, reached] : GetParam().tries) tries.add(peer("mx.test"), outcome, reached);
  EXPECT_EQ(std::move(tries).decide().outcome.text, GetParam().decided);
}

using enum Tries::Reached;
INSTANTIATE_TEST_SUITE_P(Weights, TriesTest,
                         ::testing::Values(Case{"a fault of ours before silence",
                                                {{ours(Decision::Retry, "token request: invalid_grant"),
                                                  Session},
                                                 {ours(Decision::Retry, "Connection refused"), Nothing}},
                                                "token request: invalid_grant"},
                                           Case{"a reply before everything",
                                                {{ours(Decision::Retry, "certificate expired"), Session},
                                                 {ours(Decision::Retry, "timed out"), Nothing},
                                                 {reply(Decision::Retry, "421 busy"), Session}},
                                                "421 busy"},
                                           Case{"what may work later before what never will",
                                                {{reply(Decision::Failed, "554 no"), Session},
                                                 {ours(Decision::Retry, "timed out"), Nothing}},
                                                "timed out"},
                                           Case{"silence before what was not asked",
                                                {{ours(Decision::Retry, "a moment ago"), Skipped},
                                                 {ours(Decision::Retry, "timed out"), Nothing}},
                                                "timed out"},
                                           Case{"the preferred one among equals",
                                                {{reply(Decision::Retry, "450 first"), Session},
                                                 {reply(Decision::Retry, "451 second"), Session}},
                                                "450 first"}),
                         [](const auto& test) { return "Case" + std::to_string(test.index); });

TEST(TriesTest, OthersAreToldWithTheirAddressesOnce) {
  Tries tries;
  tries.add(peer("mx1.test", "192.0.2.1"), ours(Decision::Retry, "mx1.test [192.0.2.1]: Connection refused"),
            Nothing);
  tries.add(peer("mx2.test", "192.0.2.2"), reply(Decision::Retry, "421 busy"), Session);
  tries.add(peer("mx3.test", "192.0.2.3"), ours(Decision::Retry, "mx3.test does not offer STARTTLS"),
            Session);
  const Attempt attempt = std::move(tries).decide();
  EXPECT_EQ(attempt.peer->host, "mx2.test");
  EXPECT_EQ(attempt.peer->others,
            "mx1.test [192.0.2.1]: Connection refused; mx3.test [192.0.2.3]: does not offer STARTTLS");
}

TEST(TriesTest, ManyAreNotToldOneByOne) {
  Tries tries;
  for (int i = 0; i < 40; ++i)
    tries.add(peer("mx.test"), ours(Decision::Retry, std::string(5000, 'x').c_str()), Nothing);
  const std::string others = tries.describe();
  EXPECT_LT(others.size(), 3000U);
  EXPECT_TRUE(others.ends_with("; and more"));
}

}  // namespace
}  // namespace postern::delivery
