#include "smtp/command.h"

#include <gtest/gtest.h>

namespace postern::smtp {
namespace {

struct Case {
  const char* line;
  Verb verb;
  std::optional<Errc> error;
};

TEST(Rfc5321Section411, VerbsAndArguments) {
  for (const Case& c : {
           Case{"ehlo client.example", Verb::Ehlo, {}},
           Case{"EHLO [127.0.0.1]", Verb::Ehlo, {}},
           Case{"EHLO m.eml ", Verb::Ehlo, {}},
           Case{"EHLO", Verb::Ehlo, Errc::Malformed},
           Case{"EHLO a(b)", Verb::Ehlo, Errc::Malformed},
           Case{"NOOP anything", Verb::Noop, {}},
           Case{"QUIT ", Verb::Quit, {}},
           Case{"DATA x", Verb::Data, Errc::Malformed},
           Case{"RSET x", Verb::Rset, Errc::Malformed},
           Case{"STARTTLS x", Verb::StartTls, Errc::Malformed},
           Case{"EXPN list", Verb::Expn, {}},
           Case{"FOO", Verb::Unknown, Errc::Denied},
           Case{"", Verb::Unknown, Errc::Denied},
           Case{"NOOP\rQUIT", Verb::Unknown, Errc::Denied},
           Case{"NOOP\nQUIT", Verb::Unknown, Errc::Denied},
           Case{"auth plain AGEAYg==", Verb::Auth, {}},
           Case{"AUTH", Verb::Auth, Errc::Malformed},
           Case{"AUTH PLAIN a b", Verb::Auth, Errc::Malformed},
           Case{"MAIL FROM:<>", Verb::Mail, {}},
           Case{"mail from: <a@b.c> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x "
                "AUTH=e+3Dmc2@example.com",
                Verb::Mail,
                {}},
           Case{"MAIL FROM:<a@b.c> FOO=1", Verb::Mail, Errc::NotFound},
           Case{"MAIL FROM:<a@b.c> SIZE=1 SIZE=2", Verb::Mail, Errc::Malformed},
           Case{"MAIL FROM:<a@b.c> SIZE=-1", Verb::Mail, Errc::Malformed},
           Case{"MAIL FROM:<a@b.c> SIZE=99999999999999999999", Verb::Mail, {}},
           Case{"MAIL FROM:<a@b.c> SIZE=999999999999999999999", Verb::Mail, Errc::Malformed},
           Case{"MAIL FROM:<a@b.c> BODY=BINARY", Verb::Mail, Errc::Malformed},
           Case{"MAIL FROM:<a@b.c> SMTPUTF8=x", Verb::Mail, Errc::Malformed},
           Case{"MAIL FROM:<a@b.c> AUTH=e=mc2", Verb::Mail, Errc::Malformed},
           Case{"MAIL FROM:<a@b.c>SIZE=1", Verb::Mail, Errc::Malformed},
           Case{"MAIL FROM:<postmaster>", Verb::Mail, Errc::Malformed},
           Case{"MAIL FROM:a@b.c", Verb::Mail, Errc::Malformed},
           Case{"MAIL <a@b.c>", Verb::Mail, Errc::Malformed},
           Case{"RCPT TO:<PostMaster>", Verb::Rcpt, {}},
           Case{"RCPT TO:<a@b.c> NOTIFY=success,DELAY ORCPT=rfc822;a+2Bb@c", Verb::Rcpt, {}},
           Case{"RCPT TO:<a@b.c> ORCPT=utf-8;user\\x{4E2D}@example.com", Verb::Rcpt, {}},
           Case{"RCPT TO:<a@b.c> NOTIFY=NEVER,SUCCESS", Verb::Rcpt, Errc::Malformed},
           Case{"RCPT TO:<a@b.c> NOTIFY=", Verb::Rcpt, Errc::Malformed},
           Case{"RCPT TO:<a@b.c> ORCPT=rfc822;a+4", Verb::Rcpt, Errc::Malformed},
           Case{"RCPT TO:<a@b.c> ORCPT=rfc822", Verb::Rcpt, Errc::Malformed},
           Case{"RCPT TO:<>", Verb::Rcpt, Errc::Malformed},
       }) {
    const ParsedCommand parsed = parse_command(c.line);
    EXPECT_EQ(parsed.verb, c.verb) << c.line;
    EXPECT_EQ(parsed.command.has_value(), !c.error.has_value()) << c.line;
    if (c.error && !parsed.command) {
      EXPECT_EQ(parsed.command.error().code, *c.error) << c.line;
    }
  }
}

TEST(Rfc3463Section32, BadAddressesAreToldFromBadParameters) {
  for (const auto& [line, bad] : {
           std::pair{"MAIL FROM:<a b@c.example>", true},
           {"MAIL FROM:<postmaster>", true},
           {"MAIL FROM:a@b.example", true},
           {"RCPT TO:<>", true},
           {"RCPT TO:<a@-b.example>", true},
           {"MAIL FROM:<a@b.example> SIZE=x", false},
           {"MAIL FROM:<a@b.example>SIZE=1", false},
           {"MAIL TO:<a@b.example>", false},
           {"RCPT TO:<a@b.example> NOTIFY=x", false},
           {"EHLO <>", false},
           {"RCPT TO:<a@b.example>", false},
       })
    EXPECT_EQ(parse_command(line).bad_path, bad) << line;
}

TEST(Rfc3461Section4, ParametersAreKeptAsReceived) {
  const ParsedCommand mail = parse_command("MAIL FROM:<a@b.c> RET=FULL ENVID=QQ+20314 AUTH=<>");
  const MailParams& params = std::get<MailFrom>(*mail.command).params;
  EXPECT_EQ(params.ret, Ret::Full);
  EXPECT_EQ(params.envid, "QQ+20314");
  EXPECT_EQ(params.auth, "");
  const ParsedCommand rcpt =
      parse_command("RCPT TO:<Some.User+Tag@Remote.Example> NOTIFY=FAILURE,delay ORCPT=rfc822;Bob+40x");
  const RcptTo& to = std::get<RcptTo>(*rcpt.command);
  EXPECT_EQ(to.forward_path.text(), "Some.User+Tag@Remote.Example");
  EXPECT_EQ(to_string(to.params.notify), "FAILURE,DELAY");
  EXPECT_EQ(to.params.orcpt, "rfc822;Bob+40x");
}

}  // namespace
}  // namespace postern::smtp
