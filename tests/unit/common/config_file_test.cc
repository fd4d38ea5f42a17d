// The config files as they lie on the disk: the samples load, and what can't be read says why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/config/controller_config.h"
#include "common/config/executor_config.h"

namespace hb {
namespace {

namespace fs = std::filesystem;

const std::string kSamples = HB_SAMPLES;

// A directory of its own, removed at the end.
class ConfigFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "hb-config-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string Write(const std::string& name, const std::string& text) const {
    std::string path = directory_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  std::string directory_;
};

TEST_F(ConfigFileTest, SampleOfTheControllerLoads) {
  const auto config = LoadControllerConfig(kSamples + "/controller.yaml");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_THAT(config->listen(),
              testing::ElementsAre("unix:///run/hb/controller.sock", "192.168.0.2:7400"));
  ASSERT_EQ(config->clusters_size(), 1);
  const hb::v1::ClusterConfig& web = config->clusters(0);
  EXPECT_EQ(web.vips(0).address(), "192.168.0.111/24");
  EXPECT_EQ(web.nodes(0).name(), "master");
  EXPECT_GT(web.nodes(0).priority(), web.nodes(1).priority());
  EXPECT_EQ(web.service().label(), "apache service");
  EXPECT_EQ(web.firewall().tcp().at(80), hb::v1::FIREWALL_SOURCE_PEERS);
}

TEST_F(ConfigFileTest, SampleOfTheThirdHostDiffersInItsListenerAlone) {
  auto config = LoadControllerConfig(kSamples + "/third-host/controller.yaml");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->listen(1), "192.168.0.3:7400");
  const auto sample = LoadControllerConfig(kSamples + "/controller.yaml");
  ASSERT_TRUE(sample.ok());
  config->set_listen(1, sample->listen(1));
  EXPECT_EQ(config->DebugString(), sample->DebugString());
}

TEST_F(ConfigFileTest, SamplesOfTheExecutorLoadAndFitTheControllers) {
  const auto controller = LoadControllerConfig(kSamples + "/controller.yaml");
  ASSERT_TRUE(controller.ok());
  const hb::v1::ClusterConfig& web = controller->clusters(0);
  for (const char* name : {"executor.yaml", "lab/master.yaml", "lab/slave.yaml"}) {
    SCOPED_TRACE(name);
    const auto config = LoadExecutorConfig(absl::StrCat(kSamples, "/", name));
    ASSERT_TRUE(config.ok()) << config.status().message();
    const auto node = std::find_if(web.nodes().begin(), web.nodes().end(), [&](const auto& n) {
      return n.name() == config->node() && n.executor() == config->listen();
    });
    EXPECT_NE(node, web.nodes().end()) << config->node() << " " << config->listen();
    ASSERT_TRUE(config->services().contains(web.service().name()));
    EXPECT_EQ(config->services().at(web.service().name()).checks(0).http(), "http://127.0.0.1/");
    EXPECT_EQ(config->allow().interfaces(0), web.vips(0).interface());
    EXPECT_THAT(config->allow().firewall_tcp(), testing::ElementsAre(80));
  }
}

// Every file beside the samples that are named above has a test, too.
TEST_F(ConfigFileTest, NoSampleIsLeftOut) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(kSamples)) {
    if (entry.path().extension() == ".yaml") {
      names.push_back(fs::relative(entry.path(), kSamples).string());
    }
  }
  EXPECT_THAT(names,
              testing::UnorderedElementsAre("controller.yaml", "executor.yaml", "lab/master.yaml",
                                            "lab/slave.yaml", "third-host/controller.yaml"));
}

TEST_F(ConfigFileTest, NamesTheFileInErrors) {
  const std::string path = Write("hb.yaml", "insecure: true\nclusters: web\n");
  EXPECT_EQ(std::string(LoadControllerConfig(path).status().message()),
            absl::StrCat(path, ":2:11: clusters: expects a list, not 'web'; put [ ] around it"));
}

TEST_F(ConfigFileTest, SaysWhyAFileCannotBeRead) {
  const absl::Status missing = LoadControllerConfig(directory_ + "/none.yaml").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(std::string(missing.message()),
            directory_ + "/none.yaml: cannot be opened: No such file or directory");

  const absl::Status directory = LoadExecutorConfig(directory_).status();
  EXPECT_EQ(directory.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::string(directory.message()), directory_ + ": cannot be read: Is a directory");

  const std::string loop = directory_ + "/loop.yaml";
  ASSERT_EQ(symlink("loop.yaml", loop.c_str()), 0);
  EXPECT_THAT(std::string(LoadExecutorConfig(loop).status().message()),
              testing::StartsWith(loop + ": cannot be opened: Too many levels"));

  const std::string within = Write("file", "") + "/c.yaml";
  EXPECT_EQ(std::string(LoadExecutorConfig(within).status().message()),
            within + ": cannot be opened: Not a directory");
}

TEST_F(ConfigFileTest, ReadsAMebibyteAndNoMore) {
  const std::string head = "node: [\n#";
  const std::string full = head + std::string((size_t{1} << 20) - head.size(), 'x');
  EXPECT_EQ(
      std::string(LoadExecutorConfig(Write("full.yaml", full)).status().message()),
      absl::StrCat(directory_, "/full.yaml:2:1: not valid YAML: end of sequence flow not found"));
  const std::string larger = Write("larger.yaml", full + "x");
  EXPECT_EQ(std::string(LoadExecutorConfig(larger).status().message()),
            larger + ":1:1: larger than 1 MiB");
  // Endless, too.
  EXPECT_EQ(std::string(LoadControllerConfig("/dev/zero").status().message()),
            "/dev/zero:1:1: larger than 1 MiB");
}

TEST_F(ConfigFileTest, EmptyFileHasNoSettings) {
  const std::string path = Write("empty.yaml", "");
  EXPECT_EQ(std::string(LoadControllerConfig(path).status().message()),
            path + ":1:1: the file has no settings in it");
}

}  // namespace
}  // namespace hb
