// What the last holder may still work by after configurations have changed (L3, L7): who has
// promised it something by every one of them, the loosest on_expiry, the VIPs of any; and how one
// configuration follows another.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "controller/core/terms.h"

namespace hb::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ClusterModel ModelOf(const std::vector<std::string>& nodes,
                     OnExpiry on_expiry = OnExpiry::kRelease) {
  ClusterModel model;
  for (const std::string& name : nodes) model.nodes.push_back({name, 100});
  model.on_expiry = on_expiry;
  return model;
}

TEST(TermsTest, TheFirstConfigurationsAreItsOwn) {
  Persistent state;
  Widen(ModelOf({"master", "slave"}, OnExpiry::kWitness), &state);
  EXPECT_THAT(state.terms_members, ElementsAre("master", "slave"));
  EXPECT_EQ(state.terms_policy, OnExpiry::kWitness);
}

TEST(TermsTest, OnlyWhoEveryConfigurationNamesHasPromised) {
  Persistent state;
  Widen(ModelOf({"master", "slave"}), &state);
  Widen(ModelOf({"master", "slave", "third"}), &state);
  EXPECT_THAT(state.terms_members, ElementsAre("master", "slave")) << "the third is new";
  Widen(ModelOf({"master", "third"}), &state);
  EXPECT_THAT(state.terms_members, ElementsAre("master"));
  Widen(ModelOf({"master", "slave", "third"}), &state);
  EXPECT_THAT(state.terms_members, ElementsAre("master")) << "the slave was away in between";
}

// An empty list means "this configuration's".
TEST(TermsTest, NobodyInCommonIsNotEverybody) {
  Persistent state;
  Widen(ModelOf({"master"}), &state);
  Widen(ModelOf({"slave"}), &state);
  ASSERT_FALSE(state.terms_members.empty());
  Widen(ModelOf({"master", "slave"}), &state);
  for (const std::string& name : state.terms_members) {
    EXPECT_TRUE(name != "master" && name != "slave") << name;
  }
}

TEST(TermsTest, TheLoosestPolicyCounts) {
  constexpr OnExpiry kPolicies[] = {OnExpiry::kRelease, OnExpiry::kWitness, OnExpiry::kHold};
  for (const OnExpiry before : kPolicies) {
    for (const OnExpiry after : kPolicies) {
      Persistent state;
      Widen(ModelOf({"master"}, before), &state);
      Widen(ModelOf({"master"}, after), &state);
      EXPECT_EQ(state.terms_policy, std::max(before, after))
          << static_cast<int>(before) << " " << static_cast<int>(after);
    }
  }
}

TEST(TermsTest, TheVipsOfEveryConfigurationMayBeHeld) {
  ClusterModel model = ModelOf({"master"});
  model.vips = {"192.168.0.111", "192.168.0.112"};
  Persistent state;
  Widen(model, &state);
  model.vips = {"192.168.0.113", "192.168.0.112"};
  Widen(model, &state);
  EXPECT_EQ(state.terms_vips, model.vips) << "nobody has held any";
  state.holder = "master";
  model.vips = {"192.168.0.111", "192.168.0.112"};
  Widen(model, &state);
  model.vips = {"192.168.0.113", "192.168.0.112"};
  Widen(model, &state);
  EXPECT_THAT(state.terms_vips, ElementsAre("192.168.0.113", "192.168.0.112", "192.168.0.111"));
  SetTerms(model, &state);
  EXPECT_EQ(state.terms_vips, model.vips);
}

TEST(TermsTest, TheSameNameElsewhereIsAnotherHost) {
  ClusterModel model = ModelOf({"master"});
  model.nodes.push_back({"slave", 50, "slave@192.168.0.2:7070"});
  Persistent state;
  state.holder = "slave";  // as earlier versions stored them
  state.terms_members = {"master", "slave"};
  Widen(model, &state);
  EXPECT_THAT(state.terms_members, ElementsAre("master", "slave@192.168.0.2:7070"));
  EXPECT_EQ(state.holder, "slave@192.168.0.2:7070");
  model.nodes[1].id = "slave@192.168.0.9:7070";
  Widen(model, &state);
  EXPECT_THAT(state.terms_members, ElementsAre("master"));
  EXPECT_EQ(state.holder, "slave@192.168.0.2:7070");
  EXPECT_FALSE(Names("slave@192.168.0.2:7070", model.nodes[1]));
}

class BeginTest : public ::testing::Test {
 protected:
  static ClusterModel Cluster(const std::string& name, const std::vector<std::string>& vips,
                              const std::vector<std::string>& nodes = {"master", "slave"}) {
    ClusterModel model = ModelOf(nodes);
    model.name = name;
    model.vips = vips;
    return model;
  }
  // As it is known while it runs, its holder the first node.
  static KnownCluster Running(const ClusterModel& model) {
    KnownCluster known;
    Widen(model, &known.state);
    known.state.epoch = 7;
    known.state.established = true;
    known.state.holder = model.nodes[0].id;
    known.longest_ttl = absl::Seconds(2);
    known.nodes = model.nodes;
    return known;
  }
  // As it is known from the store alone.
  static KnownCluster Stored(const ClusterModel& model) {
    KnownCluster known = Running(model);
    known.nodes.clear();
    return known;
  }
  void ExpectRefused(const std::vector<ClusterModel>& wanted, const std::string& why) {
    const auto beginnings = Begin(wanted, known_);
    ASSERT_FALSE(beginnings.ok()) << why;
    EXPECT_TRUE(absl::IsFailedPrecondition(beginnings.status()));
    EXPECT_THAT(std::string(beginnings.status().message()), HasSubstr(why));
  }

  KnownClusters known_;
};

TEST_F(BeginTest, OfAClusterThatIsNewNothingIsKnown) {
  const auto beginnings = Begin({Cluster("web", {"192.168.0.111"})}, known_);
  ASSERT_TRUE(beginnings.ok()) << beginnings.status();
  EXPECT_EQ(beginnings->at(0).longest_ttl, kMaxTtl);
  EXPECT_FALSE(beginnings->at(0).state.established);
  EXPECT_EQ(beginnings->at(0).renamed_from, "");
  EXPECT_THAT(beginnings->at(0).state.terms_vips, ElementsAre("192.168.0.111"));
}

TEST_F(BeginTest, ARecordThatIsOlderThanTheTtlSaysLittle) {
  ClusterModel web = Cluster("web", {"192.168.0.111"});
  known_["web"] = Stored(web);
  web.ttl = absl::Seconds(2);
  EXPECT_EQ(Begin({web}, known_)->at(0).longest_ttl, absl::Seconds(2));
  web.ttl = absl::Seconds(3);
  EXPECT_EQ(Begin({web}, known_)->at(0).longest_ttl, kMaxTtl);
}

TEST_F(BeginTest, AnotherNameTakesEverythingAlong) {
  for (const bool running : {true, false}) {
    const ClusterModel web = Cluster("web", {"192.168.0.111"});
    known_["web"] = running ? Running(web) : Stored(web);
    known_["web"].state.paused = true;
    // Of nobody: a leftover that says nothing.
    known_["site"] = {};
    const auto beginnings = Begin({Cluster("site", {"192.168.0.111"})}, known_);
    ASSERT_TRUE(beginnings.ok()) << beginnings.status();
    const Beginning& site = beginnings->at(0);
    EXPECT_EQ(site.renamed_from, "web");
    EXPECT_EQ(site.longest_ttl, absl::Seconds(2));
    EXPECT_EQ(site.state, known_["web"].state);
  }
}

TEST_F(BeginTest, WhatOperatorsSaidOutlivesARestartBeforeAnybodyHeld) {
  known_["web"] = Stored(Cluster("web", {"192.168.0.111"}));
  known_["web"].state.holder.clear();
  known_["web"].state.paused = true;
  const auto beginnings = Begin({Cluster("web", {"192.168.0.111"})}, known_);
  ASSERT_TRUE(beginnings.ok()) << beginnings.status();
  EXPECT_TRUE(beginnings->at(0).state.paused);
  EXPECT_TRUE(beginnings->at(0).state.established);
  EXPECT_EQ(beginnings->at(0).renamed_from, "");
}

// A record of former times does not hide who holds now.
TEST_F(BeginTest, AnotherNameThatIsKnownAlreadyIsRefused) {
  known_["site"] = Running(Cluster("site", {"192.168.0.111"}));
  known_["web"] = Stored(Cluster("web", {"192.168.0.111"}, {"slave", "master"}));
  ExpectRefused({Cluster("web", {"192.168.0.111"})},
                "cluster web: master may still hold 192.168.0.111 for cluster site");
}

TEST_F(BeginTest, AVipIsNotMovedBeforeItsHolderHasConfirmed) {
  const ClusterModel web = Cluster("web", {"192.168.0.111", "192.168.0.112"});
  const ClusterModel mail = Cluster("mail", {"192.168.0.113"}, {"slave", "master"});
  known_ = {{"web", Running(web)}, {"mail", Running(mail)}};
  const std::string why = "cluster mail: master may still hold 192.168.0.112 for cluster web";
  const ClusterModel less = Cluster("web", {"192.168.0.111"});
  const ClusterModel more =
      Cluster("mail", {"192.168.0.113", "192.168.0.112"}, {"slave", "master"});
  ExpectRefused({less, more}, why);
  // Nor does one get it that nothing is known of.
  ExpectRefused({less, Cluster("news", {"192.168.0.112"})}, "cluster news: master may still hold");
  // First it is taken out, then it is put in.
  const auto first = Begin({less, mail}, known_);
  ASSERT_TRUE(first.ok()) << first.status();
  known_["web"].state = first->at(0).state;
  ExpectRefused({less, more}, why);
  SetTerms(less, &known_["web"].state);  // it has confirmed
  const auto second = Begin({less, more}, known_);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->at(1).renamed_from, "");
}

TEST_F(BeginTest, NorIsTheVipOfAClusterThatIsRemoved) {
  known_["mail"] = Running(Cluster("mail", {"192.168.0.113"}));
  const ClusterModel both = Cluster("mail", {"192.168.0.113", "192.168.0.111"});
  for (const bool running : {true, false}) {
    const ClusterModel web = Cluster("web", {"192.168.0.111"}, {"slave", "master"});
    known_["web"] = running ? Running(web) : Stored(web);
    ExpectRefused({both}, "cluster mail: slave may still hold 192.168.0.111 for cluster web");
  }
  known_["mail"].state.holder.clear();
  ExpectRefused({both}, "cluster mail: slave may still hold 192.168.0.111 for cluster web");
  known_["web"].state.holder.clear();
  EXPECT_TRUE(Begin({both}, known_).ok()) << "nobody ever held it";
}

TEST_F(BeginTest, TwoHoldersAreNotMadeOne) {
  known_["web"] = Running(Cluster("web", {"192.168.0.111"}));
  known_["mail"] = Running(Cluster("mail", {"192.168.0.112"}, {"slave", "master"}));
  ExpectRefused({Cluster("all", {"192.168.0.111", "192.168.0.112"})}, "cluster all: ");
}

TEST_F(BeginTest, OneClusterIsMadeTwo) {
  known_["web"] = Running(Cluster("web", {"192.168.0.111", "192.168.0.112"}));
  const auto beginnings =
      Begin({Cluster("a", {"192.168.0.111"}), Cluster("b", {"192.168.0.112"})}, known_);
  ASSERT_TRUE(beginnings.ok()) << beginnings.status();
  for (const Beginning& beginning : *beginnings) {
    EXPECT_EQ(beginning.renamed_from, "web");
    EXPECT_EQ(beginning.state.holder, "master");
    // Each waits for the holder of its own.
    EXPECT_EQ(beginning.state.terms_vips.size(), 1U);
  }
  // A restart before either is confirmed.
  known_ = {{"a", {beginnings->at(0).state, absl::Seconds(2)}},
            {"b", {beginnings->at(1).state, absl::Seconds(2)}}};
  EXPECT_TRUE(
      Begin({Cluster("a", {"192.168.0.111"}), Cluster("b", {"192.168.0.112"})}, known_).ok());
}

TEST_F(BeginTest, ARunningHolderIsNotTakenOutUnderAnyName) {
  const ClusterModel web = Cluster("web", {"192.168.0.111"});
  known_["web"] = Running(web);
  for (const std::string name : {"web", "site"}) {
    ExpectRefused({Cluster(name, {"192.168.0.111"}, {"slave", "third"})},
                  "master held last and can't be taken out");
    ClusterModel elsewhere = Cluster(name, {"192.168.0.111"});
    elsewhere.nodes[0].id = "master@192.168.0.9:7070";
    known_["web"].state.holder = known_["web"].nodes[0].id = "master@192.168.0.1:7070";
    ExpectRefused({elsewhere}, "master@192.168.0.1:7070 held last and can't be taken out");
    known_["web"] = Running(web);
  }
  // It is waited for where the running configuration does not have it already, and by who starts
  // with such a config.
  known_["web"].state.holder = "gone";
  EXPECT_TRUE(Begin({Cluster("web", {"192.168.0.111"}, {"slave", "third"})}, known_).ok());
  known_["web"] = Stored(web);
  EXPECT_TRUE(Begin({Cluster("web", {"192.168.0.111"}, {"slave", "third"})}, known_).ok());
}

}  // namespace
}  // namespace hb::controller
