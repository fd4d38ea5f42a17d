// What the last holder may still work by after configurations have changed (L3, L7): who has
// promised it something by every one of them, and the loosest on_expiry.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "controller/core/terms.h"

namespace hb::controller {
namespace {

using ::testing::ElementsAre;

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

}  // namespace
}  // namespace hb::controller
