#include "net/loop.h"

#include "net/completion.h"
#include "net/event.h"
#include "net/offload.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace postern::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Task<int> add(int a, int b) { co_return a + b; }

Task<int> sum_to(int n) {
  int total = 0;
  for (int i = 1; i <= n; ++i) {
    const int next = co_await add(total, i);
    total = next;
  }
  co_return total;
}

Task<> store_sum(Loop& loop, int& out) {
  out = co_await sum_to(
      60'000);  // deep recursion would overflow the stack: a task that does not wait is not nested
  loop.stop();
}

TEST(Task, ReturnsValuesWithoutGrowingTheStack) {
  Loop loop;
  int out = 0;
  loop.spawn(store_sum(loop, out));
  loop.run();
  EXPECT_EQ(out, 1'800'030'000);
  EXPECT_EQ(loop.task_count(), 0U);
}

Task<> append_after(Loop& loop, milliseconds pause, std::string& out, char c) {
  co_await loop.sleep_until(steady_clock::now() + pause);
  out += c;
  if (out.size() == 3) loop.stop();
}

TEST(Loop, SleepersWakeInOrderOfTheirDeadlines) {
  Loop loop;
  std::string out;
  loop.spawn(append_after(loop, milliseconds(30), out, 'c'));
  loop.spawn(append_after(loop, milliseconds(1), out, 'a'));
  loop.spawn(append_after(loop, milliseconds(10), out, 'b'));
  loop.run();
  EXPECT_EQ(out, "abc");
}

Task<> hold(Loop& loop, std::shared_ptr<int> held) {
  co_await loop.sleep_until(SteadyTime::max());
  *held = 1;
}

TEST(Loop, DestroysTasksThatStillWait) {
  auto held = std::make_shared<int>(0);
  {
    Loop loop;
    loop.spawn(hold(loop, held));
    loop.post([&loop] { loop.stop(); });
    loop.run();
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
}

Task<> use_pool(Loop& loop, Offload& pool, int& finished, int jobs, std::thread::id loop_thread) {
  const Result<int> value = co_await pool.run(loop, [] { return 7; });
  EXPECT_EQ(std::this_thread::get_id(), loop_thread);
  EXPECT_TRUE(value && *value == 7);
  if (++finished == jobs) loop.stop();
}

TEST(Offload, ResumesOnTheLoopsThread) {
  Loop loop;
  Offload pool(2, 1000);
  int finished = 0;
  for (int i = 0; i < 500; ++i) loop.spawn(use_pool(loop, pool, finished, 500, std::this_thread::get_id()));
  loop.run();
  EXPECT_EQ(finished, 500);
}

Task<> expect_exhausted(Loop& loop, Offload& pool, bool& seen) {
  const Result<int> value = co_await pool.run(loop, [] { return 1; });
  seen = !value && value.error().code == Errc::Exhausted;
  loop.stop();
}

TEST(Offload, RefusesWhenItsQueueIsFull) {
  Loop loop;
  Offload pool(1, 0);
  bool seen = false;
  loop.spawn(expect_exhausted(loop, pool, seen));
  loop.run();
  EXPECT_TRUE(seen);
}

Task<> take_turn(Loop& loop, Offload& pool, std::string lane, std::string name,
                 std::vector<std::string>& order) {
  auto job = [&order, name] { order.push_back(name); };  // one pool thread: no lock is needed
  auto run = [job] {
    job();
    return true;
  };
  const Result<bool> ran = co_await pool.run(loop, run, lane);
  if (!ran) order.push_back(name + " refused");
  if (name == "a3") loop.stop();
}

Task<> hold_pool(Loop& loop, Offload& pool, std::atomic<bool>& held) {
  auto job = [&held] {
    while (held) std::this_thread::yield();
    return true;
  };
  const Result<bool> ran = co_await pool.run(loop, std::move(job));
  EXPECT_TRUE(ran);
}

TEST(Offload, LanesTakeTurnsAndAreBounded) {
  Loop loop;
  Offload pool(1, 100, 3);
  std::atomic<bool> held = true;
  std::vector<std::string> order;
  loop.spawn(hold_pool(loop, pool, held));
  loop.post([&pool] {
    while (pool.waiting() > 0) std::this_thread::yield();  // until the thread has it
  });
  for (const char* name : {"a1", "a2", "a3", "a4"}) loop.spawn(take_turn(loop, pool, "a", name, order));
  loop.spawn(take_turn(loop, pool, "b", "b1", order));
  loop.spawn(take_turn(loop, pool, "c", "c1", order));
  loop.spawn(take_turn(loop, pool, "b", "b2", order));
  loop.spawn(take_turn(loop, pool, "z", "z1", order));
  loop.post([&held] { held = false; });
  loop.run();
  EXPECT_EQ(order.front(), "a4 refused") << "a lane holds three";
  order.erase(order.begin());
  EXPECT_EQ(order, (std::vector<std::string>{"a1", "b1", "c1", "z1", "a2", "b2", "a3"}));
}

Task<> wait_for(Event& event, SteadyTime deadline, std::vector<bool>& out) {
  const bool notified = co_await event.wait_until(deadline);
  out.push_back(notified);
}

Task<> notify_then_stop(Loop& loop, Event& event, const std::vector<bool>& out) {
  event.notify();
  while (out.size() < 2) co_await loop.sleep_until(steady_clock::now() + milliseconds(1));
  loop.stop();
}

Task<> hold_for(Loop& loop, milliseconds time) {
  co_await loop.sleep_until(steady_clock::now() + time);
  loop.stop();
}

TEST(Event, WakesWaitersAndTimesOut) {
  Loop loop;
  std::vector<bool> out;
  {
    Event event(loop);
    loop.spawn(wait_for(event, SteadyTime::max(), out));
    loop.spawn(notify_then_stop(loop, event, out));
    loop.spawn(wait_for(event, steady_clock::now() + milliseconds(5), out));
    loop.run();
  }
  EXPECT_EQ(out, (std::vector<bool>{true, false}));
}

Task<> yield_forever(Loop& loop, int& turns) {
  for (;;) {
    ++turns;
    co_await loop.yield();
  }
}

TEST(Loop, YieldLetsPostedWorkRun) {
  int turns = 0;
  Loop loop;
  loop.spawn(yield_forever(loop, turns));
  loop.spawn(yield_forever(loop, turns));
  loop.post([&loop] { loop.post([&loop] { loop.stop(); }); });
  loop.run();
  EXPECT_GE(turns, 2);
}

TEST(Loop, PostsFromOtherThreadsAreNotLost) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 2000;
  Loop loop;
  int seen = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kPosts; ++i) {
        loop.post([&] {
          if (++seen == kThreads * kPosts) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen, kThreads * kPosts);
}

Task<> await_value(Loop& loop, std::vector<std::thread>& threads, int want, int& correct, int of) {
  Completion<std::unique_ptr<int>> done(loop);
  threads.emplace_back([resolve = done.resolver(), want] { resolve(std::make_unique<int>(want)); });
  const std::unique_ptr<int> got = co_await done;
  if (*got == want) ++correct;
  if (correct == of) loop.stop();
}

TEST(Completion, BringsAMoveOnlyValueFromAnotherThread) {
  constexpr int kTasks = 50;
  Loop loop;
  std::vector<std::thread> threads;
  int correct = 0;
  for (int i = 0; i < kTasks; ++i) loop.spawn(await_value(loop, threads, i, correct, kTasks));
  loop.run();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(correct, kTasks);
}

Task<> await_and_forget(Loop& loop, std::optional<Completion<int>::Resolver>& resolver) {
  Completion<int> done(loop);
  resolver = done.resolver();
  const int value = co_await done;
  ADD_FAILURE() << "resumed with " << value;
}

TEST(Completion, MayBeResolvedAfterItsCoroutineIsGone) {
  std::optional<Completion<int>::Resolver> resolver;
  Loop loop;
  {
    Loop doomed;
    doomed.spawn(await_and_forget(doomed, resolver));
    doomed.post([&doomed] { doomed.stop(); });
    doomed.run();
    (*resolver)(1);  // never runs: the loop ends first
  }
  resolver.reset();
}

TEST(Event, MayDieBeforeItsWaiters) {
  Loop loop;
  std::vector<bool> out;
  {
    Event event(loop);
    loop.spawn(wait_for(event, steady_clock::now() + milliseconds(5), out));
    loop.spawn(wait_for(event, SteadyTime::max(), out));
    loop.post([&loop] { loop.post([&loop] { loop.stop(); }); });
    loop.run();
  }
  loop.spawn(hold_for(loop, milliseconds(10)));
  loop.run();
  EXPECT_EQ(out, std::vector<bool>{false});
}

}  // namespace
}  // namespace postern::net
