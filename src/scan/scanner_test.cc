#include "scan/scanner.h"

#include <gtest/gtest.h>

namespace postern::scan {
namespace {

class ScannerTest : public ::testing::Test {
 protected:
  Verdict scan(const Options& options) {
    const auto scanner = Scanner::create(options, "/nonexistent", metrics_, lookup_);
    EXPECT_TRUE(scanner) << scanner.error().detail;
    const mail::Header header = *mail::Header::parse("From: a@example.org\r\n");
    const Spool body("/nonexistent", 100);
    const Message message{.queue_id = "q",
                          .hostname = "mail.example.org",
                          .client = *net::IpAddress::parse("192.0.2.7"),
                          .helo = "c",
                          .account = "a@example.org",
                          .tls_cipher = "",
                          .reverse_path = "a@example.org",
                          .recipients = {},
                          .header = header,
                          .body = body};
    Verdict verdict;
    net::Loop loop;
    loop.spawn(run(loop, **scanner, message, verdict));
    loop.run();
    return verdict;
  }
  std::string create_error(const Options& options) {
    const auto scanner = Scanner::create(options, "/nonexistent", metrics_, lookup_);
    return scanner ? "" : scanner.error().detail;
  }

  metrics::Registry registry_;
  Metrics metrics_{registry_};
  net::SystemAddressLookup lookup_;

 private:
  static net::Task<> run(net::Loop& loop, Scanner& scanner, const Message& message, Verdict& out) {
    Verdict verdict = co_await scanner.scan(loop, message);
    out = std::move(verdict);
    loop.stop();
  }
};

TEST_F(ScannerTest, ScannerThatIsNotThereDefersOrIsLeftOut) {
  Options options;
  options.milters = {"unix:/nonexistent/milter.sock"};
  const Verdict closed = scan(options);
  EXPECT_EQ(closed.decision, Verdict::Decision::Defer);
  EXPECT_EQ(closed.text, "the content scanner does not answer");
  EXPECT_NE(closed.summary.find("milter unix:/nonexistent/milter.sock: failed"), std::string::npos)
      << closed.summary;
  options.milter_failure = OnFailure::Accept;
  EXPECT_EQ(scan(options).decision, Verdict::Decision::Accept);
  EXPECT_NE(registry_.exposition().find("postern_scan_asked_total{verdict=\"failed_open\"} 1"),
            std::string::npos);
}

TEST_F(ScannerTest, BadAddressesAreNamed) {
  Options options;
  options.milters = {"unix:relative"};
  EXPECT_EQ(create_error(options), "scan.milters: unix:relative: not an absolute path");
  options.milters = {"localhost:8891"};
  EXPECT_NE(create_error(options).find("scan.milters: localhost:8891"), std::string::npos);
  options.milters = {};
  options.rspamd = "127.0.0.1:11333";
  EXPECT_NE(create_error(options).find("scan.rspamd"), std::string::npos);
  options.rspamd = "http://127.0.0.1:11333/symbols";
  EXPECT_NE(create_error(options).find("scan.rspamd"), std::string::npos);
}

}  // namespace
}  // namespace postern::scan
