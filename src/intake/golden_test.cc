#include "intake/testing/fixture.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

// tests/golden/fixups: NAME.eml goes in, NAME.out is what the queue then holds (or "refused WHY: detail"), NAME.why
// says which rule it shows, and NAME.args (optional) what the session said. A new case is a new set of files;
// POSTERN_UPDATE_GOLDEN=1 writes the .out files.
namespace postern::intake {
namespace {

std::string folder() { return std::string(POSTERN_SOURCE_DIR) + "/tests/golden/fixups/"; }

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    if (entry.path().extension() == ".eml") all.push_back(entry.path().stem().string());
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

const char* name_of(Refusal::Why why) {
  switch (why) {
    case Refusal::Why::BadContent:
      return "BadContent";
    case Refusal::Why::TooManyHops:
      return "TooManyHops";
    case Refusal::Why::HeaderTooLarge:
      return "HeaderTooLarge";
    case Refusal::Why::NotYourFrom:
      return "NotYourFrom";
    case Refusal::Why::NoSigningKey:
      return "NoSigningKey";
    case Refusal::Why::OverLimit:
    case Refusal::Why::OverLimitForGood:
      return "OverLimit";
    case Refusal::Why::StoreDown:
      return "StoreDown";
    case Refusal::Why::Held:
      return "Held";
    case Refusal::Why::Unwanted:
      return "Unwanted";
    case Refusal::Why::NotScanned:
      return "NotScanned";
    case Refusal::Why::Suspended:
      return "Suspended";
  }
  return "?";
}

class FixupsGoldenTest : public testing::IntakeTest {
 protected:
  /// Lines "key: value" of NAME.args: helo, protocol (SMTP or ESMTP), utf8, to (several), group, remove_bcc,
  /// eight_bit_headers, add_sender, check_addresses.
  void take_arguments(const std::string& name) {
    facts_ = plain_;
    options_ = {};
    std::ifstream in(folder() + name + ".args");
    std::vector<smtp::Recipient> to;
    for (std::string line; std::getline(in, line);) {
      const std::size_t colon = line.find(": ");
      ASSERT_NE(colon, std::string::npos) << line;
      const std::string key = line.substr(0, colon);
      const std::string value = line.substr(colon + 2);
      if (key == "helo") {
        facts_.helo = value;
      } else if (key == "protocol") {
        facts_.esmtp = value == "ESMTP";
      } else if (key == "utf8") {
        facts_.envelope.params.smtputf8 = value == "yes";
      } else if (key == "client") {
        facts_.client = *net::IpAddress::parse(value);
      } else if (key == "group") {
        facts_.tls_group = value == "none" ? "" : value;
      } else if (key == "remove_bcc") {
        options_.remove_bcc = value == "yes";
      } else if (key == "eight_bit_headers") {
        options_.eight_bit_headers = value == "yes";
      } else if (key == "add_sender") {
        options_.add_sender = value == "yes";
      } else if (key == "check_addresses") {
        options_.check_addresses = value == "yes";
      } else if (key == "to") {
        to.push_back({value, value.substr(value.rfind('@') + 1), {}, ""});
      } else {
        FAIL() << "unknown argument " << line;
      }
    }
    if (!to.empty()) facts_.envelope.recipients = to;
  }

 private:
  const SubmissionFacts plain_ = facts_;
};

TEST_F(FixupsGoldenTest, ComesOutAsTheGoldenFileSays) {
  for (const std::string& name : names()) {
    SCOPED_TRACE(name);
    take_arguments(name);
    EXPECT_TRUE(std::filesystem::exists(folder() + name + ".why"));
    const std::string message = read_file(folder() + name + ".eml");
    const testing::Outcome whole = submit(message);
    const std::string got = whole.refusal ? std::string("refused ") + name_of(whole.refusal->why) + ": " +
                                                whole.refusal->detail + "\n"
                                          : whole.stored;
    const std::string path = folder() + name + ".out";
    if (std::getenv("POSTERN_UPDATE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << got;
    EXPECT_EQ(got, read_file(path));

    // How the network cuts the message must not change what becomes of it.
    for (const std::size_t cut : {std::size_t{1}, std::size_t{3}, std::size_t{17}}) {
      const testing::Outcome pieces = submit(message, cut);
      EXPECT_EQ(pieces.stored, whole.stored) << "in pieces of " << cut;
      EXPECT_EQ(pieces.refusal.has_value(), whole.refusal.has_value()) << "in pieces of " << cut;
    }
  }
}

// Fields that intake has no business with keep every octet and their order; the body keeps every octet.
TEST_F(FixupsGoldenTest, TouchesNothingElse) {
  for (const std::string& name : names()) {
    SCOPED_TRACE(name);
    take_arguments(name);
    const std::string message = read_file(folder() + name + ".eml");
    const testing::Outcome out = submit(message);
    if (out.refusal) continue;
    const auto split = [](const std::string& text) {
      const std::size_t end = text.find("\r\n\r\n");
      return end == std::string::npos ? std::pair{text, std::string()}
                                      : std::pair{text.substr(0, end + 2), text.substr(end + 4)};
    };
    const auto others = [](const std::string& header) {
      mail::Header fields = *mail::Header::parse(header);
      for (const char* ours :
           {"Date", "Sender", "Message-ID", "Bcc", "Resent-Bcc", "Return-Path", "Authentication-Results"})
        fields.erase(ours);
      return fields;
    };
    const auto [header_in, body_in] = split(message);
    const auto [header_out, body_out] = split(out.stored);
    EXPECT_EQ(body_out, body_in);
    mail::Header kept = others(header_out);
    ASSERT_EQ(kept.fields().front().name(), "Received") << "RFC 5321 §4.4: prepended";
    const mail::Header before = others(header_in);
    EXPECT_EQ(kept.octets(), kept.fields().front().raw + before.octets());
  }
}

}  // namespace
}  // namespace postern::intake
