#include "base/log.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace postern::log {
namespace {

struct Lines final : Sink {
  std::vector<std::string> lines;
  void write(Level /*level*/, std::string_view line) override { lines.emplace_back(line); }
};

struct Case {
  const char* name;
  std::string in;
  const char* out;
};

TEST(Log, NothingAClientSendsCanForgeALine) {
  for (const Case& c : {
           Case{"plain", "MAIL FROM:<a@b>", "MAIL FROM:<a@b>"},
           Case{"line end", "a\r\nb", "a\\u000d\\u000ab"},
           Case{"quote", R"(x","level":"error)", R"(x\",\"level\":\"error)"},
           Case{"ansi", "\x1b[31m", "\\u001b[31m"},
           Case{"nul", std::string("a\0b", 3), "a\\u0000b"},
           Case{"delete", "\x7f", "\\u007f"},
           Case{"utf-8", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
           Case{"c1 control", "\xc2\x9b", "\\u009b"},
           Case{"invalid utf-8", "\xff\xc3", "\\u00ff\\u00c3"},
           Case{"overlong", "\xc0\xaf", "\\u00c0\\u00af"},
           Case{"surrogate", "\xed\xa0\x80", "\\u00ed\\u00a0\\u0080"},
       }) {
    std::string out;
    append_json_escaped(out, c.in);
    EXPECT_EQ(out, c.out) << c.name;
  }
}

TEST(Log, WritesOneJsonObjectPerEvent) {
  auto sink = std::make_shared<Lines>();
  set_sink(sink);
  set_level(Level::Info);
  Event(Level::Info, "queue.accepted")
      .with("queue_id", QueueId{31})
      .with("size", 12)
      .with("tls", true)
      .with("who", "a\"b");
  Event(Level::Debug, "not.shown").with("x", 1);
  set_sink(nullptr);
  ASSERT_EQ(sink->lines.size(), 1U);
  const std::string& line = sink->lines[0];
  EXPECT_EQ(line.substr(0, 6), "{\"t\":\"");
  EXPECT_NE(
      line.find(
          R"("level":"info","event":"queue.accepted","queue_id":"000000000000Z","size":12,"tls":true,"who":"a\"b"})"),
      std::string::npos)
      << line;
}

TEST(Log, JournaldGetsEachFieldByItsName) {
  std::string directory = "/tmp/postern-log-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string path = directory + "/socket";
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  set_sink(make_journald_sink(path));
  Event(Level::Warning, "queue.accepted")
      .with("queue_id", QueueId{31})
      .with("size", 12)
      .with("tls", true)
      .with("why", "say \"no\"\nPRIORITY=0");
  set_sink(nullptr);
  std::array<char, 1024> datagram{};
  const ssize_t size = ::recv(fd, datagram.data(), datagram.size(), MSG_DONTWAIT);
  ::close(fd);
  std::filesystem::remove_all(directory);
  ASSERT_GT(size, 0);
  EXPECT_EQ(
      std::string(datagram.data(), static_cast<std::size_t>(size)),
      "SYSLOG_IDENTIFIER=postern\nPRIORITY=4\n"
      "MESSAGE=queue.accepted queue_id=000000000000Z size=12 tls=true why=say \"no\"\\u000aPRIORITY=0\n"
      "POSTERN_EVENT=queue.accepted\nPOSTERN_QUEUE_ID=000000000000Z\nPOSTERN_SIZE=12\nPOSTERN_TLS=true\n"
      "POSTERN_WHY=say \"no\"\\u000aPRIORITY=0\n");
}

}  // namespace
}  // namespace postern::log
