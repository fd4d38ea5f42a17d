// The lease by itself: every refusal, every edge to the nanosecond, and the policies of L7. The
// space of grants is enumerated whole, because each of its corners is a way to two holders.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "executor/core/lease.h"

namespace hb::executor {
namespace {

constexpr Duration kTtl = absl::Seconds(1);
constexpr Duration kNano = absl::Nanoseconds(1);

MonoTime At(Duration since_boot) { return MonoTime() + since_boot; }

const MonoTime kStamp = At(absl::Seconds(100));

Grant MakeGrant(uint64_t epoch = 7, ReportId answers = {1, 10}, MonoTime stamp = kStamp,
                Duration ttl = kTtl) {
  return {epoch, answers, stamp, ttl};
}

Lease Taken(OnExpiry policy = OnExpiry::kRelease) {
  Lease lease(7);
  lease.SetPolicy(policy);
  EXPECT_TRUE(lease.Take(MakeGrant(), kStamp).ok());
  return lease;
}

// Everything that a refused grant must leave as it was.
std::string Dump(const Lease& lease) {
  return absl::StrCat(lease.taken(), " ", ToString(lease.end()), " ", ToString(lease.Until()), " ",
                      absl::FormatDuration(lease.ttl()), " ", lease.epoch(), " ",
                      lease.highest_epoch(), " ", lease.void_before().incarnation, ".",
                      lease.void_before().number);
}

TEST(LeaseTest, HoldsNothingBeforeAGrant) {
  for (const OnExpiry policy : {OnExpiry::kRelease, OnExpiry::kWitness, OnExpiry::kHold}) {
    Lease lease(7);
    lease.SetPolicy(policy);
    lease.WitnessAnswered(kStamp);
    EXPECT_FALSE(lease.Holds(MonoTime()));
    EXPECT_FALSE(lease.Holds(kStamp));
    EXPECT_FALSE(lease.Beyond(kStamp));
    EXPECT_FALSE(lease.taken());
  }
}

TEST(LeaseTest, RunsFromTheStampNotFromReceipt) {
  Lease lease(7);
  const MonoTime received = kStamp + absl::Milliseconds(900);
  ASSERT_TRUE(lease.Take(MakeGrant(), received).ok());
  EXPECT_EQ(lease.end(), kStamp + kTtl);
  EXPECT_TRUE(lease.Holds(received));
  EXPECT_TRUE(lease.Holds(kStamp + kTtl - kNano));
  EXPECT_FALSE(lease.Holds(kStamp + kTtl));
}

TEST(LeaseTest, DoesNotHoldAtTheInstantOfItsEnd) {
  const Lease lease = Taken();
  EXPECT_TRUE(lease.Holds(lease.end() - kNano));
  EXPECT_FALSE(lease.Holds(lease.end()));
  EXPECT_FALSE(lease.Holds(lease.end() + kNano));
  EXPECT_TRUE(lease.taken()) << "only GiveUp ends it for good";
}

TEST(LeaseTest, TtlMustBePositiveAndAtMostTheCap) {
  const struct {
    const char* name;
    Duration ttl;
    bool accepted;
  } kCases[] = {
      {"zero", absl::ZeroDuration(), false},
      {"negative", -kNano, false},
      {"a second less than nothing", absl::Seconds(-1), false},
      {"minus infinity", -absl::InfiniteDuration(), false},
      {"the smallest", kNano, true},
      {"the cap", kMaxTtl, true},
      {"just above the cap", kMaxTtl + kNano, false},
      {"infinite", absl::InfiniteDuration(), false},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    Lease lease(7);
    const absl::Status status = lease.Take(MakeGrant(7, {1, 10}, kStamp, c.ttl), kStamp);
    EXPECT_EQ(status.code(),
              c.accepted ? absl::StatusCode::kOk : absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(lease.Holds(kStamp), c.accepted);
  }
  EXPECT_EQ(kMaxTtl, absl::Seconds(60));
}

TEST(LeaseTest, EachRefusalSaysWhy) {
  const struct {
    const char* name;
    Grant grant;
    Duration received_after;
    absl::StatusCode code;
    const char* message;
  } kCases[] = {
      {"stale epoch", MakeGrant(6, {1, 10}), absl::ZeroDuration(),
       absl::StatusCode::kFailedPrecondition, "epoch 6 is stale: epoch 7"},
      {"void answer", MakeGrant(7, {1, 4}), absl::ZeroDuration(), absl::StatusCode::kAborted,
       "before the release"},
      {"void incarnation", MakeGrant(7, {0, 99}), absl::ZeroDuration(), absl::StatusCode::kAborted,
       "before the release"},
      {"older than obeyed", MakeGrant(7, {1, 9}), absl::ZeroDuration(), absl::StatusCode::kAborted,
       "older report than one"},
      {"too late", MakeGrant(7, {1, 11}), kTtl, absl::StatusCode::kFailedPrecondition, "too late"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    Lease lease(7);
    lease.GiveUp({1, 5});
    ASSERT_TRUE(lease.Take(MakeGrant(), kStamp).ok());
    const std::string before = Dump(lease);
    const absl::Status status = lease.Take(c.grant, kStamp + c.received_after);
    EXPECT_EQ(status.code(), c.code);
    EXPECT_NE(status.message().find(c.message), std::string::npos) << status;
    EXPECT_EQ(Dump(lease), before);
  }
}

// All grants to a lease that has given up once, at report 5, and has (or has not) obeyed report 10.
TEST(LeaseTest, EveryGrantIsTakenExactlyWhenEachRuleAllowsIt) {
  const std::vector<ReportId> answers = {{0, 50}, {1, 4}, {1, 5}, {1, 9}, {1, 10}, {1, 11}, {2, 1}};
  const std::vector<Duration> ttls = {-kNano,  absl::ZeroDuration(), kNano, kTtl,
                                      kMaxTtl, kMaxTtl + kNano};
  int taken = 0;
  int refused = 0;
  for (const bool obeyed : {false, true}) {
    for (const uint64_t epoch : {6, 7, 8}) {
      for (const ReportId id : answers) {
        for (const Duration ttl : ttls) {
          for (const Duration late : {-kNano, absl::ZeroDuration(), kNano}) {
            Lease lease(7);
            lease.GiveUp({1, 5});
            if (obeyed) {
              ASSERT_TRUE(lease.Take(MakeGrant(), kStamp).ok());
            }
            const std::string before = Dump(lease);
            const MonoTime now = kStamp + ttl + late;
            const absl::Status status = lease.Take(MakeGrant(epoch, id, kStamp, ttl), now);
            const bool allowed = epoch >= 7 && id >= ReportId{1, 5} &&
                                 (!obeyed || id >= ReportId{1, 10}) && ttl > absl::ZeroDuration() &&
                                 ttl <= kMaxTtl && late < absl::ZeroDuration();
            ASSERT_EQ(status.ok(), allowed)
                << "epoch " << epoch << " answers " << id << " ttl " << ttl << " late " << late;
            if (allowed) {
              ++taken;
              EXPECT_TRUE(lease.Holds(now));
              EXPECT_FALSE(lease.Holds(kStamp + ttl));
              EXPECT_EQ(lease.epoch(), epoch);
              EXPECT_EQ(lease.ttl(), ttl);
              EXPECT_EQ(lease.highest_epoch(), epoch);
            } else {
              ++refused;
              EXPECT_EQ(Dump(lease), before);
            }
          }
        }
      }
    }
  }
  EXPECT_EQ(taken, 48);  // 2 epochs × (5 + 3 answers) × 3 ttls × not late
  EXPECT_EQ(refused, 2 * 3 * 7 * 6 * 3 - 48);
}

TEST(LeaseTest, IsRenewedByLaterReportsAndByTheSameOneAgain) {
  Lease lease = Taken();
  const MonoTime later = kStamp + absl::Milliseconds(200);
  ASSERT_TRUE(lease.Take(MakeGrant(7, {1, 11}, later), later).ok());
  EXPECT_EQ(lease.end(), later + kTtl);
  // Answered twice: it ends where it did.
  ASSERT_TRUE(lease.Take(MakeGrant(7, {1, 11}, later), later + absl::Milliseconds(100)).ok());
  EXPECT_EQ(lease.end(), later + kTtl);
  EXPECT_EQ(lease.Take(MakeGrant(7, {1, 10}), later).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(lease.end(), later + kTtl);
}

TEST(LeaseTest, ShorterTtlCountsFromItsGrantOn) {
  Lease lease = Taken();
  ASSERT_TRUE(lease.Take(MakeGrant(7, {1, 11}, kStamp, absl::Milliseconds(300)), kStamp).ok());
  EXPECT_FALSE(lease.Holds(kStamp + absl::Milliseconds(300)));
}

TEST(LeaseTest, GivingUpVoidsWhatAnswersAnOlderReport) {
  for (const OnExpiry policy : {OnExpiry::kRelease, OnExpiry::kWitness, OnExpiry::kHold}) {
    Lease lease = Taken(policy);
    lease.GiveUp({1, 15});
    EXPECT_FALSE(lease.taken());
    EXPECT_FALSE(lease.Holds(kStamp));
    EXPECT_FALSE(lease.Beyond(kStamp + kTtl));
    EXPECT_EQ(lease.void_before(), (ReportId{1, 15}));
    EXPECT_FALSE(lease.Take(MakeGrant(7, {1, 14}), kStamp).ok());
    EXPECT_FALSE(lease.Holds(kStamp));
    EXPECT_TRUE(lease.Take(MakeGrant(7, {1, 15}), kStamp).ok());
    EXPECT_TRUE(lease.Holds(kStamp));
  }
}

TEST(LeaseTest, WhatIsVoidStaysVoid) {
  Lease lease(7);
  lease.GiveUp({2, 3});
  lease.GiveUp({2, 1});
  lease.GiveUp({1, 99});
  EXPECT_EQ(lease.void_before(), (ReportId{2, 3}));
}

TEST(LeaseTest, HighestEpochNeverFalls) {
  Lease lease(7);
  uint64_t highest = 7;
  for (const uint64_t epoch : {7, 3, 9, 8, 0, 9, 12, 1}) {
    lease.RaiseHighestEpoch(epoch);
    highest = std::max<uint64_t>(highest, epoch);
    ASSERT_EQ(lease.highest_epoch(), highest);
    EXPECT_TRUE(lease.CheckEpoch(highest).ok());
    EXPECT_TRUE(lease.CheckEpoch(highest + 1).ok());
    EXPECT_EQ(lease.CheckEpoch(highest - 1).code(), absl::StatusCode::kFailedPrecondition);
  }
  // A grant raises it; giving up does not lower it; the epoch held last is remembered.
  ASSERT_TRUE(lease.Take(MakeGrant(20), kStamp).ok());
  lease.GiveUp({1, 11});
  EXPECT_EQ(lease.highest_epoch(), 20u);
  EXPECT_EQ(lease.epoch(), 20u);
  EXPECT_FALSE(lease.CheckEpoch(19).ok());
}

TEST(LeaseTest, ReleasePolicyIgnoresTheWitness) {
  Lease lease = Taken(OnExpiry::kRelease);
  lease.WitnessAnswered(kStamp + kTtl - kNano);
  EXPECT_EQ(lease.Until(), lease.end());
  EXPECT_FALSE(lease.Holds(lease.end()));
  EXPECT_FALSE(lease.Beyond(lease.end()));
}

TEST(LeaseTest, WitnessPolicyEndsWithTheLeaseWhenNobodyAnswered) {
  const Lease lease = Taken(OnExpiry::kWitness);
  EXPECT_EQ(lease.Until(), lease.end());
  EXPECT_FALSE(lease.Holds(lease.end()));
}

TEST(LeaseTest, WitnessPolicyGoesOnAtMostTtlBeyondTheLastAnsweredQuestion) {
  Lease lease = Taken(OnExpiry::kWitness);
  const MonoTime asked = kStamp + absl::Milliseconds(700);
  lease.WitnessAnswered(asked);
  EXPECT_EQ(lease.end(), kStamp + kTtl);
  EXPECT_FALSE(lease.Beyond(lease.end() - kNano));
  EXPECT_TRUE(lease.Beyond(lease.end()));
  EXPECT_TRUE(lease.Holds(asked + kTtl - kNano));
  EXPECT_FALSE(lease.Holds(asked + kTtl));
  EXPECT_FALSE(lease.Beyond(asked + kTtl));
  // A question asked earlier whose answer comes later takes nothing back.
  lease.WitnessAnswered(asked - absl::Milliseconds(500));
  EXPECT_EQ(lease.Until(), asked + kTtl);
  lease.WitnessAnswered(asked + absl::Milliseconds(200));
  EXPECT_EQ(lease.Until(), asked + absl::Milliseconds(200) + kTtl);
}

TEST(LeaseTest, OldWitnessAnswerDoesNotShortenTheLease) {
  Lease lease = Taken(OnExpiry::kWitness);
  lease.WitnessAnswered(kStamp - absl::Seconds(5));
  EXPECT_EQ(lease.Until(), lease.end());
}

TEST(LeaseTest, HoldPolicyGoesOnRegardless) {
  const Lease lease = Taken(OnExpiry::kHold);
  EXPECT_FALSE(lease.Beyond(lease.end() - kNano));
  EXPECT_TRUE(lease.Beyond(lease.end()));
  EXPECT_TRUE(lease.Holds(lease.end() + absl::Hours(24 * 365)));
  EXPECT_EQ(lease.Until(), MonoTime::Infinite());
}

TEST(LeaseTest, AnswerAfterGivingUpRevivesNothing) {
  Lease lease = Taken(OnExpiry::kWitness);
  lease.GiveUp({1, 11});
  lease.WitnessAnswered(kStamp + kTtl - kNano);
  EXPECT_FALSE(lease.Holds(kStamp));
  EXPECT_FALSE(lease.Holds(kStamp + kTtl));
}

TEST(LeaseTest, NewLeaseOwesNothingToTheWitnessOfAnEarlierOne) {
  Lease lease = Taken(OnExpiry::kWitness);
  lease.WitnessAnswered(kStamp + absl::Milliseconds(900));
  lease.GiveUp({1, 11});
  ASSERT_TRUE(
      lease.Take(MakeGrant(8, {1, 11}, kStamp, absl::Milliseconds(950)), kStamp + kNano).ok());
  EXPECT_EQ(lease.Until(), kStamp + absl::Milliseconds(950));
}

TEST(LeaseTest, WhatWasPromisedToAnEarlierEpochCountsNoMore) {
  for (const uint64_t epoch : {uint64_t{7}, uint64_t{8}}) {
    Lease lease = Taken();
    lease.PromisedUntil(kStamp + 10 * kTtl);
    ASSERT_TRUE(lease.Take(MakeGrant(epoch, {1, 11}, kStamp + kTtl / 2), kStamp + kTtl / 2).ok());
    EXPECT_EQ(lease.Until(), epoch == 7 ? kStamp + 10 * kTtl : kStamp + kTtl * 3 / 2);
  }
}

TEST(LeaseTest, PolicyCountsFromWhenItIsSet) {
  Lease lease = Taken(OnExpiry::kHold);
  const MonoTime later = lease.end() + absl::Seconds(5);
  ASSERT_TRUE(lease.Holds(later));
  lease.SetPolicy(OnExpiry::kRelease);
  EXPECT_EQ(lease.policy(), OnExpiry::kRelease);
  EXPECT_FALSE(lease.Holds(later));
}

}  // namespace
}  // namespace hb::executor
