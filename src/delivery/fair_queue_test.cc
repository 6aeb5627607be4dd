#include "delivery/fair_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace postern::delivery {
namespace {

std::string drain(FairQueue<char>& queue) {
  std::string order;
  while (!queue.empty()) order += queue.pop();
  return order;
}

TEST(FairQueueTest, AccountsTakeTurns) {
  FairQueue<char> queue;
  for (const char c : std::string("abcdef")) queue.push(AccountId{1}, c);
  queue.push(AccountId{2}, 'X');
  queue.push(AccountId{3}, 'Y');
  EXPECT_EQ(queue.size(), 8U);
  EXPECT_EQ(drain(queue), "aXYbcdef");
}

TEST(FairQueueTest, WhatIsPutBackIsNext) {
  FairQueue<char> queue;
  queue.push(AccountId{1}, 'a');
  queue.push(AccountId{1}, 'b');
  queue.push(AccountId{2}, 'X');
  queue.push_front(AccountId{1}, queue.pop());
  queue.push_front(AccountId{9}, '!');
  EXPECT_EQ(drain(queue), "!Xab");
}

}  // namespace
}  // namespace postern::delivery
