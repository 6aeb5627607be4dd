#include "config/catalogue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace postern::config {
namespace {

std::string file_text(const std::string& path) {
  std::ifstream file(std::string(POSTERN_SOURCE_DIR) + '/' + path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// With POSTERN_UPDATE_GOLDEN set the files are written, as ./dev docs does.
void write_if_asked(const std::string& path, const std::string& text) {
  if (std::getenv("POSTERN_UPDATE_GOLDEN") == nullptr) return;
  std::ofstream(std::string(POSTERN_SOURCE_DIR) + '/' + path) << text;
}

TEST(Catalogue, TheGeneratedFilesAreFresh) {
  write_if_asked("docs/generated/options.md", options_page());
  write_if_asked("config/postern.toml", annotated_toml());
  EXPECT_EQ(file_text("docs/generated/options.md"), options_page()) << "write it again: ./dev docs";
  EXPECT_EQ(file_text("config/postern.toml"), annotated_toml()) << "write it again: ./dev docs";
}

TEST(Catalogue, TheExampleIsAConfiguration) {
  const Result<Config> config = parse(annotated_toml(), "example");
  ASSERT_TRUE(config) << config.error().detail;
}

/// What the example says in comments are the defaults: uncommented, it means the same.
TEST(Catalogue, TheExampleUncommentedMeansTheDefaults) {
  std::stringstream lines(annotated_toml());
  std::string text;
  bool made_up = false;  // [smarthost.NAME], [provider.NAME], [[tls.more]], [[route]]: they need values
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# ["))
      made_up =
          line.starts_with("# [smarthost") || line.starts_with("# [provider") || line.starts_with("# [[");
    const std::size_t equals = line.find(" = ");
    const bool assignment = line.starts_with("# ") && equals != std::string::npos &&
                            line.substr(2, equals - 2).find(' ') == std::string::npos;
    if (!made_up) text += (assignment || line.starts_with("# [") ? line.substr(2) : line) + '\n';
  }
  const Result<Config> config = parse(text, "example");
  ASSERT_TRUE(config) << config.error().detail << '\n' << text;
  for (const Option& option : options_of(*config)) {
    if (option.key() == "hostname") continue;
    EXPECT_TRUE(option.is_default()) << option.key() << " = " << option.value;
  }
}

TEST(Catalogue, TheEffectiveConfigurationIsAConfiguration) {
  const std::string text = R"(hostname = "mail.example.org"
[tls]
certificate = "/a \"b\".pem"
key = "/k.pem"
[[tls.more]]
certificate = "/c.pem"
key = "/d.pem"
[delivery]
mode = "smarthost"
smarthost = "ses"
first_retry = "90s"
[smarthost.ses]
host = "relay.example.net"
[limits.person]
messages = ["5/1h"]
)";
  const Result<Config> config = parse(text, "a.toml");
  ASSERT_TRUE(config) << config.error().detail;
  const std::string shown = effective_toml(*config);
  const Result<Config> again = parse(shown, "b.toml");
  ASSERT_TRUE(again) << again.error().detail << '\n' << shown;
  EXPECT_EQ(effective_toml(*again), shown);
  EXPECT_EQ(again->tls.certificate, "/a \"b\".pem");
  EXPECT_EQ(again->tls.more.at(0).key, "/d.pem");
  EXPECT_NE(shown.find("\nfirst_retry = \"90s\"\n"), std::string::npos) << shown;
  EXPECT_NE(shown.find("\nlongest_retry = \"4h\"                              # default\n"),
            std::string::npos);
}

TEST(Catalogue, AnOptionIsFoundByItsKey) {
  const Config config;
  const Result<Option> option = find_option(config, "submission.max_message");
  ASSERT_TRUE(option);
  EXPECT_EQ(option->value, "\"50MiB\"");
  EXPECT_EQ(option->range, "64KiB to 1GiB");
  EXPECT_TRUE(find_option(config, "smarthost.NAME.host"));
  EXPECT_TRUE(find_option(config, "tls.more.key"));
  EXPECT_EQ(find_option(config, "submission.max_mesage").error().detail,
            "no option submission.max_mesage; did you mean submission.max_message?");
  EXPECT_EQ(find_option(config, "max_mesage").error().detail,
            "no option max_mesage; did you mean submission.max_message?");
  EXPECT_EQ(find_option(config, "x").error().code, Errc::NotFound);
}

}  // namespace
}  // namespace postern::config
