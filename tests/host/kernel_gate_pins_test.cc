// What of the gate outlives its process, who may take it up, how it is removed for good, and what
// is said where it cannot be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"
#include "executor/host/gate.h"
#include "tests/host/foreign_program.h"
#include "tests/host/raw_frames.h"

namespace hb::executor {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kVip[] = "192.168.77.111";

class GatePinTest : public GateTest {
 protected:
  absl::Status Reopened() {
    host_.reset();
    return LinuxHost::Create(loop_.get(), gate_directory()).status();
  }
  static std::string Filters() {
    return Sh("tc filter show dev eth0 ingress; tc filter show dev eth0 egress");
  }
};

TEST_F(GatePinTest, TheNextProcessFindsTheEntriesAndTheSamePrograms) {
  const GateLease lease{BootNow() + absl::Minutes(1), 42, absl::Seconds(2)};
  ASSERT_TRUE(host_->SetGate(Address(kVip), lease).ok());
  const std::string before = Filters();
  StartHost();
  ASSERT_NE(host_, nullptr);
  EXPECT_EQ(*host_->ReadGate(Address(kVip)), lease);
  EXPECT_EQ(Filters(), before);
  CloseGate(kVip);
  AddAddress(std::string(kVip) + "/24");
  EXPECT_FALSE(Pings(kVip)) << "the programs read the map that is written";
}

TEST_F(GatePinTest, ProgramsOfAnotherBuildAreReplacedAndTheEntriesStay) {
  const GateLease lease{MonoTime::Infinite(), 42, absl::Seconds(2)};
  ASSERT_TRUE(host_->SetGate(Address(kVip), lease).ok());
  const std::set<uint32_t> before = PinnedGatePrograms(gate_directory());
  EXPECT_EQ(before.size(), 2U);
  std::filesystem::remove(gate_directory() + "/in");
  PinForeignProgram(TC_ACT_OK, gate_directory() + "/in");
  StartHost();
  ASSERT_NE(host_, nullptr);
  EXPECT_EQ(*host_->ReadGate(Address(kVip)), lease);
  for (const uint32_t id : PinnedGatePrograms(gate_directory())) {
    EXPECT_THAT(Filters(), HasSubstr(absl::StrCat(" id ", id, " ")));
  }
  CloseGate(kVip);
  AddAddress(std::string(kVip) + "/24");
  EXPECT_FALSE(Pings(kVip));
}

TEST_F(GatePinTest, ProgramsWithoutTheirMapAreReplaced) {
  std::filesystem::remove(gate_directory() + "/map");
  StartHost();
  ASSERT_NE(host_, nullptr);
  EXPECT_THAT(host_->Gates(), IsEmpty());
  CloseGate(kVip);
  AddAddress(std::string(kVip) + "/24");
  EXPECT_FALSE(Pings(kVip)) << "the programs read the map that is written";
}

TEST_F(GatePinTest, AMapOfAnotherLayoutIsRefused) {
  host_.reset();
  const std::string pin = gate_directory() + "/map";
  std::filesystem::remove(pin);
  const UniqueFd other(bpf_map_create(BPF_MAP_TYPE_HASH, "hb_gate_v0", 16, 24, 8, nullptr));
  ASSERT_EQ(bpf_obj_pin(other.get(), pin.c_str()), 0);
  const absl::Status status = Reopened();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("layout 0 (16 + 24 bytes"), HasSubstr("layout 1 (16 + 32)"),
                    HasSubstr("--purge")));
  EXPECT_TRUE(std::filesystem::exists(pin));
}

TEST_F(GatePinTest, WithoutABpfFileSystemItSaysHowToMountOne) {
  for (const char* directory : {"/tmp/hb/node", "/nowhere/bpf/hb/node"}) {
    host_.reset();
    const absl::Status status = LinuxHost::Create(loop_.get(), directory).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    const std::string mount_point = std::filesystem::path(directory).parent_path().parent_path();
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("lies on no BPF file system"),
                                                     HasSubstr("mount -t bpf bpf " + mount_point)));
  }
}

TEST_F(GatePinTest, ANameWithDotsHasADirectoryToo) {
  host_.reset();
  const std::string directory = bpffs_.path() + "/hb/db1.example.org";
  const absl::Status status = LinuxHost::Create(loop_.get(), directory).status();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(std::filesystem::exists(bpffs_.path() + "/hb/db1%example%org/map"));
  EXPECT_TRUE(Gate::Purge(directory).ok());
  EXPECT_FALSE(std::filesystem::exists(bpffs_.path() + "/hb/db1%example%org"));
}

TEST_F(GatePinTest, PurgeLeavesNothingOfOursAndAllOfOthers) {
  Sh("ip link add eth1 type veth peer name eth2");
  EXPECT_THAT(host_->CheckGate(), IsEmpty());
  const std::string pin = bpffs_.path() + "/foreign";
  PinForeignProgram(TC_ACT_UNSPEC, pin);
  Sh("tc filter add dev eth0 ingress pref 7 bpf direct-action object-pinned " + pin);
  CloseGate(kVip);
  AddAddress(std::string(kVip) + "/24");
  host_.reset();
  EXPECT_FALSE(Pings(kVip));
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = Gate::Purge(gate_directory());
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_THAT(Filters(), AllOf(Not(HasSubstr("hb_gate")), HasSubstr("pref 7 ")));
    EXPECT_THAT(Sh("tc qdisc show dev eth0"), HasSubstr("clsact"));
    EXPECT_THAT(Sh("tc qdisc show dev eth1"), Not(HasSubstr("clsact")));
    EXPECT_FALSE(std::filesystem::exists(gate_directory()));
    EXPECT_TRUE(Eventually([&] { return Pings(kVip); }));
  }
}

TEST_F(GatePinTest, PurgeFindsFiltersWhosePinsAreLost) {
  host_.reset();
  std::filesystem::remove(gate_directory() + "/in");
  std::filesystem::remove(gate_directory() + "/out");
  EXPECT_TRUE(Gate::Purge(gate_directory()).ok());
  EXPECT_THAT(Filters(), Not(HasSubstr("hb_gate")));
  EXPECT_THAT(Sh("tc qdisc show dev eth0"), Not(HasSubstr("clsact")));
}

TEST(GateLoadErrorTest, NamesWhatIsMissing) {
  struct Row {
    const char* name;
    int error;
    const char* words;
    absl::StatusCode code;
    const char* said;
  };
  const Row rows[] = {
      {"no capability", EPERM, "", absl::StatusCode::kPermissionDenied, "CAP_BPF"},
      {"the unit's remedy", EPERM, "", absl::StatusCode::kPermissionDenied,
       "AmbientCapabilities=CAP_BPF"},
      {"the verifier, EPERM", EPERM, "-- BEGIN PROG LOAD LOG --; R1 leaks",
       absl::StatusCode::kFailedPrecondition, "R1 leaks"},
      {"the verifier, EACCES", EACCES, "-- BEGIN PROG LOAD LOG --; invalid access",
       absl::StatusCode::kFailedPrecondition, "invalid access"},
      {"no bpf(2)", ENOSYS, "", absl::StatusCode::kFailedPrecondition, "Linux 5.10 or later"},
      {"an unknown helper", EINVAL, "unknown func 125", absl::StatusCode::kFailedPrecondition,
       "unknown func 125"},
      {"no BTF", ESRCH, "", absl::StatusCode::kFailedPrecondition, "CONFIG_BPF_SYSCALL"},
      {"no memory", ENOMEM, "", absl::StatusCode::kUnavailable, "Cannot allocate memory"},
  };
  for (const Row& row : rows) {
    const absl::Status status = GateLoadError(row.error, row.words);
    EXPECT_EQ(status.code(), row.code) << row.name << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(row.said)) << row.name;
  }
}

}  // namespace
}  // namespace hb::executor
