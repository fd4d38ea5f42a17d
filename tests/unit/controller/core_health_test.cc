// Damping of probes, and from evidence to a verdict: the table of the design row by row, and the
// whole space of evidence against what must hold always.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "controller/core/health.h"

namespace hb::controller {
namespace {

using State = ProbeHealth::State;
constexpr State kStates[] = {State::kUnknown, State::kUp, State::kDown};
constexpr ServiceState kServices[] = {ServiceState::kUnknown,  ServiceState::kStopped,
                                      ServiceState::kStarting, ServiceState::kRunning,
                                      ServiceState::kFailing,  ServiceState::kStopping,
                                      ServiceState::kFailed};

constexpr MonoTime At(int64_t s) { return MonoTime::FromNanoseconds(s * 1'000'000'000); }

TEST(ProbeHealthTest, TheFirstAnswerMakesItUpAndFallFailuresDown) {
  ProbeHealth health({3, 2});
  EXPECT_EQ(health.state(), State::kUnknown);
  health.Seen(true, "0.2 ms", At(1));
  EXPECT_TRUE(health.up());
  EXPECT_EQ(health.since(), At(1));
  health.Seen(false, "timed out", At(2));
  health.Seen(false, "timed out", At(3));
  EXPECT_TRUE(health.up());
  health.Seen(false, "no route", At(4));
  EXPECT_TRUE(health.down());
  EXPECT_EQ(health.since(), At(4));
  EXPECT_EQ(health.failing_since(), At(2));
  EXPECT_EQ(health.detail(), "no route");
}

TEST(ProbeHealthTest, AnAnswerInBetweenStartsTheCountAnew) {
  ProbeHealth health({3, 2});
  for (const bool good : {true, false, false, true, false, false}) health.Seen(good, "", At(1));
  EXPECT_TRUE(health.up());
  health.Seen(false, "", At(9));
  EXPECT_TRUE(health.down());
}

TEST(ProbeHealthTest, RisesOnlyAfterRiseAnswersInARow) {
  ProbeHealth health({1, 3});
  health.Seen(false, "", At(1));
  ASSERT_TRUE(health.down());  // from unknown, too
  for (const bool good : {true, true, false, true, true}) health.Seen(good, "", At(2));
  EXPECT_TRUE(health.down());
  EXPECT_EQ(health.failing_since(), At(1));  // a failure while it is down is no new fault
  health.Seen(true, "", At(3));
  EXPECT_TRUE(health.up());
}

TEST(ProbeHealthTest, DroppingTheRunKeepsTheState) {
  ProbeHealth health({2, 2});
  health.Seen(true, "", At(1));
  health.Seen(false, "", At(2));
  health.DropRun();
  health.Seen(false, "", At(3));
  EXPECT_TRUE(health.up());
  health.Seen(false, "", At(4));
  EXPECT_TRUE(health.down());
  EXPECT_EQ(health.failing_since(), At(3));
  health.Seen(true, "", At(5));
  health.DropRun();
  health.Seen(true, "", At(6));
  EXPECT_TRUE(health.down());
}

TEST(ProbeHealthTest, ResetForgetsAll) {
  ProbeHealth health({1, 1});
  health.Seen(false, "timed out", At(1));
  health.Reset(At(2));
  EXPECT_EQ(health.state(), State::kUnknown);
  EXPECT_EQ(health.detail(), "");
  EXPECT_EQ(health.since(), At(2));
}

Evidence Speaking(State icmp, State http, ServiceState service, bool obstacles = false) {
  return {icmp, http, false, false, true, service, obstacles, false};
}
Evidence Silent(State icmp, State http, bool dialling = false, bool icmp_failing = false) {
  return {icmp, http, true, dialling, true, ServiceState::kRunning, false, icmp_failing};
}

// And another node has had an answer since this controller has none.
Evidence SeenElsewhere(Evidence evidence, bool host, bool page) {
  evidence.host_seen_elsewhere = host;
  evidence.page_seen_elsewhere = page;
  return evidence;
}

TEST(JudgeTest, Table) {
  const State up = State::kUp;
  const State down = State::kDown;
  const State unknown = State::kUnknown;
  const ServiceState running = ServiceState::kRunning;
  const struct {
    const char* name;
    Evidence evidence;
    Verdict verdict;
  } rows[] = {
      {"all well", Speaking(up, up, running), Verdict::kHealthy},
      {"service dead", Speaking(up, up, ServiceState::kFailed), Verdict::kServiceDown},
      {"its check fails", Speaking(up, up, ServiceState::kFailing), Verdict::kServiceDown},
      {"stopped by someone", Speaking(up, up, ServiceState::kStopped), Verdict::kServiceDown},
      {"service dead, own path bad", Speaking(down, down, ServiceState::kFailed),
       Verdict::kServiceDown},
      {"no page, ping good", Speaking(up, down, running), Verdict::kServiceDown},
      {"no page, ping good, executor silent", Silent(up, down), Verdict::kServiceDown},
      {"starting", Speaking(up, unknown, ServiceState::kStarting), Verdict::kHealthy},
      {"no ping, silent", Silent(down, unknown), Verdict::kNodeDown},
      {"no ping, no page, silent", Silent(down, down), Verdict::kNodeDown},
      {"no ping, never connected", Silent(down, unknown, true), Verdict::kNodeDown},
      {"no ping, but a page, silent", Silent(down, up), Verdict::kAgentDown},
      {"only the executor is gone", Silent(up, up), Verdict::kAgentDown},
      {"executor gone, no page expected", Silent(up, unknown), Verdict::kAgentDown},
      {"dialling, ping good", Silent(up, unknown, true), Verdict::kUnknown},
      {"silent, and the newest pings fail", Silent(up, unknown, false, true), Verdict::kUnknown},
      {"silent, pings fail, but a page", Silent(up, up, false, true), Verdict::kAgentDown},
      {"nothing known", Silent(unknown, unknown), Verdict::kUnknown},
      {"no ping here, silent, but another node's ping is answered",
       SeenElsewhere(Silent(down, unknown), true, false), Verdict::kAgentDown},
      {"no page here, silent, but another node has it",
       SeenElsewhere(Silent(up, down), false, true), Verdict::kAgentDown},
      {"no page here, but another node has it",
       SeenElsewhere(Speaking(up, down, running), false, true), Verdict::kPathDown},
      {"service dead, whatever page another node had",
       SeenElsewhere(Speaking(up, down, ServiceState::kFailed), true, true), Verdict::kServiceDown},
      {"no ping here, executor reports all good", Speaking(down, up, running), Verdict::kPathDown},
      {"nothing passes here, executor reports all good", Speaking(down, down, running),
       Verdict::kPathDown},
      {"obstacles", Speaking(up, up, running, true), Verdict::kUnable},
      {"obstacles, and no ping here", Speaking(down, up, running, true), Verdict::kUnable},
      {"obstacles and service dead", Speaking(up, up, ServiceState::kFailed, true),
       Verdict::kServiceDown},
  };
  for (const auto& row : rows) EXPECT_EQ(Judge(row.evidence), row.verdict) << row.name;
}

void ForAllEvidence(const std::function<void(const Evidence&)>& check) {
  for (const State icmp : kStates) {
    for (const State http : kStates) {
      for (const ServiceState service : kServices) {
        for (int bits = 0; bits < 32; ++bits) {
          check({icmp, http, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, service,
                 (bits & 8) != 0, (bits & 16) != 0});
        }
      }
    }
  }
}

TEST(JudgeTest, WhatHoldsForAllEvidence) {
  int seen = 0;
  ForAllEvidence([&](const Evidence& e) {
    ++seen;
    const Verdict verdict = Judge(e);
    SCOPED_TRACE(testing::Message()
                 << "icmp " << static_cast<int>(e.icmp) << " http " << static_cast<int>(e.http)
                 << " silent " << e.silent << " dialling " << e.dialling << " expected "
                 << e.service_expected << " service " << static_cast<int>(e.service)
                 << " obstacles " << e.has_obstacles << ": " << verdict);
    const bool dead = e.service == ServiceState::kFailed || e.service == ServiceState::kFailing ||
                      e.service == ServiceState::kStopped;
    if (verdict == Verdict::kNodeDown) {
      EXPECT_TRUE(e.silent && e.icmp == State::kDown && e.http != State::kUp);
    }
    if (verdict == Verdict::kAgentDown) {
      EXPECT_TRUE(e.silent && !e.dialling && (e.icmp == State::kUp || e.http == State::kUp));
    }
    if (verdict == Verdict::kPathDown) {
      EXPECT_TRUE(!e.silent && e.icmp == State::kDown && !e.has_obstacles);
      EXPECT_FALSE(e.service_expected && dead);
    }
    if (verdict == Verdict::kServiceDown) {
      EXPECT_TRUE((!e.silent && e.service_expected && dead) || e.http == State::kDown);
    }
    if (verdict == Verdict::kUnable) {
      EXPECT_TRUE(!e.silent && e.has_obstacles);
    }
    if (verdict == Verdict::kHealthy) {
      EXPECT_TRUE(!e.silent && e.icmp != State::kDown && e.http != State::kDown);
      EXPECT_FALSE(e.has_obstacles);
    }
    if (verdict == Verdict::kUnknown) {
      EXPECT_TRUE(e.silent);
    }
    // What the silent executor said last counts for nothing.
    if (e.silent) {
      Evidence other = e;
      other.service = ServiceState::kFailed;
      other.has_obstacles = !e.has_obstacles;
      EXPECT_EQ(Judge(other), verdict);
    }
  });
  EXPECT_EQ(seen, 3 * 3 * 7 * 32);
}

TEST(ExplainTest, SaysWhatIsWrongOfWhom) {
  const struct {
    Verdict verdict;
    const char* text;
  } rows[] = {
      {Verdict::kUnknown, "It is not known yet how Master is"},
      {Verdict::kHealthy, "Master is well"},
      {Verdict::kServiceDown, "Master apache service is down"},
      {Verdict::kNodeDown, "Master host or its network is down"},
      {Verdict::kAgentDown, "Master executor does not answer, its host does"},
      {Verdict::kPathDown,
       "The controller's own path to Master is bad: its probes fail, the executor reports that all "
       "is well"},
      {Verdict::kUnable, "Master could not hold the floating address"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(Explain(row.verdict, "master", "apache service"), row.text);
  EXPECT_EQ(Explain(Verdict::kHealthy, "", ""), " is well");
}

}  // namespace
}  // namespace hb::controller
