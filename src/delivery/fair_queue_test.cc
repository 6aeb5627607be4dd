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

TEST(FairQueueTest, PromptGoesFirstAndBulkIsNotStarved) {
  FairQueue<char> queue;
  for (const char c : std::string("12")) queue.push(AccountId{1}, c, Urgency::Bulk);
  for (const char c : std::string("abcdefghijkl")) queue.push(AccountId{2}, c);
  EXPECT_EQ(queue.size(Urgency::Bulk), 2U);
  EXPECT_EQ(drain(queue), "abcdefg1hijkl2");
}

TEST(FairQueueTest, ExcessIsTheNewestOfTheLongestBulkLine) {
  FairQueue<char> queue;
  for (const char c : std::string("abc")) queue.push(AccountId{1}, c);
  queue.push(AccountId{2}, '1', Urgency::Bulk);
  for (const char c : std::string("xy")) queue.push(AccountId{3}, c, Urgency::Bulk);
  std::string sent_away;
  while (!queue.empty()) sent_away += queue.pop_excess();
  EXPECT_EQ(sent_away.substr(3), "cba");
  EXPECT_EQ(sent_away[0], 'y');
}

}  // namespace
}  // namespace postern::delivery
