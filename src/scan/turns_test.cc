#include "scan/turns.h"

#include <gtest/gtest.h>

#include <string>

namespace postern::scan {
namespace {

using namespace std::chrono_literals;

struct Scene {
  net::Loop loop;
  Turns turns{1};
  std::string told;
  int open = 0;
};

net::Task<> ask(Scene& scene, char name, std::chrono::milliseconds patience, std::chrono::milliseconds work) {
  const bool mine = co_await scene.turns.take(scene.loop, std::chrono::steady_clock::now() + patience);
  scene.told += mine ? name : '-';
  if (mine) {
    co_await scene.loop.sleep_until(std::chrono::steady_clock::now() + work);
    scene.turns.give_back();
  }
  if (--scene.open == 0) scene.loop.stop();
}

TEST(Turns, AreGivenInTheOrderOfTheirAskingAndNotPastTheDeadline) {
  Scene scene;
  scene.open = 5;
  scene.loop.spawn(ask(scene, 'a', 60s, 50ms));
  scene.loop.spawn(ask(scene, 'b', 60s, 1ms));
  scene.loop.spawn(ask(scene, 'x', 1ms, 1ms));  // gives up while a has its turn
  scene.loop.spawn(ask(scene, 'c', 60s, 1ms));
  scene.loop.spawn(ask(scene, 'd', 60s, 1ms));
  scene.loop.run();
  EXPECT_EQ(scene.told, "a-bcd");
}

TEST(Turns, AWaiterThatEndsWithItsLoopIsNotWoken) {
  Turns turns(1);
  net::Loop other;
  {
    Scene scene;
    scene.open = 1;
    scene.loop.spawn([](Scene& s, Turns& t) -> net::Task<> {
      const bool first = co_await t.take(s.loop, std::chrono::steady_clock::now() + 60s);
      EXPECT_TRUE(first);
      s.loop.stop();
      const bool second = co_await t.take(s.loop, std::chrono::steady_clock::now() + 60s);
      ADD_FAILURE() << second;
    }(scene, turns));
    scene.loop.run();
  }
  turns.give_back();
}

}  // namespace
}  // namespace postern::scan
