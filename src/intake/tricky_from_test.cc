// Header fields made so that one reader sees another author than the next. Sources: Chen, Paxson, Jiang, "Composition Kills", USENIX
// Security 2020 (multiple From fields, white space before the colon, routes, comments, quoted and encoded addresses, NUL); Shen et
// al., "Weak Links in Authentication Chains", USENIX Security 2021 (homographs, truncation); RFC 5322 §3.6.2, §4.5;
// class of header injection is covered by the line rules of the dialogues.
#include "intake/testing/fixture.h"

#include <gtest/gtest.h>

namespace postern::intake {
namespace {

using testing::IntakeTest;
using TrickyFromTest = IntakeTest;

struct Case {
  const char* what;
  std::string header;
  const char* verdict;  ///< the refusal, or its beginning
  bool raw = false;     ///< with its line ends as they are
};

const char* const kTwo = "the message has more than one From field";
const char* const kEve = "alice@example.org may not send as eve@evil.example";

TEST_F(TrickyFromTest, TheAuthorIsOneWhateverTheFieldLooksLike) {
  using namespace std::string_literals;
  for (const Case& c : {
           // RFC 5322 §3.6: exactly one, and nothing hides the second
           Case{"two fields", "From: alice@example.org\nFrom: eve@evil.example\n", kTwo},
           {"white space before the colon", "From: alice@example.org\nFrom : eve@evil.example\n", kTwo},
           {"tab before the colon", "From\t: eve@evil.example\nFrom: alice@example.org\n", kTwo},
           {"another case", "From: alice@example.org\nfROM: eve@evil.example\n", kTwo},
           {"only the obsolete form", "From : eve@evil.example\n", kEve},
           {"the obsolete form of her own", "From : alice@example.org\n", "accepted"},
           {"the name folded away from its colon", "From\n : eve@evil.example\nFrom: alice@example.org\n",
            "header line 1 is not a field"},
           {"a first line that continues nothing", " From: eve@evil.example\nFrom: alice@example.org\n",
            "header line 1 is not a field"},
           {"a no-break space in the name", "From\xC2\xA0: eve@evil.example\nFrom: alice@example.org\n",
            "header line 1 is not a field"},
           {"a line without colon", "From eve@evil.example\nFrom: alice@example.org\n",
            "header line 1 is not a field"},
           {"no From at all", "Sender: alice@example.org\nSubject: x\n", "the message has no From field"},
           {"empty", "From:\n", "the From field holds no valid address"},
           {"folded into nothing", "From:\n \n\t\n", "the From field holds no valid address"},
           // lists
           {"a second address", "From: alice@example.org, eve@evil.example\nSender: alice@example.org\n",
            kEve},
           {"a first address", "From: eve@evil.example, alice@example.org\nSender: alice@example.org\n",
            kEve},
           {"two of her own need a Sender", "From: alice@example.org, sales@example.org\n",
            "several addresses in From need a Sender field"},
           {"two of her own", "From: alice@example.org, sales@example.org\nSender: alice@example.org\n",
            "accepted"},
           {"a group", "From: us: alice@example.org, eve@evil.example;\nSender: alice@example.org\n", kEve},
           {"an empty group", "From: nobody:;\n", "the From field holds no valid address"},
           {"side by side", "From: <alice@example.org><eve@evil.example>\n",
            "the From field holds no valid address list"},
           {"folded between", "From: alice@example.org,\n\teve@evil.example\nSender: alice@example.org\n",
            kEve},
           // one address in many clothes
           {"in angles", "From: Alice <alice@example.org>\n", "accepted"},
           {"another as the display name", "From: \"eve@evil.example\" <alice@example.org>\n", "accepted"},
           {"hers as the display name", "From: \"alice@example.org\" <eve@evil.example>\n", kEve},
           {"hers in angles within quotes", "From: \"Alice <alice@example.org>\" <eve@evil.example>\n", kEve},
           {"hers as an encoded display name",
            "From: =?utf-8?b?PGFsaWNlQGV4YW1wbGUub3JnPg==?= <eve@evil.example>\n", kEve},
           {"only an encoded address", "From: =?utf-8?q?=3Calice=40example.org=3E?=\n",
            "the From field holds no valid address list"},
           {"an encoded local part is not decoded", "From: =?utf-8?q?alice?=@example.org\n",
            "alice@example.org may not send as =?utf-8?q?alice?=@example.org"},
           {"hers as a comment", "From: (alice@example.org) eve@evil.example\n", kEve},
           {"hers as a comment behind", "From: eve@evil.example (alice@example.org)\n", kEve},
           {"comments within", "From: alice (a) @ (b) example.org (c)\n", "accepted"},
           {"a comment without end", "From: alice@example.org (eve@evil.example\n",
            "the From field holds no valid address list"},
           {"a quoted pair as the comment's end", "From: (\\) alice@example.org) eve@evil.example\n", kEve},
           {"a route", "From: <@alice.example.org,@x.example:eve@evil.example>\n", kEve},
           {"a route with hers in it", "From: <@alice@example.org:eve@evil.example>\n", kEve},
           {"quoted, the same", "From: \"alice\"@example.org\n", "accepted"},
           {"quoted pairs, the same", "From: \"\\a\\lice\"@example.org\n", "accepted"},
           {"an address as the quoted local part", "From: \"alice@example.org\"@evil.example\n",
            "alice@example.org may not send as \"alice@example.org\"@evil.example"},
           {"two at signs", "From: alice@example.org@evil.example\n",
            "the From field holds no valid address list"},
           {"an open quote", "From: \"alice@example.org\n", "the From field holds no valid address list"},
           {"no domain", "From: alice\n", "the From field holds no valid address list"},
           {"a domain literal", "From: alice@[192.0.2.1]\n",
            "alice@example.org may not send as alice@[192.0.2.1]"},
           // octets
           {"NUL", "From: alice@example.org\0@evil.example\n"s, "the From field holds a NUL"},
           {"NUL in another field", "From: alice@example.org\nX-A: \0\n"s, "the X-A field holds a NUL"},
           // line ends of others, which only BODY=BINARYMIME lets through to here
           {"a From behind a bare LF", "From: alice@example.org\r\nX-A: y\nFrom: eve@evil.example\r\n",
            "header line 2 holds a bare CR or LF", true},
           {"a From behind a bare CR", "From: alice@example.org\r\nX-A: y\rFrom: eve@evil.example\r\n",
            "header line 2 holds a bare CR or LF", true},
           {"an end of the header behind bare LFs", "From: alice@example.org\n\neve\r\n",
            "header line 1 holds a bare CR or LF", true},
           {"Cyrillic a, without SMTPUTF8", "From: \xD0\xB0lice@example.org\n",
            "the From field holds non-ASCII octets: encode them"},
           // Sender
           {"somebody else's Sender", "From: alice@example.org\nSender: eve@evil.example\n",
            "alice@example.org may not send as eve@evil.example, which is in its Sender field"},
           {"two Senders", "From: alice@example.org\nSender: alice@example.org\nSender : eve@evil.example\n",
            "the message has more than one Sender field"},
           {"a list as Sender", "From: alice@example.org\nSender: alice@example.org, eve@evil.example\n",
            "the Sender field does not hold one valid address"},
       }) {
    options_.add_sender = false;
    const std::string got = verdict((c.raw ? c.header : testing::crlf(c.header)) + "\r\nbody\r\n");
    EXPECT_TRUE(got.starts_with(c.verdict) && (got == c.verdict || std::string_view(c.verdict) != "accepted"))
        << c.what << ": " << got;
  }
}

TEST_F(TrickyFromTest, LettersBeyondAsciiAreNotThoseTheyLookLike) {
  facts_.envelope.params.smtputf8 = true;
  EXPECT_TRUE(
      verdict("From: \xD0\xB0lice@example.org\r\n\r\n").starts_with("alice@example.org may not send as"));
  EXPECT_TRUE(
      verdict("From: alice@ex\xD0\xB0mple.org\r\n\r\n").starts_with("alice@example.org may not send as"));
  EXPECT_TRUE(verdict("From: \xE2\x80\xAE\xE2\x80\x8B<alice@example.org>\r\n\r\n").starts_with("accepted"))
      << "a display name may hold anything";
  EXPECT_TRUE(verdict("From: alice@example.org\xE2\x80\x8B\r\n\r\n")
                  .starts_with("alice@example.org may not send as"));
  EXPECT_EQ(verdict("From: \xC0\xAFlice@example.org\r\n\r\n"),
            "the From field is not valid UTF-8 (RFC 6532)");
}

// RFC 8616 §4, RFC 7489 §3.1: From may spell its domain with U-labels, the signature's d= is made of A-labels.
TEST_F(TrickyFromTest, AnInternationalDomainSignsWithItsALabel) {
  const std::string key = directory_->domain("example.org")->key_pem;
  ASSERT_TRUE(directory_->add_domain({"bücher.example", "s1", key}));
  ASSERT_TRUE(directory_->add_alias("info@bücher.example", "alice@example.org"));
  facts_.envelope.params.smtputf8 = true;
  EXPECT_EQ(submit("From: info@bücher.example\r\n\r\n").lease.signing_domain, "xn--bcher-kva.example");
  EXPECT_EQ(submit("From: info@XN--bcher-kva.example\r\n\r\n").lease.signing_domain, "xn--bcher-kva.example");
}

}  // namespace
}  // namespace postern::intake
