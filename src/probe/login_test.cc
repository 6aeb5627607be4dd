#include "probe/login.h"

#include <gtest/gtest.h>

namespace postern::probe {
namespace {

using namespace std::string_literals;

const Credentials kToken{.user = "alice=x,y@example.org", .secret = "dG9r.ZW4", .is_token = true};

// RFC 7628 §3.1; the user is a saslname of RFC 5801 §4.
TEST(TokenLogin, OauthbearerResponse) {
  EXPECT_EQ(oauthbearer_response(kToken, {.host = "mail.example.org", .port = 587}),
            "n,a=alice=3Dx=2Cy@example.org,\1host=mail.example.org\1port=587\1auth=Bearer dG9r.ZW4\1\1"s);
}

TEST(TokenLogin, Xoauth2Response) {
  EXPECT_EQ(xoauth2_response(kToken), "user=alice=x,y@example.org\1auth=Bearer dG9r.ZW4\1\1"s);
}

}  // namespace
}  // namespace postern::probe
