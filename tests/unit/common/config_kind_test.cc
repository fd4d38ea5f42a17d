// Which file is which, told by its keys.
#include "common/config/config_kind.h"

#include <gtest/gtest.h>

#include "config_test_util.h"

namespace hb {
namespace {

TEST(ConfigKindTest, TellsTheFilesByTheirKeys) {
  const struct {
    const char* name;
    std::string text;
    ConfigKind want;
  } kCases[] = {
      {"a controller's", std::string(kSoundController), ConfigKind::kController},
      {"an executor's", "node: a\nlisten: 192.168.0.1:7401\nallow: {}\n", ConfigKind::kExecutor},
      {"one key is enough", "state: /var/lib/hb/executor\n", ConfigKind::kExecutor},
      {"keys of both only", "listen: 192.168.0.1:7401\ninsecure: true\n", ConfigKind::kController},
      {"keys of both kinds", "node: a\nclusters: []\n", ConfigKind::kController},
      {"unknown keys beside", "nod: a\nservices: {}\n", ConfigKind::kExecutor},
      {"no key that is known", "a: b\n", ConfigKind::kController},
      {"no mapping", "- node\n", ConfigKind::kController},
      {"broken", "node: [\n", ConfigKind::kController},
      {"a key that is no word", "[node]: a\n", ConfigKind::kController},
      {"empty", "", ConfigKind::kController},
  };
  for (const auto& c : kCases) EXPECT_EQ(KindOfConfig(c.text), c.want) << c.name;
}

}  // namespace
}  // namespace hb
