#include "tlspolicy/report.h"

#include "tlspolicy/report_uris.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <zlib.h>

namespace postern::tlspolicy {
namespace {

const Day kDay{std::chrono::year{2026} / 11 / 24};
const ReportAuthor kAuthor{"Example Inc.", "postmaster@example.org"};

SessionCount counted(const AppliedPolicy& policy, TlsResult result, std::uint64_t count) {
  return {{kDay, policy, result, "mx.test", "2001:db8::1", "192.0.2.2",
           result == TlsResult::Success ? "" : "why"},
          count};
}

TlsReport report() {
  const AppliedPolicy sts{"sts", {"version: STSv1", "mode: testing"}, "a.test", {"*.a.test"}};
  const AppliedPolicy tlsa{"tlsa", {"3 1 1 00"}, "a.test", {"mx.test"}};
  return {kDay,
          "a.test",
          {counted(sts, TlsResult::Success, 5), counted(tlsa, TlsResult::ValidationFailure, 2),
           counted(sts, TlsResult::CertificateExpired, 1)}};
}

TEST(TlsReport, HasTheFieldsOfTheSchema) {
  const auto json = boost::json::parse(report_json(report(), kAuthor)).as_object();
  EXPECT_EQ(json.at("organization-name"), "Example Inc.");
  EXPECT_EQ(json.at("contact-info"), "postmaster@example.org");
  EXPECT_EQ(json.at("report-id"), "2026-11-24.a.test@example.org");
  EXPECT_EQ(json.at("date-range").at("start-datetime"), "2026-11-24T00:00:00Z");
  EXPECT_EQ(json.at("date-range").at("end-datetime"), "2026-11-24T23:59:59Z");
  const auto& policies = json.at("policies").as_array();
  ASSERT_EQ(policies.size(), 2U);
  const auto& sts = policies.at(0).as_object();
  EXPECT_EQ(
      boost::json::serialize(sts.at("policy")),
      R"({"policy-type":"sts","policy-domain":"a.test","policy-string":["version: STSv1","mode: testing"],)"
      R"("mx-host":["*.a.test"]})");
  EXPECT_EQ(boost::json::serialize(sts.at("summary")),
            R"({"total-successful-session-count":5,"total-failure-session-count":1})");
  EXPECT_EQ(
      boost::json::serialize(sts.at("failure-details")),
      R"([{"result-type":"certificate-expired","failed-session-count":1,"sending-mta-ip":"192.0.2.2",)"
      R"("receiving-mx-hostname":"mx.test","receiving-ip":"2001:db8::1","failure-reason-code":"why"}])");
  EXPECT_EQ(policies.at(1).at("summary").at("total-failure-session-count"), 2);
}

TEST(TlsReport, GzipUnpacks) {
  const std::string text(100'000, 'x');
  const Result<std::string> packed = gzip(text);
  ASSERT_TRUE(packed);
  EXPECT_LT(packed->size(), 1000U);
  std::string out(200'000, '\0');
  z_stream stream{};
  ASSERT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string input = *packed;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  EXPECT_EQ(out, text);
}

TEST(TlsReport, NamesAreThoseOfTheRfc) {
  EXPECT_EQ(report_filename(report(), kAuthor), "example.org!a.test!1795478400!1795564799.json.gz");
  const std::string mail =
      report_mail(report(), kAuthor, "r@a.test", "packed", kDay + std::chrono::hours{30});
  for (const char* line : {"From: postmaster@example.org\r\n", "To: r@a.test\r\n",
                           "Subject: Report Domain: a.test\r\n Submitter: example.org\r\n Report-ID: "
                           "<2026-11-24.a.test@example.org>\r\n",
                           "TLS-Report-Domain: a.test\r\n", "TLS-Report-Submitter: example.org\r\n",
                           "TLS-Required: No\r\n", "report-type=\"tlsrpt\"", "application/tlsrpt+gzip"}) {
    EXPECT_NE(mail.find(line), std::string::npos) << line << mail;
  }
}

TEST(ReportUris, OneRecordWithAddressesAndUrls) {
  const ReportUris uris = parse_report_uris(
      {"v=spf1 -all",
       "v=TLSRPTv1; rua=mailto:tls%2Breports@a.test?subject=x , https://a.test/r?x=1;later=1"});
  EXPECT_EQ(uris.mail, std::vector<std::string>{"tls+reports@a.test"});
  EXPECT_EQ(uris.https, std::vector<std::string>{"https://a.test/r?x=1"});
  EXPECT_FALSE(parse_report_uris({"v=TLSRPTv1;rua=mailto:r@a.test"}).empty());
}

TEST(ReportUris, WhatCannotBeUsedIsNowhere) {
  for (const std::vector<std::string>& txt : std::vector<std::vector<std::string>>{
           {},
           {"v=TLSRPTv1"},
           {"v=TLSRPTv1;"},
           {"v=TLSRPTv2;rua=mailto:r@a.test"},
           {"v=TLSRPTv1;rua=mailto:r@a.test", "v=TLSRPTv1;rua=mailto:r@a.test"},
           {"v=TLSRPTv1;rua=ftp://a.test/"},
           {"v=TLSRPTv1;rua=http://a.test/"},
           {"v=TLSRPTv1;rua=mailto:nobody"},
           {"v=TLSRPTv1;rua=mailto:a@b.test%2Cc@d.test"},
           {"v=TLSRPTv1;rua=mailto:a@b.test%0D%0ABcc:c@d.test"},
           {"v=TLSRPTv1;rua=mailto:%3Ca@b.test%3E"},
           {"v=TLSRPTv1;rua=mailto:%zz@b.test"}}) {
    EXPECT_TRUE(parse_report_uris(txt).empty()) << (txt.empty() ? "" : txt[0]);
  }
  std::string many = "v=TLSRPTv1;rua=mailto:a@b.test";
  for (int i = 0; i < 100; ++i) many += ",mailto:a@b.test";
  EXPECT_EQ(parse_report_uris({many}).mail.size(), kMaxUris);
}

}  // namespace
}  // namespace postern::tlspolicy
