#include "net/listener.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace postern::net {
namespace {

SteadyTime soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(5); }

Task<> dial(Loop& loop, Endpoint to, std::optional<IpAddress> source, std::string& outcome) {
  Result<Stream> stream = co_await connect(loop, to, source, soon());
  if (!stream) {
    outcome = to_string(stream.error().code);
    loop.stop();
  }
}

/// Who the listener saw when `to` was dialled.
std::string peer_seen(Loop& loop, Listener& listener, Endpoint to, std::optional<IpAddress> source = {}) {
  std::string seen;
  listener.serve([&](const Stream& stream) {
    seen = stream.peer().ip.text();
    loop.stop();
  });
  loop.spawn(dial(loop, to, source, seen));
  loop.run();
  return seen;
}

TEST(Listener, TheIpv6WildcardTakesIpv4Too) {
  Loop loop;
  Result<std::unique_ptr<Listener>> listener = Listener::open(loop, *Endpoint::parse("[::]:0"));
  ASSERT_TRUE(listener) << listener.error().detail;
  const Endpoint v4{*IpAddress::parse("127.0.0.1"), (*listener)->local().port};
  EXPECT_EQ(peer_seen(loop, **listener, v4), "127.0.0.1") << "and shows the client's real address";
}

TEST(Listener, SeveralLoopsMayListenOnOnePort) {
  Loop first;
  Loop second;
  const auto one = Listener::open(first, *Endpoint::parse("127.0.0.1:0"));
  ASSERT_TRUE(one);
  const auto two = Listener::open(second, (*one)->local());
  EXPECT_TRUE(two) << two.error().detail;
}

TEST(Listener, AConnectionCanComeFromAChosenAddress) {
  Loop loop;
  Result<std::unique_ptr<Listener>> listener = Listener::open(loop, *Endpoint::parse("127.0.0.1:0"));
  ASSERT_TRUE(listener);
  EXPECT_EQ(peer_seen(loop, **listener, (*listener)->local(), IpAddress::parse("127.0.0.77").value()),
            "127.0.0.77");
}

TEST(Listener, SaysWhyItCannotListen) {
  Loop loop;
  const auto nowhere = Listener::open(loop, *Endpoint::parse("192.0.2.1:0"));
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, Errc::Unavailable);
  EXPECT_NE(nowhere.error().detail.find("192.0.2.1"), std::string::npos);
}

TEST(Listener, AdoptsAListeningSocketAndNothingElse) {
  Loop loop;
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(Listener::adopt(loop, fd).error().code, Errc::Malformed);
  sockaddr_storage address{};
  const socklen_t length = Endpoint::parse("127.0.0.1:0")->to_sockaddr(address);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(fd, 8), 0);
  Result<std::unique_ptr<Listener>> listener = Listener::adopt(loop, fd);
  ASSERT_TRUE(listener) << listener.error().detail;
  EXPECT_EQ(peer_seen(loop, **listener, (*listener)->local()), "127.0.0.1");
}

Task<> dial_unix(Loop& loop, std::string path, Errc& error) {
  const Result<Stream> stream = co_await connect_unix(loop, path);
  if (!stream) {
    error = stream.error().code;
    loop.stop();
  }
}

// Sockets of one user with SO_REUSEPORT share a port without a word.
TEST(Listener, APortThatSomebodyListensOnIsNotFree) {
  Loop loop;
  Result<std::unique_ptr<Listener>> listener = Listener::open(loop, *Endpoint::parse("127.0.0.1:0"));
  ASSERT_TRUE(listener) << listener.error().detail;
  const Endpoint taken = (*listener)->local();
  EXPECT_EQ(Listener::is_free(taken).error().code, Errc::Unavailable);
  EXPECT_EQ(Listener::is_free({*IpAddress::parse("0.0.0.0"), taken.port}).error().code, Errc::Unavailable);
  EXPECT_EQ(Listener::is_free({*IpAddress::parse("::"), taken.port}).error().code, Errc::Unavailable);
  EXPECT_TRUE(Listener::open(loop, taken)) << "another loop of ours";
  listener->reset();
  EXPECT_TRUE(Listener::is_free(taken));
}

TEST(Listener, AUnixSocketReplacesAStaleOneAndKeepsOthersOut) {
  std::string dir = (std::filesystem::temp_directory_path() / "postern-unix-XXXXXX").string();
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  const std::string path = dir + "/admin.sock";
  Loop loop;
  Errc error = Errc::Internal;
  loop.spawn(dial_unix(loop, path, error));
  loop.run();
  EXPECT_EQ(error, Errc::NotFound);

  ASSERT_TRUE(Listener::open_unix(loop, path, 0600)) << "closed at once: the file stays";
  Result<std::unique_ptr<Listener>> listener = Listener::open_unix(loop, path, 0600);
  ASSERT_TRUE(listener) << listener.error().detail;
  struct stat found {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);

  bool accepted = false;
  (*listener)->serve([&](const Stream& stream) {
    accepted = stream.peer().ip.is_loopback();
    loop.stop();
  });
  loop.spawn(dial_unix(loop, path, error));
  loop.run();
  EXPECT_TRUE(accepted);
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace postern::net
