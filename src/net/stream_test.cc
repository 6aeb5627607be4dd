#include "net/stream.h"

#include "net/listener.h"
#include "net/readiness.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <functional>
#include <string>

namespace postern::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

SteadyTime in(milliseconds time) { return steady_clock::now() + time; }
constexpr milliseconds kLong{5000};

/// Two ends of one connection on one loop; the near end under test, the far end fed by hand.
struct Pair {
  Loop loop;
  int far = -1;
  std::optional<Stream> near;
  Pair() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds.data()), 0);
    near.emplace(loop, fds[0]);
    far = fds[1];
  }
  ~Pair() {
    near.reset();
    if (far >= 0) ::close(far);
  }
  void send(std::string_view data) const {
    ASSERT_EQ(::send(far, data.data(), data.size(), 0), static_cast<ssize_t>(data.size()));
  }
  [[nodiscard]] std::string received() const {
    std::string data(65536, '\0');
    const ssize_t n = ::recv(far, data.data(), data.size(), 0);
    data.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return data;
  }
};

Task<> read_lines(Loop& loop, Stream& stream, std::size_t max, milliseconds wait,
                  std::vector<std::string>& out) {
  for (;;) {
    const Result<std::string_view> line = co_await stream.read_line(max, in(wait));
    if (line) {
      out.emplace_back(*line);
    } else {
      out.push_back(std::string("!") + to_string(line.error().code));
      if (line.error().code != Errc::Exhausted) break;
    }
  }
  loop.stop();
}

std::vector<std::string> lines_of(const std::vector<std::string>& segments, std::size_t max) {
  Pair pair;
  std::vector<std::string> out;
  pair.loop.spawn(read_lines(pair.loop, *pair.near, max, kLong, out));
  for (const std::string& segment : segments) pair.loop.post([&pair, segment] { pair.send(segment); });
  pair.loop.post([&pair] {
    ::close(pair.far);
    pair.far = -1;
  });
  pair.loop.run();
  return out;
}

TEST(StreamReadLine, OnlyCrlfEndsALine) {
  const std::vector<std::string> want{"EHLO a\nb\rc", "QUIT", "!closed"};
  EXPECT_EQ(lines_of({"EHLO a\nb\rc\r\nQUIT\r\n"}, 100), want);
  EXPECT_EQ(lines_of({"EHLO a\n", "b\rc\r", "\nQUIT\r", "\n"}, 100), want) << "cut inside the line end";
}

TEST(StreamReadLine, AnOverlongLineIsDroppedWholeAndTheNextOneRead) {
  const std::vector<std::string> want{"!exhausted", "NOOP", "!closed"};
  EXPECT_EQ(lines_of({std::string(5000, 'x') + "\r\nNOOP\r\n"}, 512), want);
  EXPECT_EQ(lines_of({std::string(700, 'x'), std::string(700, 'y') + "\r", "\nNOOP\r\n"}, 512), want);
  EXPECT_EQ(lines_of({std::string(512, 'x') + "\r\n"}, 512),
            (std::vector<std::string>{std::string(512, 'x'), "!closed"}));
  EXPECT_EQ(lines_of({std::string(513, 'x') + "\r\n"}, 512),
            (std::vector<std::string>{"!exhausted", "!closed"}));
}

TEST(Stream, AReadThatGetsNothingTimesOut) {
  Pair pair;
  std::vector<std::string> out;
  pair.loop.spawn(read_lines(pair.loop, *pair.near, 100, milliseconds(5), out));
  pair.loop.run();
  EXPECT_EQ(out, std::vector<std::string>{"!timeout"});
}

TEST(Stream, MayDieBeforeACoroutineThatTheLoopEnds) {
  std::vector<std::string> out;
  {
    Pair pair;
    pair.loop.spawn(read_lines(pair.loop, *pair.near, 100, kLong, out));
    pair.loop.post([&pair] { pair.loop.post([&pair] { pair.loop.stop(); }); });
    pair.loop.run();
  }
  EXPECT_TRUE(out.empty());
}

TEST(Stream, CancelEndsAPendingRead) {
  Pair pair;
  std::vector<std::string> out;
  pair.loop.spawn(read_lines(pair.loop, *pair.near, 100, kLong, out));
  pair.loop.post([&pair] { pair.loop.post([&pair] { pair.near->cancel(); }); });
  pair.loop.run();
  EXPECT_EQ(out, std::vector<std::string>{"!closed"});
}

Task<> answer_pipelined(Loop& loop, Stream& stream) {
  for (int i = 0; i < 3; ++i) {
    const Result<std::string_view> line = co_await stream.read_line(100, in(kLong));
    EXPECT_TRUE(line);
    stream.queue("250 " + std::string(line ? *line : "") + "\r\n");
  }
  const Result<std::string_view> none = co_await stream.read_line(100, in(milliseconds(5)));
  EXPECT_FALSE(none);
  loop.stop();
}

TEST(Stream, QueuedRepliesGoOutTogetherBeforeTheReadWaits) {
  Pair pair;
  pair.loop.spawn(answer_pipelined(pair.loop, *pair.near));
  pair.send("a\r\nb\r\nc\r\n");
  pair.loop.run();
  EXPECT_EQ(pair.received(), "250 a\r\n250 b\r\n250 c\r\n");
}

Task<> echo(Stream stream) {
  for (;;) {
    const Result<std::string_view> data = co_await stream.read_some(in(kLong));
    if (!data) co_return;
    stream.queue(*data);
    stream.consume(data->size());
  }
}

Task<> talk(Loop& loop, Endpoint to, std::string& got, std::size_t amount) {
  Result<Stream> stream = co_await connect(loop, to, std::nullopt, in(kLong));
  if (!stream) {
    got = stream.error().detail;
    loop.stop();
    co_return;
  }
  const Result<> written = co_await stream->write(std::string(amount, 'z') + "\r\n", in(kLong));
  EXPECT_TRUE(written);
  const Result<std::string_view> line = co_await stream->read_line(amount, in(kLong));
  got = line ? std::string(*line) : line.error().detail;
  co_await stream->shutdown(in(kLong));
  loop.stop();
}

Task<> answer_what_came(Loop& loop, Stream& stream, std::vector<std::string>& out) {
  const Result<std::string_view> line = co_await stream.read_line(4000, in(kLong));
  EXPECT_TRUE(line);
  stream.queue("250 taken\r\n");
  const Result<std::string_view> next = co_await stream.read_line(4000, in(kLong));
  out.emplace_back(next ? "?" : to_string(next.error().code));
  loop.stop();
}

// A client that closes its side behind its last command still wants to know what became of it.
TEST(Stream, APeerThatSaidItsLastStillGetsItsAnswer) {
  for (const std::size_t length : {10U, 3000U}) {
    SCOPED_TRACE(length);
    Pair pair;
    pair.send(std::string(length, 'x') + "\r\n");
    ::shutdown(pair.far, SHUT_WR);
    std::vector<std::string> out;
    pair.loop.spawn(answer_what_came(pair.loop, *pair.near, out));
    pair.loop.run();
    EXPECT_EQ(out, std::vector<std::string>{"closed"});
    EXPECT_EQ(pair.received(), "250 taken\r\n");
  }
}

TEST(Stream, ConnectsToAListenerAndMovesMoreThanASocketBuffer) {
  Loop loop;
  Result<std::unique_ptr<Listener>> listener = Listener::open(loop, *Endpoint::parse("127.0.0.1:0"));
  ASSERT_TRUE(listener) << listener.error().detail;
  (*listener)->serve([&loop](Stream stream) { loop.spawn(echo(std::move(stream))); });
  std::string got;
  loop.spawn(talk(loop, (*listener)->local(), got, 100'000));
  loop.run();
  EXPECT_EQ(got, std::string(100'000, 'z'));
}

TEST(Stream, ConnectToAClosedPortFails) {
  Loop loop;
  std::string got;
  Endpoint closed;
  {
    Result<std::unique_ptr<Listener>> listener = Listener::open(loop, *Endpoint::parse("127.0.0.1:0"));
    ASSERT_TRUE(listener);
    closed = (*listener)->local();
  }
  loop.spawn(talk(loop, closed, got, 1));
  loop.run();
  EXPECT_NE(got.find("refused"), std::string::npos) << got;
}

Task<> answer_everything(Loop& loop, Stream& stream, std::string& ended) {
  for (;;) {
    const Result<std::string_view> line = co_await stream.read_line(100, in(milliseconds(30)));
    if (!line) {
      ended = to_string(line.error().code);
      break;
    }
    stream.queue("250 2.0.0 a reply that is much longer than the command\r\n");
  }
  loop.stop();
}

Task<> write_everything(Stream stream, std::string data) {
  const Result<> written = co_await stream.write(data, in(kLong));
  EXPECT_FALSE(written) << "the other side gives up first";
}

TEST(Stream, APeerThatSendsAndNeverReadsIsGivenUp) {
  Pair pair;
  std::string commands;
  for (int i = 0; i < 1'000'000; ++i) commands += "N\r\n";
  std::string ended;
  pair.loop.spawn(answer_everything(pair.loop, *pair.near, ended));
  pair.loop.spawn(write_everything(Stream(pair.loop, std::exchange(pair.far, -1)), std::move(commands)));
  pair.loop.run();
  EXPECT_EQ(ended, "timeout");
}

Task<> write_for_ever(Stream stream) {
  for (;;) {
    const Result<> written = co_await stream.write(std::string(65536, 'x'), in(kLong));
    if (!written) co_return;
  }
}

TEST(Stream, ALineThatNeverEndsMeetsItsDeadline) {
  Pair pair;
  std::vector<std::string> out;
  pair.loop.spawn(read_lines(pair.loop, *pair.near, 512, milliseconds(30), out));
  pair.loop.spawn(write_for_ever(Stream(pair.loop, std::exchange(pair.far, -1))));
  pair.loop.run();
  EXPECT_EQ(out, std::vector<std::string>{"!timeout"});
}

Task<> read_in_pieces(Loop& loop, Stream& stream, std::string& out) {
  for (int i = 0; i < 3; ++i) {
    const Result<std::string_view> data = co_await stream.read_some(in(kLong));
    EXPECT_TRUE(data);
    out += data->substr(0, 2);
    stream.consume(2);
  }
  EXPECT_EQ(stream.buffered(), "gh");
  stream.discard_buffered();
  EXPECT_EQ(stream.buffered(), "");
  loop.stop();
}

TEST(Stream, WhatIsNotConsumedIsSeenAgain) {
  Pair pair;
  std::string out;
  pair.send("abcdefgh");
  pair.loop.spawn(read_in_pieces(pair.loop, *pair.near, out));
  pair.loop.run();
  EXPECT_EQ(out, "abcdef");
}

Task<> await_readable(Loop& loop, int fd, SteadyTime deadline, std::string& out) {
  const Result<> ready = co_await wait_readable(loop, fd, deadline);
  out = ready ? "ready" : to_string(ready.error().code);
  loop.stop();
}

TEST(WaitReadable, LeavesTheDescriptorToItsOwner) {
  std::array<int, 2> fds{};
  ASSERT_EQ(::pipe(fds.data()), 0);
  std::string out;
  {
    Loop loop;
    loop.spawn(await_readable(loop, fds[0], in(milliseconds(5)), out));
    loop.run();
    EXPECT_EQ(out, "timeout");
    loop.spawn(await_readable(loop, fds[0], SteadyTime::max(), out));
    loop.post([&loop] { loop.post([&loop] { loop.stop(); }); });
    loop.run();
  }
  ASSERT_EQ(::write(fds[1], "x", 1), 1) << "also after the loop destroyed a coroutine that waited";
  {
    Loop loop;
    loop.spawn(await_readable(loop, fds[0], SteadyTime::max(), out));
    loop.run();
    EXPECT_EQ(out, "ready");
  }
  EXPECT_EQ(::close(fds[0]), 0);
  EXPECT_EQ(::close(fds[1]), 0);
}

}  // namespace
}  // namespace postern::net
