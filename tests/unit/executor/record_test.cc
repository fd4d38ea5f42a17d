// A cluster's record as a line: whatever is written is read back, and nothing else is.
#include "executor/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hb::executor {
namespace {

using ::testing::HasSubstr;

Record Full() {
  Record record;
  record.epoch = 1'700'000'000;
  record.longest_promise = absl::Milliseconds(1500);
  record.controller = "0a1b=c";
  record.followed_for = absl::Seconds(50);
  Spec spec;
  spec.cluster = "web";
  spec.revision = 0xffffffffffffffff;
  spec.vips = {{IpPrefix::Parse("192.168.0.111/24").value(), "eth0"},
               {IpPrefix::Parse("fd00::111/64").value(), "bond0.7"}};
  spec.service = "website";
  spec.on_expiry = OnExpiry::kWitness;
  spec.witness = "gateway";
  spec.witness_interval = absl::Milliseconds(200);
  spec.peers = {{"slave", "192.168.0.2:7401"}, {"third", "[fd00::3]:7401"}};
  spec.firewall = FirewallSpec{IpAddress::Parse("192.168.0.1").value(),
                               {IpPrefix::Parse("192.168.0.2/32").value()},
                               true,
                               {80, 443}};
  record.spec = spec;
  return record;
}

TEST(RecordTest, IsReadBackAsItWasWritten) {
  Record no_firewall = Full();
  no_firewall.spec->firewall.reset();
  no_firewall.spec->on_expiry = OnExpiry::kHold;
  no_firewall.spec->witness.clear();
  no_firewall.spec->witness_interval = absl::ZeroDuration();
  Record bare;
  bare.epoch = 7;
  for (const Record& record : {Full(), no_firewall, bare}) {
    const auto read = RecordFromLine(RecordToLine("web", record));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->first, "web");
    EXPECT_TRUE(read->second == record) << RecordToLine("web", read->second);
  }
}

TEST(RecordTest, WhatIsMalformedIsNamed) {
  struct Case {
    const char* line;
    const char* text;
  };
  const Case cases[] = {
      {"", "does not begin"},
      {"epoch=7", "does not begin"},
      {"web", "has no epoch"},
      {"web epoch", "epoch"},
      {"web epoch=x", "epoch=x"},
      {"web epoch=-1", "epoch=-1"},
      {"web epoch=7 promise_ns=-5", "promise_ns=-5"},
      {"web epoch=7 controller=", "controller="},
      {"web epoch=7 colour=red", "colour=red"},
      {"web epoch=7 revision=0", "revision=0"},
      {"web epoch=7 revision=5", "no revision, VIP or service"},
      {"web epoch=7 revision=5 service=w vip=192.168.0.1", "vip=192.168.0.1"},
      {"web epoch=7 revision=5 service=w vip=@eth0", "vip=@eth0"},
      {"web epoch=7 on_expiry=never", "on_expiry=never"},
      {"web epoch=7 tcp=0", "tcp=0"},
      {"web epoch=7 tcp=65536", "tcp=65536"},
      {"web epoch=7 source=here", "source=here"},
      {"web epoch=7 peer=slave", "peer=slave"},
      {"web epoch=7 promise_ns=60000000001", "promise_ns=60000000001"},
      {"web epoch=7 epoch=3", "not as hb writes it"},
      {"web epoch=+7", "not as hb writes it"},
      {"web epoch=7 promise_ns=0", "not as hb writes it"},
      {"web epoch=7 revision=5 service=w vip=192.168.0.1/32@eth0", "not as hb writes it"},
      {"web epoch=7 revision=5 service=w on_expiry=release vip=192.168.0.1@eth0",
       "not as hb writes it"},
      {"web epoch=7 revision=5 service=w on_expiry=witness vip=192.168.0.1/32@eth0",
       "witness and its policy"},
      {"web epoch=7 revision=5 service=w on_expiry=witness witness=gateway witness_interval_ns=0 "
       "vip=192.168.0.1/32@eth0",
       "witness and its policy"},
      {"web epoch=7 revision=5 service=w on_expiry=hold witness=gateway witness_interval_ns=5 "
       "vip=192.168.0.1/32@eth0",
       "witness and its policy"},
  };
  for (const Case& c : cases) {
    const auto read = RecordFromLine(c.line);
    ASSERT_FALSE(read.ok()) << c.line;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(c.text)) << c.line;
  }
}

}  // namespace
}  // namespace hb::executor
