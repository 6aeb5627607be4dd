#include "scan/rspamd_answer.h"

#include <gtest/gtest.h>

#include "scan/edits.h"

namespace postern::scan {
namespace {

using Decision = Verdict::Decision;

TEST(RspamdAnswers, DecideByTheirAction) {
  for (const auto& [action, decision] :
       {std::pair{"no action", Decision::Accept}, std::pair{"greylist", Decision::Accept},
        std::pair{"add header", Decision::Accept}, std::pair{"rewrite subject", Decision::Accept},
        std::pair{"soft reject", Decision::Defer}, std::pair{"reject", Decision::Reject},
        std::pair{"discard", Decision::Reject}, std::pair{"quarantine", Decision::Reject}}) {
    const auto verdict = read_rspamd_answer(std::string(R"({"action":")") + action + R"(","score":1.5})");
    ASSERT_TRUE(verdict) << action;
    EXPECT_EQ(verdict->decision, decision) << action;
    EXPECT_EQ(verdict->score, 1.5);
  }
}

TEST(RspamdAnswers, NameWhatWeighsMostAndWhatToTellTheClient) {
  const auto verdict = read_rspamd_answer(
      R"({"action":"reject","score":16,"required_score":15.0,"messages":{"smtp_message":"Gtube\r\npattern"},
          "symbols":{"A":{"score":0.1},"GTUBE":{"score":15},"HAM":{"score":-1},"ZERO":{"score":0}}})");
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->text, "Gtube pattern");
  EXPECT_EQ(verdict->summary, "reject, score 16.00 of 15.00 (GTUBE, HAM, A)");
}

TEST(RspamdAnswers, ChangeHeaders) {
  const auto verdict = read_rspamd_answer(
      R"({"action":"add header","score":7,"milter":{"remove_headers":{"X-Spamd":0},
          "add_headers":{"X-A":"1","X-B":{"value":"2","order":1},"X-C":["3",{"value":"4"},7]}}})");
  ASSERT_TRUE(verdict);
  std::string all;
  for (const Edit& edit : verdict->edits)
    all += (edit.kind == Edit::Kind::Remove ? "-" : "+") + edit.name + "=" + edit.value + " ";
  EXPECT_EQ(all, "-X-Spamd= +X-A=1 +X-B=2 +X-C=3 +X-C=4 +X-Spam=Yes ");
}

TEST(RspamdAnswers, RewriteTheSubjectAndRemoveFieldsByNumber) {
  const auto verdict = read_rspamd_answer(
      R"({"action":"rewrite subject","score":7.5,"required_score":15,"subject":"*** SPAM *** hello",
          "milter":{"remove_headers":{"X-A":1,"X-B":[-1,0]}}})");
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->suspicion, 0.5);
  mail::Header header =
      *mail::Header::parse("X-A: 1\r\nX-A: 2\r\nX-B: 1\r\nSubject: hello\r\nFrom: a@b.example\r\n");
  ASSERT_TRUE(apply_edits(header, verdict->edits));
  EXPECT_EQ(header.octets(), "X-A: 2\r\nSubject: *** SPAM *** hello\r\nFrom: a@b.example\r\nX-Spam: Yes\r\n");
  Edit last{Edit::Kind::RemoveFromEnd, 1, "X-A", ""};
  header = *mail::Header::parse("X-A: 1\r\nX-A: 2\r\n");
  ASSERT_TRUE(apply_edits(header, {last}));
  EXPECT_EQ(header.octets(), "X-A: 1\r\n");
}

TEST(RspamdAnswers, ThatAreNoneAreMalformed) {
  for (const char* bad : {"", "[]", "{", R"({"score":1})", R"({"action":7})", R"({"action":"dance"})",
                          R"({"error":"no memory","action":"no action"})", "<html>"}) {
    const auto verdict = read_rspamd_answer(bad);
    ASSERT_FALSE(verdict) << bad;
    EXPECT_EQ(verdict.error().code, Errc::Malformed) << bad;
  }
}

TEST(RspamdAnswers, OddTypesAreLeftOut) {
  const auto verdict = read_rspamd_answer(
      R"({"action":"no action","score":"high","milter":[],"symbols":{"A":1},"messages":"x"})");
  ASSERT_TRUE(verdict);
  EXPECT_FALSE(verdict->score);
  EXPECT_TRUE(verdict->edits.empty());
}

}  // namespace
}  // namespace postern::scan
