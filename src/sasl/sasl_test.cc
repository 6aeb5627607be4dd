#include "sasl/mechanism.h"

#include <gtest/gtest.h>

namespace postern::sasl {
namespace {

using namespace std::string_literals;

TEST(Rfc4616Section2, PlainNeedsExactlyTwoNulsAndBothFields) {
  const auto run = [](const std::string& response) { return make_mechanism("PLAIN")->on_response(response); };
  const Step good = run("bob\0alice\0secret"s);
  ASSERT_TRUE(std::holds_alternative<Credentials>(good));
  EXPECT_EQ(std::get<Credentials>(good).authzid, "bob");
  EXPECT_EQ(std::get<Credentials>(good).authcid, "alice");
  EXPECT_EQ(std::get<Credentials>(good).password, "secret");
  EXPECT_TRUE(std::holds_alternative<Credentials>(
      run("\0"s + std::string(255, 'u') + "\0"s + std::string(255, 'p'))));
  for (const std::string& bad :
       {""s, "alice"s, "\0alice"s, "\0\0"s, "\0alice\0"s, "\0\0secret"s, "\0a\0b\0c"s,
        "\0a\0"s + std::string(256, 'p'), std::string(256, 'z') + "\0a\0b"s}) {
    EXPECT_TRUE(std::holds_alternative<Failed>(run(bad))) << bad.size();
  }
}

TEST(SaslLogin, AsksForNameThenPassword) {
  const auto login = make_mechanism("LOGIN");
  EXPECT_EQ(login->first_challenge(), "Username:");
  const Step asked = login->on_response("alice");
  ASSERT_TRUE(std::holds_alternative<Challenge>(asked));
  EXPECT_EQ(std::get<Challenge>(asked).octets, "Password:");
  const Step done = login->on_response("secret");
  ASSERT_TRUE(std::holds_alternative<Credentials>(done));
  EXPECT_EQ(std::get<Credentials>(done).authcid, "alice");
  EXPECT_TRUE(std::holds_alternative<Failed>(make_mechanism("LOGIN")->on_response("")));
}

TEST(Sasl, KnowsItsMechanismsOnly) {
  EXPECT_NE(make_mechanism("PLAIN"), nullptr);
  EXPECT_EQ(make_mechanism("CRAM-MD5"), nullptr);
  EXPECT_EQ(make_mechanism("plain"), nullptr) << "the caller folds case";
}

}  // namespace
}  // namespace postern::sasl
