// The state directory, on real files: lock, counter, epochs, VIPs, and every way in which a file
// may be damaged.
#include "executor/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/event_loop.h"
#include "executor/disk_store.h"

namespace hb::executor {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class StateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "hb-state-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    directory_ = root_ + "/var/lib/hb";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<StateDirectory> Open() {
    absl::StatusOr<std::unique_ptr<StateDirectory>> state = StateDirectory::Open(directory_);
    EXPECT_TRUE(state.ok()) << state.status();
    return state.ok() ? *std::move(state) : nullptr;
  }
  absl::Status Refusal() { return StateDirectory::Open(directory_).status(); }
  std::string Read(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(directory_ + "/" + name).rdbuf();
    return text.str();
  }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name) << text;
  }

  std::string root_;
  std::string directory_;
};

std::map<std::string, uint64_t> EpochsOf(const StateDirectory& state) {
  std::map<std::string, uint64_t> epochs;
  for (const auto& [cluster, record] : state.records()) epochs[cluster] = record.epoch;
  return epochs;
}

Vip MakeVip(const std::string& address, const std::string& interface) {
  return {IpPrefix::Parse(address).value(), interface};
}

TEST_F(StateTest, MakesThePrivateDirectoryAndCountsFromOne) {
  const auto state = Open();
  ASSERT_NE(state, nullptr);
  EXPECT_EQ(state->incarnation(), 1);
  EXPECT_THAT(EpochsOf(*state), IsEmpty());
  EXPECT_THAT(state->vips(), IsEmpty());
  struct stat info {};
  ASSERT_EQ(stat(directory_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
}

TEST_F(StateTest, TheCountGrowsWithEachStart) {
  for (uint64_t i = 1; i <= 4; ++i) EXPECT_EQ(Open()->incarnation(), i);
}

TEST_F(StateTest, RemembersEpochsAndVips) {
  const Vip v4 = MakeVip("192.168.0.111/24", "eth0");
  const Vip v6 = MakeVip("fd00::111/64", "bond0.7");
  {
    const auto state = Open();
    ASSERT_TRUE(state->StoreRecord("web", {.epoch = 7}).ok());
    ASSERT_TRUE(state->StoreRecord("mail", {.epoch = 1'700'000'000}).ok());
    ASSERT_TRUE(state->StoreRecord("web", {.epoch = 8}).ok());
    ASSERT_TRUE(state->StoreVips({v4, v6}).ok());
  }
  {
    const auto state = Open();
    EXPECT_THAT(EpochsOf(*state), ElementsAre(Pair("mail", 1'700'000'000), Pair("web", 8)));
    EXPECT_THAT(state->vips(), testing::UnorderedElementsAre(v4, v6));
    ASSERT_TRUE(state->StoreVips({}).ok());
  }
  EXPECT_THAT(Open()->vips(), IsEmpty());
}

TEST_F(StateTest, NeverLowersAnEpoch) {
  {
    const auto state = Open();
    ASSERT_TRUE(state->StoreRecord("web", {.epoch = 9}).ok());
    EXPECT_EQ(state->StoreRecord("web", {.epoch = 3}).code(),
              absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_THAT(EpochsOf(*Open()), ElementsAre(Pair("web", 9)));
}

TEST_F(StateTest, RefusesANameThatWouldBreakTheFile) {
  const auto state = Open();
  EXPECT_EQ(state->StoreRecord("a b", {.epoch = 1}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(state->StoreRecord("a\nb", {.epoch = 1}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(state->StoreRecord("", {.epoch = 1}).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(StateTest, OneProcessADirectory) {
  auto first = Open();
  const absl::Status refused = Refusal();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr(directory_), HasSubstr("in use by another hb-executor")));
  first.reset();
  EXPECT_EQ(Open()->incarnation(), 2) << "the refused one has not been counted";
}

TEST_F(StateTest, NamesWhatTheFileSystemRefuses) {
  std::ofstream(root_ + "/var") << "a file";
  EXPECT_THAT(std::string(Refusal().message()),
              AllOf(HasSubstr(root_ + "/var"), HasSubstr("Not a directory")));
  directory_ = "/proc/hb-state-test";
  EXPECT_THAT(std::string(Refusal().message()),
              AllOf(HasSubstr("/proc/hb-state-test"), HasSubstr("No such file or directory")));
}

TEST_F(StateTest, AFailedWriteLeavesTheOldContents) {
  const auto state = Open();
  ASSERT_TRUE(state->StoreRecord("web", {.epoch = 7}).ok());
  const std::string before = Read("clusters");
  ASSERT_TRUE(std::filesystem::create_directory(directory_ + "/clusters.new"));
  const absl::Status failed = state->StoreRecord("web", {.epoch = 8});
  EXPECT_THAT(std::string(failed.message()), HasSubstr("clusters.new: Is a directory"));
  EXPECT_EQ(Read("clusters"), before);
  EXPECT_EQ(state->records().at("web").epoch, 7);
  std::filesystem::remove(directory_ + "/clusters.new");
  EXPECT_TRUE(state->StoreRecord("web", {.epoch = 8}).ok())
      << "the lower epoch was not taken for stored";
  EXPECT_NE(Read("clusters"), before);
}

struct Damage {
  const char* name;
  const char* file;
  std::function<std::string(const std::string&)> change;
  const char* text;
};

std::string Sealed(const char* file, const char* lines) { return SealStateFile(file, lines); }

TEST_F(StateTest, ADamagedFileIsAnErrorThatNamesItAndTheRemedy) {
  const Damage damages[] = {
      {"emptied", "clusters", [](const std::string&) { return std::string(); }, "it is empty"},
      {"cut in the middle", "clusters",
       [](const std::string& text) { return text.substr(0, text.size() / 2); }, "is damaged"},
      {"last byte lost", "clusters",
       [](const std::string& text) { return text.substr(0, text.size() - 1); }, "check sum"},
      {"edited", "clusters",
       [](std::string text) {
         text[text.find("web epoch=7") + 10] = '6';
         return text;
       },
       "check sum"},
      {"zeros", "clusters", [](const std::string& text) { return std::string(text.size(), '\0'); },
       "does not begin with"},
      {"another file's", "clusters",
       [](const std::string&) { return Sealed("vips", "web epoch=7\n"); }, "does not begin with"},
      {"no number", "clusters",
       [](const std::string&) { return Sealed("clusters", "web epoch=x\n"); }, "web epoch=x"},
      {"twice", "clusters",
       [](const std::string&) { return Sealed("clusters", "web epoch=7\nweb epoch=8\n"); },
       "web epoch=8"},
      {"too many words", "clusters",
       [](const std::string&) { return Sealed("clusters", "web epoch=7 8\n"); }, "web epoch=7 8"},
      {"counter emptied", "incarnation", [](const std::string&) { return std::string(); },
       "it is empty"},
      {"counter zero", "incarnation",
       [](const std::string&) { return Sealed("incarnation", "0\n"); }, "is damaged"},
      {"counter at its end", "incarnation",
       [](const std::string&) { return Sealed("incarnation", "18446744073709551615\n"); },
       "is damaged"},
      {"counter of two lines", "incarnation",
       [](const std::string&) { return Sealed("incarnation", "1\n2\n"); }, "is damaged"},
      {"VIPs emptied", "vips", [](const std::string&) { return std::string(); }, "it is empty"},
      {"no address", "vips", [](const std::string&) { return Sealed("vips", "300.1.1.1 eth0\n"); },
       "300.1.1.1 eth0"},
      {"no interface", "vips", [](const std::string&) { return Sealed("vips", "10.0.0.1/24\n"); },
       "10.0.0.1/24"},
  };
  {
    const auto state = Open();
    ASSERT_TRUE(state->StoreRecord("web", {.epoch = 7}).ok());
    ASSERT_TRUE(state->StoreVips({MakeVip("192.168.0.111/24", "eth0")}).ok());
  }
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.name);
    const std::string sound = Read(damage.file);
    Write(damage.file, damage.change(sound));
    const absl::Status refused = Refusal();
    EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(refused.message()), AllOf(HasSubstr(directory_ + "/" + damage.file),
                                                      HasSubstr(damage.text), HasSubstr("remove")));
    Write(damage.file, sound);
  }
  EXPECT_EQ(EpochsOf(*Open()).at("web"), 7);
}

TEST_F(StateTest, AMissingHalfIsAnError) {
  ASSERT_TRUE(Open()->StoreRecord("web", {.epoch = 7}).ok());
  std::filesystem::rename(directory_ + "/clusters", root_ + "/clusters");
  EXPECT_THAT(std::string(Refusal().message()), HasSubstr("clusters is missing"));
  std::filesystem::rename(root_ + "/clusters", directory_ + "/clusters");
  std::filesystem::remove(directory_ + "/incarnation");
  EXPECT_THAT(std::string(Refusal().message()), HasSubstr("incarnation is missing"));
}

TEST_F(StateTest, AStartThatWasCutShortIsNoDamage) {
  std::filesystem::create_directories(directory_);
  Write("clusters", SealStateFile("clusters", ""));
  Write("incarnation.new", "hb inc");
  EXPECT_EQ(Open()->incarnation(), 1);
}

TEST_F(StateTest, TheStoreAnswersOnTheLoopWhenItIsOnDisk) {
  auto state = Open();
  auto loop = EventLoop::Create().value();
  std::vector<std::string> answers;
  {
    DiskStore store(loop.get(), state.get());
    store.StoreRecord("web", {.epoch = 7}, [&](const absl::Status& status) {
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_THAT(Read("clusters"), HasSubstr("web epoch=7"));
      answers.push_back("epoch");
    });
    store.StoreVips({MakeVip("192.168.0.111/24", "eth0")}, [&](const absl::Status& status) {
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_THAT(Read("vips"), HasSubstr("192.168.0.111/24 eth0"));
      answers.push_back("vips");
    });
    EXPECT_THAT(answers, IsEmpty()) << "never from within the call";
    while (answers.size() < 2) ASSERT_TRUE(loop->RunOnce(absl::Seconds(10)));
  }
  EXPECT_THAT(answers, ElementsAre("epoch", "vips"));
}

TEST_F(StateTest, TheStoreRefusesMoreThanItCanKeep) {
  auto state = Open();
  auto loop = EventLoop::Create().value();
  absl::Notification go;
  size_t refused = 0;
  size_t done = 0;
  {
    DiskStore store(loop.get(), state.get());
    const auto count = [&](const absl::Status& status) {
      ++(absl::IsUnavailable(status) ? refused : done);
    };
    store.Do(
        [&] {
          go.WaitForNotification();
          return absl::OkStatus();
        },
        count);
    const size_t jobs = DiskStore::kMaxWaiting + 2;
    for (size_t i = 0; i < jobs; ++i) store.Do([] { return absl::OkStatus(); }, count);
    while (refused == 0) ASSERT_TRUE(loop->RunOnce(absl::Seconds(10)));
    go.Notify();
    while (refused + done < jobs + 1) ASSERT_TRUE(loop->RunOnce(absl::Seconds(10)));
  }
  EXPECT_GE(refused, 2);
  EXPECT_LE(refused, 3) << "one may have been taken by the thread already";
}

}  // namespace
}  // namespace hb::executor
