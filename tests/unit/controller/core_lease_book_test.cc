// The lease book: rules L2 and L3 of the design as far as one account of grants can hold them.
#include <gtest/gtest.h>

#include "controller/core/lease_book.h"

namespace hb::controller {
namespace {

constexpr MonoTime At(int64_t ms) {
  return MonoTime::FromNanoseconds(1'000'000'000 + ms * 1'000'000);
}

NodeReport Released(ReportId void_before) {
  NodeReport report;
  report.void_before = void_before;
  return report;
}

TEST(LeaseBookTest, CountsALeaseFromTheSendingTimesElevenTenths) {
  LeaseBook book(2);
  EXPECT_EQ(book.End(0), MonoTime());
  book.Granted(0, {1, 5}, absl::Seconds(1), At(0));
  EXPECT_EQ(book.End(0), At(1100));
  EXPECT_EQ(book.End(1), MonoTime());
}

TEST(LeaseBookTest, OnlyGrowsWhateverTtlALaterOrderCarries) {
  LeaseBook book(1);
  book.Granted(0, {1, 5}, absl::Seconds(10), At(0));
  book.Granted(0, {1, 6}, absl::Milliseconds(100), At(500));
  EXPECT_EQ(book.End(0), At(11000));
  book.Granted(0, {1, 7}, absl::Seconds(10), At(600));
  EXPECT_EQ(book.End(0), At(11600));
}

TEST(LeaseBookTest, AReleaseIsProvenOnlyBeyondTheNewestAnsweredReport) {
  LeaseBook book(1);
  book.Granted(0, {1, 5}, absl::Seconds(1), At(0));
  book.Granted(0, {1, 4}, absl::Seconds(1), At(0));  // does not lower it
  EXPECT_FALSE(book.ReleaseProven(0, std::nullopt));
  EXPECT_FALSE(book.ReleaseProven(0, Released({1, 4})));
  EXPECT_FALSE(book.ReleaseProven(0, Released({1, 5})));  // the grant that answers 5 is not void
  EXPECT_TRUE(book.ReleaseProven(0, Released({1, 6})));
  EXPECT_TRUE(book.ReleaseProven(0, Released({2, 1})));
  NodeReport holding = Released({1, 6});
  holding.holding = true;
  EXPECT_FALSE(book.ReleaseProven(0, holding));
}

TEST(LeaseBookTest, AfterARestartNothingIsProvenBeforeAFirstOwnGrant) {
  LeaseBook book(2);
  book.AssumeGrantsUntil(At(2000));
  EXPECT_EQ(book.End(0), At(2000));
  EXPECT_FALSE(book.ReleaseProven(0, Released({9, 9})));
  book.Granted(0, {9, 10}, absl::Seconds(1), At(0));
  EXPECT_EQ(book.End(0), At(2000));  // what was assumed still counts
  EXPECT_FALSE(book.ReleaseProven(0, Released({9, 10})));
  EXPECT_TRUE(book.ReleaseProven(0, Released({9, 11})));
  EXPECT_FALSE(book.ReleaseProven(1, Released({9, 11})));
}

TEST(LeaseBookTest, WhatIsAssumedOnlyGrows) {
  LeaseBook book(1);
  book.AssumeGrantsUntil(At(2000));
  book.AssumeGrantsUntil(At(1000));
  EXPECT_EQ(book.End(0), At(2000));
}

TEST(LeaseBookTest, SeeingAllHoldNothingClearsWhatWasAssumed) {
  LeaseBook book(1);
  book.AssumeGrantsUntil(At(2000));
  book.NothingAssumed(0);
  EXPECT_EQ(book.End(0), MonoTime());
  EXPECT_TRUE(book.ReleaseProven(0, Released({1, 1})));
}

// "I hold nothing" says nothing of a grant of ours that is on its way.
TEST(LeaseBookTest, SeeingAllHoldNothingDoesNotClearOwnGrants) {
  LeaseBook book(1);
  book.Granted(0, {1, 5}, absl::Seconds(1), At(0));
  book.AssumeGrantsUntil(At(2000));
  book.NothingAssumed(0);
  EXPECT_EQ(book.End(0), At(1100));
  EXPECT_FALSE(book.ReleaseProven(0, Released({1, 5})));
  EXPECT_TRUE(book.ReleaseProven(0, Released({1, 6})));
}

}  // namespace
}  // namespace hb::controller
