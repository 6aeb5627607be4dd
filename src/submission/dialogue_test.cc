// Runs tests/dialogues/*.smtp against a Session in this process; tests/e2e/test_dialogues.py runs the same files over
// TLS against `postern serve`.
#include "submission/testing/dialogue.h"

#include "submission/testing/conversation.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>

namespace postern::submission::testing {
namespace {

const std::filesystem::path kDirectory = std::filesystem::path(POSTERN_SOURCE_DIR) / "tests" / "dialogues";

std::vector<std::string> names() {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(kDirectory)) {
    if (entry.path().extension() == ".smtp") found.push_back(entry.path().stem().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// The settings of "! small".
Options small() {
  using namespace literals;
  Options options;
  options.max_message = 64_KiB;
  options.max_recipients = 100;
  options.max_errors = 5;
  options.postmaster = "hostmaster@example.org";
  return options;
}

class DialogueTest : public ::testing::TestWithParam<std::string> {
 protected:
  void begin(Session::Tls tls) { server_ = std::make_unique<Conversation>(options_, tls); }
  void send(std::string_view wire) { got_ += server_->feed(wire); }
  std::string take_line() {
    send("");
    const std::size_t end = got_.find("\r\n");
    if (end == std::string::npos) return "(nothing)";
    std::string line = got_.substr(0, end);
    got_.erase(0, end + 2);
    return line;
  }

  void direct(const std::string& word) {
    if (word == "small") {
      options_ = small();
    } else if (word == "implicit") {
      begin(Session::Tls::Active);
    } else if (word == "tls" || word == "authed") {
      begin(Session::Tls::None);
      send("EHLO client.example\r\nSTARTTLS\r\n");
      server_->tls_up();
      if (word == "authed") {
        send("EHLO client.example\r\nAUTH PLAIN " + login_ + "\r\n");
        ASSERT_TRUE(got_.ends_with("235 2.7.0 Authentication successful\r\n")) << got_;
      }
      got_.clear();
    } else if (word == "starttls") {
      ASSERT_TRUE(server_->wants_tls());
      server_->tls_up();
    } else if (word == "closed") {
      EXPECT_TRUE(server_->closed());
      EXPECT_EQ(got_, "");
    } else {
      FAIL() << "unknown directive";
    }
  }

  void expect_reply(const std::string& text) {
    std::istringstream in(text);
    std::string code;
    in >> code;
    std::vector<std::string> lines;
    do {
      lines.push_back(take_line());
    } while (lines.back().starts_with(code + "-"));
    ASSERT_TRUE(lines.back().starts_with(code + " ")) << lines.back();
    for (std::string pattern; in >> pattern;) {
      const bool found = std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
        return is_like(line.substr(4), pattern.substr(1));
      });
      EXPECT_EQ(found, pattern[0] == '+') << pattern;
    }
  }

  void follow(const DialogueLine& line) {
    using Kind = DialogueLine::Kind;
    if (!server_ && line.kind != Kind::Directive) begin(Session::Tls::None);
    switch (line.kind) {
      case Kind::Client:
        return send(line.text + "\r\n");
      case Kind::ClientRaw:
        return send(line.text);
      case Kind::Directive:
        return direct(line.text);
      case Kind::ServerReply:
        return expect_reply(line.text);
      case Kind::Server: {
        const std::string got = take_line();
        EXPECT_TRUE(is_like(got, line.text)) << got;
        return;
      }
    }
  }

  const std::string login_ = parse_dialogue("C: {plain}\n").front().text;
  Options options_ = [] {
    Options options;
    options.postmaster = "hostmaster@example.org";
    return options;
  }();
  std::unique_ptr<Conversation> server_;
  std::string got_;
};

TEST_P(DialogueTest, Follows) {
  std::ifstream in(kDirectory / (GetParam() + ".smtp"));
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  for (const DialogueLine& line : parse_dialogue(text)) {
    SCOPED_TRACE(GetParam() + ".smtp:" + std::to_string(line.number) + ": " + line.text.substr(0, 200));
    follow(line);
    if (HasFailure()) return;
  }
  if (server_->closed()) return;
  // Nothing more was said than was expected: the next reply is the one to QUIT.
  send("QUIT\r\n");
  EXPECT_EQ(got_, "221 2.0.0 mail.example.org closing connection\r\n");
}

INSTANTIATE_TEST_SUITE_P(Files, DialogueTest, ::testing::ValuesIn(names()),
                         [](const auto& param) { return param.param; });

TEST(Dialogue, PatternsAndEscapes) {
  EXPECT_TRUE(is_like("250 2.1.0 ok", "250 2.1.0 *"));
  EXPECT_TRUE(is_like("250 SIZE 10 x", "250 SIZE * x"));
  EXPECT_FALSE(is_like("250 ok", "550*"));
  EXPECT_FALSE(is_like("250 ok!", "250 ok"));
  EXPECT_EQ(parse_dialogue("C> a\\r\\n\\x00{b*3}\\\\\n").front().text, std::string("a\r\n\0bbb\\", 8));
  EXPECT_THROW((void)parse_dialogue("X: a\n"), std::runtime_error);
  EXPECT_THROW((void)parse_dialogue("C: {nobody}\n"), std::runtime_error);
}

}  // namespace
}  // namespace postern::submission::testing
