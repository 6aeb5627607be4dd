#include "delivery/room.h"

#include "delivery/site_names.h"

#include <gtest/gtest.h>

#include <string>

namespace postern::delivery {
namespace {

std::size_t admit_all(Room& room, Urgency urgency) {
  std::size_t admitted = 0;
  while (room.admit(urgency)) ++admitted;
  return admitted;
}

TEST(RoomTest, BulkMailLeavesHalfOfIt) {
  Room room(900);
  EXPECT_EQ(admit_all(room, Urgency::Bulk), 450U);
  EXPECT_EQ(admit_all(room, Urgency::Prompt), 450U);
}

TEST(RoomTest, WhatLeavesMakesRoom) {
  Room room(40);
  EXPECT_EQ(admit_all(room, Urgency::Prompt), 40U);
  room.leave();
  EXPECT_EQ(admit_all(room, Urgency::Bulk), 0U);
  EXPECT_EQ(admit_all(room, Urgency::Prompt), 1U);
  room.enter();  // from disk: the dispatcher has looked before
  EXPECT_EQ(room.taken(), 41U);
  EXPECT_FALSE(room.admit(Urgency::Prompt));
}

TEST(SiteNamesTest, DomainsOfOneProviderShareAName) {
  SiteNames names;
  EXPECT_EQ(names.of("a.example"), "a.example");
  names.learn("a.example", "provider big");
  names.learn("b.example", "provider big");
  EXPECT_EQ(names.of("a.example"), names.of("b.example"));
  names.learn("b.example", "mx.b.example");
  EXPECT_EQ(names.of("b.example"), "mx.b.example");
  for (std::size_t i = 0; i < SiteNames::kMax; ++i) names.learn(std::to_string(i), "x");
  EXPECT_EQ(names.of("a.example"), "a.example") << "forgotten, not grown";
}

}  // namespace
}  // namespace postern::delivery
