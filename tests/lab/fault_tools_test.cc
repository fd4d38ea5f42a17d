// The fault tools that the safety tests lean on, each judged by what it does to a program: a fault
// that does nothing would let every test pass.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/boot_clock.h"
#include "tests/lab/fake_clock.h"
#include "tests/lab/lab.h"
#include "tests/lab/small_disk.h"

namespace hb::lab {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

#define ASSERT_OK(expression)                   \
  do {                                          \
    const absl::Status& status_ = (expression); \
    ASSERT_TRUE(status_.ok()) << status_;       \
  } while (false)

std::unique_ptr<Lab> UpOrDie() {
  absl::StatusOr<std::unique_ptr<Lab>> lab = Lab::Up({});
  if (!lab.ok()) {
    ADD_FAILURE() << lab.status();
    std::abort();
  }
  return *std::move(lab);
}

bool Fetches(Lab& lab, const std::string& from, const std::string& to) {
  const absl::StatusOr<RunResult> result =
      lab.host(from)->Run({"curl", "-s", "-o", "/dev/null", "-m", "1",
                           "http://" + lab.host(to)->spec().address.ToString() + "/"});
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() && result->ok();
}

bool Pings(Lab& lab, const std::string& from, const std::string& to) {
  const absl::StatusOr<RunResult> result =
      lab.host(from)->Run({"ping", "-n", "-c1", "-W1", lab.host(to)->spec().address.ToString()});
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() && result->ok();
}

TEST(FaultToolsTest, ADropOfOneTcpPortLeavesTheRest) {
  const std::unique_ptr<Lab> lab = UpOrDie();
  for (Host* host : {&lab->master(), &lab->slave()}) {
    ASSERT_OK(host->Spawn("apache", ApacheArgv()).status());
  }
  const MonoTime deadline = BootNow() + absl::Seconds(20);
  while (BootNow() < deadline &&
         !(Fetches(*lab, "client", "master") && Fetches(*lab, "client", "slave"))) {
  }
  // The requests of the client to the master: its own answers to others, and ping, pass.
  ASSERT_OK(lab->DropTcp("client", "master", 80));
  ASSERT_OK(lab->DropTcp("client", "master", 80));
  EXPECT_THAT(*lab->Faults(), ElementsAre("dropped: client -> master tcp 80"));
  EXPECT_FALSE(Fetches(*lab, "client", "master"));
  EXPECT_TRUE(Pings(*lab, "client", "master"));
  EXPECT_TRUE(Fetches(*lab, "client", "slave"));
  EXPECT_TRUE(Fetches(*lab, "slave", "master"));
  ASSERT_OK(lab->HealTcp("client", "master", 80));
  EXPECT_TRUE(Fetches(*lab, "client", "master"));
  // The answers: the port is their source.
  ASSERT_OK(lab->DropTcp("master", "client", 80));
  EXPECT_FALSE(Fetches(*lab, "client", "master"));
  EXPECT_TRUE(Pings(*lab, "client", "master"));
  // Another port's drop does not matter.
  ASSERT_OK(lab->HealAll());
  EXPECT_THAT(*lab->Faults(), IsEmpty());
  ASSERT_OK(lab->DropTcp("client", "master", 81));
  EXPECT_TRUE(Fetches(*lab, "client", "master"));
  EXPECT_TRUE(absl::IsNotFound(lab->DropTcp("client", "nobody", 80)));
}

TEST(FaultToolsTest, AStoppedDaemonStandsStillUntilItIsContinued) {
  const std::unique_ptr<Lab> lab = UpOrDie();
  Host& host = lab->slave();
  const absl::StatusOr<Process*> daemon =
      host.Spawn("counter", {"sh", "-c", "while sleep 0.01; do echo; done"});
  ASSERT_OK(daemon.status());
  const MonoTime deadline = BootNow() + absl::Seconds(20);
  while (host.Output("counter").empty() && BootNow() < deadline) Pause(absl::Milliseconds(5));
  const auto counts_on = [&] {
    const size_t before = host.Output("counter").size();
    Pause(absl::Milliseconds(300));
    return host.Output("counter").size() > before;
  };
  EXPECT_TRUE(counts_on());
  ASSERT_OK((*daemon)->Stop());
  Pause(absl::Milliseconds(50));  // a sleep that is under way is not stopped
  EXPECT_FALSE(counts_on());
  ASSERT_OK((*daemon)->Continue());
  EXPECT_TRUE(counts_on());
}

TEST(FaultToolsTest, ASmallDiskIsFullAndFreeAgain) {
  const std::unique_ptr<Lab> lab = UpOrDie();
  Host& host = lab->slave();
  absl::StatusOr<SmallDisk> disk = SmallDisk::Mount(&host, "/var/lib/hb/executor", 65534);
  ASSERT_OK(disk.status());
  const auto writes = [&](uid_t user) {
    ProgramOptions options;
    options.user = user;
    const absl::StatusOr<RunResult> result =
        RunProgram({"sh", "-c",
                    "echo x > /var/lib/hb/executor/new; s=$?; "
                    "rm -f /var/lib/hb/executor/new; exit $s"},
                   options, &host.namespaces(), absl::Seconds(10));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() && result->ok();
  };
  EXPECT_TRUE(writes(65534));
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(disk->Fill());
    EXPECT_FALSE(writes(65534));
    EXPECT_FALSE(writes(0));
    // Nobody else's disk is full.
    EXPECT_TRUE(host.WriteFile("/var/lib/hb/other", "x").ok());
    EXPECT_TRUE(lab->master().WriteFile("/var/lib/hb/executor/new", "x").ok());
    ASSERT_OK(disk->Free());
    EXPECT_TRUE(writes(65534));
  }
}

// A line a moment: the wall clock, and how long the machine has been up by its boot clock.
constexpr char kShowsClocks[] =
    "import time\n"
    "while True:\n"
    "  print(int(time.time()), int(time.clock_gettime(time.CLOCK_BOOTTIME)), flush=True)\n"
    "  time.sleep(0.01)\n";

struct Clocks {
  int64_t wall = 0;
  int64_t boot = 0;
};

Clocks LastClocks(Host& host, const std::string& daemon) {
  Pause(absl::Milliseconds(300));
  const std::vector<std::string> lines = absl::StrSplit(host.Output(daemon), '\n');
  Clocks clocks;
  if (lines.size() < 2) return clocks;  // the last is empty
  const std::vector<std::string> words = absl::StrSplit(lines[lines.size() - 2], ' ');
  EXPECT_TRUE(words.size() == 2 && absl::SimpleAtoi(words[0], &clocks.wall) &&
              absl::SimpleAtoi(words[1], &clocks.boot))
      << lines[lines.size() - 2];
  return clocks;
}

TEST(FaultToolsTest, AFakeClockStepsTheWallClockOfOneDaemonAlone) {
  const std::unique_ptr<Lab> lab = UpOrDie();
  Host& host = lab->slave();
  ProgramOptions faked;
  const absl::StatusOr<std::vector<std::string>> environment = FakeClockEnvironment(host, "faked");
  ASSERT_OK(environment.status());
  faked.environment = *environment;
  const std::vector<std::string> argv = {"python3", "-u", "-c", kShowsClocks};
  ASSERT_OK(host.Spawn("faked", argv, faked).status());
  ASSERT_OK(host.Spawn("true", argv).status());
  const MonoTime deadline = BootNow() + absl::Seconds(20);
  while ((host.Output("faked").empty() || host.Output("true").empty()) && BootNow() < deadline) {
    Pause(absl::Milliseconds(5));
  }
  for (const int64_t hours : {0, 1, -1, 0}) {
    ASSERT_OK(SetFakeClock(host, "faked", absl::Hours(hours)));
    const Clocks clocks = LastClocks(host, "faked");
    EXPECT_NEAR(clocks.wall - absl::ToUnixSeconds(WallNow()), hours * 3600, 2);
    EXPECT_NEAR(clocks.boot, absl::ToInt64Seconds(BootNow() - MonoTime()), 2);
    EXPECT_NEAR(LastClocks(host, "true").wall, absl::ToUnixSeconds(WallNow()), 2);
  }
}

// Waits by the wall clock for something that never comes, as absl does, and says when it is over.
constexpr char kWaitsByWallClock[] =
    "import ctypes, os, sys, time\n"
    "libc = ctypes.CDLL(None, use_errno=True)\n"
    "class Time(ctypes.Structure):\n"
    "  _fields_ = [('s', ctypes.c_long), ('ns', ctypes.c_long)]\n"
    "word = ctypes.c_int(0)\n"
    "end = Time(int(time.time()) + int(sys.argv[1]), 0)\n"
    "print('waits', flush=True)\n"
    "futex = {'x86_64': 202, 'aarch64': 98}[os.uname().machine]\n"
    "libc.syscall(futex, ctypes.byref(word), 0x189, 0, ctypes.byref(end), None, "
    "ctypes.c_long(-1))\n"
    "print('over', ctypes.get_errno(), flush=True)\n";

TEST(FaultToolsTest, AStepOfTheClockEndsOrProlongsTheWaitsByIt) {
  const std::unique_ptr<Lab> lab = UpOrDie();
  Host& host = lab->slave();
  struct Wait {
    std::string name;
    std::string seconds;
    Duration step;
    bool over;  // once those of five seconds without a step are over
  };
  // Long enough that the step comes before the wait would end by itself, also on a busy machine.
  const Wait waits[] = {
      {"forward", "600", absl::Hours(1), true},
      {"back", "5", absl::Hours(-1), false},
      {"none-long", "600", absl::ZeroDuration(), false},
      {"none", "5", absl::ZeroDuration(), true},
  };
  for (const Wait& wait : waits) {
    ProgramOptions faked;
    const absl::StatusOr<std::vector<std::string>> environment =
        FakeClockEnvironment(host, wait.name);
    ASSERT_OK(environment.status());
    faked.environment = *environment;
    ASSERT_OK(host.Spawn(wait.name, {"python3", "-u", "-c", kWaitsByWallClock, wait.seconds}, faked)
                  .status());
    const MonoTime deadline = BootNow() + absl::Seconds(10);
    while (host.Output(wait.name).empty() && BootNow() < deadline) Pause(absl::Milliseconds(5));
    ASSERT_OK(SetFakeClock(host, wait.name, wait.step));
  }
  // The last that was begun lasts at least as long as the one whose clock was put back.
  const MonoTime deadline = BootNow() + absl::Seconds(30);
  const auto is_over = [&](const Wait& wait) {
    return absl::StrContains(host.Output(wait.name), "over");
  };
  while (!absl::c_all_of(waits, [&](const Wait& wait) { return !wait.over || is_over(wait); }) &&
         BootNow() < deadline) {
    Pause(absl::Milliseconds(5));
  }
  Pause(absl::Milliseconds(500));
  for (const Wait& wait : waits) {
    EXPECT_EQ(host.Output(wait.name), wait.over ? "waits\nover 110\n" : "waits\n") << wait.name;
  }
}

}  // namespace
}  // namespace hb::lab
