// The lab judged from outside: its verbs by ping and arping between hosts, its hosts by what
// programs on them see, its end by what is left on the machine. Each test has a lab of its own, so
// they run beside each other.
#include "tests/lab/lab.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"
#include "tests/lab/holder.h"
#include "tests/lab/program.h"

namespace hb::lab {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::unique_ptr<Lab> UpOrDie(const LabOptions& options = {}) {
  absl::StatusOr<std::unique_ptr<Lab>> lab = Lab::Up(options);
  if (!lab.ok()) {
    ADD_FAILURE() << lab.status();
    std::abort();
  }
  return *std::move(lab);
}

// Within ten seconds: a host that has asked for a MAC in vain takes its time to ask again.
bool Pings(Lab& lab, const std::string& from, const std::string& to) {
  const MonoTime deadline = BootNow() + absl::Seconds(10);
  while (BootNow() < deadline) {
    const absl::StatusOr<RunResult> result =
        lab.host(from)->Run({"ping", "-n", "-c1", "-W1", lab.host(to)->spec().address.ToString()});
    EXPECT_TRUE(result.ok()) << result.status();
    if (result.ok() && result->ok()) return true;
  }
  return false;
}

bool NoPing(Lab& lab, const std::string& from, const std::string& to) {
  const absl::StatusOr<RunResult> result = lab.host(from)->Run(
      {"ping", "-n", "-c3", "-i0.2", "-w1", lab.host(to)->spec().address.ToString()});
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() && result->output.find(" 0 received") != std::string::npos;
}

// A fresh broadcast, which no ARP table answers.
bool Arpings(Lab& lab, const std::string& from, const std::string& to) {
  const absl::StatusOr<RunResult> result = lab.host(from)->Run(
      {"arping", "-b", "-f", "-c2", "-w1", "-I", "eth0", lab.host(to)->spec().address.ToString()});
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() && result->ok();
}

std::string OutputOf(Host& host, const std::vector<std::string>& argv) {
  const absl::StatusOr<RunResult> result = host.Run(argv);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? result->output : "";
}

// Everything on this machine that carries the name: namespaces, mounts, directories.
std::vector<std::string> Traces(const std::string& name) {
  std::vector<std::string> traces;
  std::error_code ignored;
  for (const char* directory : {"/run/netns", "/run/hb-lab"}) {
    for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
      const std::string file = entry.path().filename();
      if (file == name || file.starts_with(name + "-")) traces.push_back(entry.path());
    }
  }
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(name) != std::string::npos) traces.push_back(line);
  }
  return traces;
}

TEST(LabTest, HostsReachEachOtherAndAreNamedByTheirMac) {
  const std::unique_ptr<Lab> lab = UpOrDie({.third_host = true});
  EXPECT_THAT(lab->host_names(), ElementsAre("client", "gateway", "master", "slave", "watch"));
  for (const char* to : {"slave", "watch", "client", "gateway"})
    EXPECT_TRUE(Pings(*lab, "master", to));
  EXPECT_TRUE(Arpings(*lab, "client", "master"));
  EXPECT_TRUE(lab->client().RunOk({"ping", "-6", "-c1", "-W1", "fd00:68:62::2"}).ok());
  EXPECT_THAT(OutputOf(lab->slave(), {"ip", "route", "show", "default"}),
              HasSubstr("192.168.0.254"));
  EXPECT_EQ(lab->HostOfMac("02:68:62:00:00:01"), "master");
  EXPECT_EQ(lab->HostOfMac("02:68:62:00:00:09"), "02:68:62:00:00:09");
  EXPECT_EQ(lab->host("nobody"), nullptr);
  EXPECT_TRUE(absl::IsNotFound(lab->Cut("master", "nobody")));
}

TEST(LabTest, AHostHasItsOwnFilesProcessesAndName) {
  const std::unique_ptr<Lab> lab = UpOrDie();
  Host& master = lab->master();
  for (const char* path :
       {"/etc/hb/executor.yaml", "/var/log/ha.log", "/run/hb/mark", "/var/run/mark"}) {
    ASSERT_TRUE(master.WriteFile(path, "one\n").ok()) << path;
    ASSERT_TRUE(master.AppendFile(path, "two\n").ok()) << path;
    EXPECT_EQ(OutputOf(master, {"cat", path}), "one\ntwo\n");
    EXPECT_EQ(master.ReadFile(path).value_or("unreadable"), "one\ntwo\n");
    EXPECT_FALSE(lab->slave().FileExists(path)) << path;
    EXPECT_FALSE(std::filesystem::exists(path)) << path;
    EXPECT_TRUE(master.RemoveFile(path).ok());
    EXPECT_FALSE(master.FileExists(path));
  }
  EXPECT_TRUE(absl::IsNotFound(master.ReadFile("/etc/hb/none").status()));
  EXPECT_EQ(OutputOf(master, {"hostname"}), "master\n");
  EXPECT_EQ(OutputOf(master, {"ls", "/sys/class/net"}), "eth0\nlo\n");
  // The machine's own processes are not seen: the holder is the host's first.
  EXPECT_THAT(OutputOf(master, {"ps", "-e", "-o", "pid="}), StartsWith("      1\n"));
  EXPECT_TRUE(master
                  .RunOk({"bpftool", "map", "create", "/sys/fs/bpf/pinned", "type", "array", "key",
                          "4", "value", "4", "entries", "1", "name", "lab"})
                  .ok());
  EXPECT_FALSE(lab->slave().FileExists("/sys/fs/bpf/pinned"));
  EXPECT_TRUE(master.FileExists("/sys/fs/bpf/pinned"));
}

TEST(LabTest, AFileMayBelongToAUser) {
  const std::unique_ptr<Lab> lab = UpOrDie();
  ASSERT_TRUE(lab->slave().MakeDirectory("/run/hb/for/user", 0700, 65534).ok());
  ASSERT_TRUE(lab->slave().WriteFile("/run/hb/for/user/file", "x", 0600, 65534).ok());
  EXPECT_EQ(OutputOf(lab->slave(), {"stat", "-c", "%u %a", "/run/hb/for", "/run/hb/for/user",
                                    "/run/hb/for/user/file"}),
            "0 755\n65534 700\n65534 600\n");
}

TEST(LabTest, ProgramsRunWithinTheirLimits) {
  const std::unique_ptr<Lab> lab = UpOrDie();
  Host& host = lab->client();
  const absl::StatusOr<RunResult> failing =
      host.Run({"sh", "-c", "cat; echo bad >&2; exit 3"}, absl::Seconds(9), "in");
  ASSERT_TRUE(failing.ok()) << failing.status();
  EXPECT_EQ(failing->status, 3);
  EXPECT_EQ(failing->output, "inbad\n");
  EXPECT_EQ(host.Run({"sh", "-c", "kill -9 $$"})->status, 128 + SIGKILL);
  EXPECT_TRUE(absl::IsDeadlineExceeded(host.Run({"sleep", "60"}, absl::Milliseconds(50)).status()));
  EXPECT_TRUE(absl::IsNotFound(host.Run({"/no/such/program"}).status()));
  EXPECT_THAT(host.RunOk({"sh", "-c", "echo why; false"}).message(), HasSubstr("why"));
}

TEST(LabTest, AnOrdinaryUserHasOnlyTheCapabilitiesGiven) {
  const std::unique_ptr<Lab> lab = UpOrDie();
  ProgramOptions options;
  options.user = 65534;
  options.ambient_capabilities = {CAP_NET_RAW};
  options.environment = {"HB_LAB_TEST=set"};
  const absl::StatusOr<Process*> process = lab->slave().Spawn(
      "who",
      {"sh", "-c", "id -u; id -G; echo $HB_LAB_TEST; grep -E 'Cap(Eff|Amb)' /proc/self/status"},
      options);
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_EQ((*process)->Wait(absl::Seconds(10)).value_or(-1), 0);
  EXPECT_EQ(lab->slave().Output("who"),
            "65534\n65534\nset\nCapEff:\t0000000000002000\nCapAmb:\t0000000000002000\n");
}

TEST(LabTest, DaemonsAreKeptByName) {
  const std::unique_ptr<Lab> lab = UpOrDie();
  Host& host = lab->master();
  EXPECT_TRUE(absl::IsNotFound(host.Find("sleeper").status()));
  Process* const sleeper = host.Spawn("sleeper", {"sleep", "1000"}).value_or(nullptr);
  ASSERT_NE(sleeper, nullptr);
  EXPECT_EQ(host.Find("sleeper").value_or(nullptr), sleeper);
  EXPECT_TRUE(absl::IsAlreadyExists(host.Spawn("sleeper", {"sleep", "1000"}).status()));
  ASSERT_TRUE(sleeper->Stop().ok());
  EXPECT_EQ(ProcessState(sleeper->pid()), 'T');
  ASSERT_TRUE(sleeper->Continue().ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(sleeper->Wait(absl::Milliseconds(20)).status()));
  EXPECT_NE(ProcessState(sleeper->pid()), 'T');
  ASSERT_TRUE(sleeper->Kill().ok());
  EXPECT_FALSE(sleeper->Running());
  EXPECT_EQ(sleeper->Wait(absl::ZeroDuration()).value_or(-1), 128 + SIGKILL);
  EXPECT_TRUE(absl::IsNotFound(sleeper->Kill()));
  EXPECT_TRUE(host.Spawn("sleeper", {"sleep", "1000"}).ok());
  EXPECT_THAT(host.SpawnedNames(), ElementsAre("sleeper"));
}

TEST(LabTest, WhatAServiceStartedIsFoundByItsNameOnItsHostAlone) {
  const std::unique_ptr<Lab> lab = UpOrDie();
  for (Host* host : {&lab->master(), &lab->slave()}) {
    ASSERT_TRUE(
        host->Spawn("starter",
                    {"sh", "-c", "setsid sleep 1000 & setsid sleep 1000 & exec tail -f /dev/null"})
            .ok());
    const MonoTime deadline = BootNow() + absl::Seconds(10);
    while (host->ProcessesNamed("sleep").size() < 2 && BootNow() < deadline)
      Pause(absl::Milliseconds(1));
    ASSERT_THAT(host->ProcessesNamed("sleep"), SizeIs(2));
  }
  ASSERT_TRUE(lab->master().KillService("sleep").ok());
  EXPECT_THAT(lab->master().ProcessesNamed("sleep"), IsEmpty());
  EXPECT_THAT(lab->master().ProcessesNamed("tail"), SizeIs(1));
  EXPECT_TRUE(absl::IsNotFound(lab->master().KillService("sleep")));
  ASSERT_TRUE(lab->master().KillAll().ok());
  EXPECT_THAT(lab->master().ProcessesNamed(""), IsEmpty());
  EXPECT_THAT(lab->slave().ProcessesNamed(""), SizeIs(3));
  EXPECT_TRUE(Pings(*lab, "client", "master"));
}

TEST(LabTest, ACutIsForThePairAlone) {
  const std::unique_ptr<Lab> lab = UpOrDie();
  ASSERT_TRUE(lab->Cut("master", "slave").ok());
  ASSERT_TRUE(lab->Cut("master", "slave").ok());
  EXPECT_TRUE(NoPing(*lab, "master", "slave"));
  EXPECT_FALSE(Arpings(*lab, "slave", "master"));
  EXPECT_TRUE(Pings(*lab, "client", "master"));
  EXPECT_TRUE(Pings(*lab, "client", "slave"));
  EXPECT_TRUE(Pings(*lab, "slave", "gateway"));
  EXPECT_EQ(OutputOf(lab->master(), {"cat", "/sys/class/net/eth0/carrier"}), "1\n");
  EXPECT_THAT(*lab->Faults(),
              IsSupersetOf({"dropped: master -> slave", "dropped: slave -> master"}));
  ASSERT_TRUE(lab->Heal("slave", "master").ok());
  EXPECT_TRUE(Pings(*lab, "master", "slave"));
  EXPECT_THAT(*lab->Faults(), IsEmpty());
}

TEST(LabTest, ADropIsOneWay) {
  const std::unique_ptr<Lab> lab = UpOrDie();
  ASSERT_TRUE(lab->Drop("master", "slave").ok());
  // What the slave broadcasts arrives; what the master answers does not.
  absl::StatusOr<Process*> capture = lab->master().Spawn(
      "tcpdump", {"tcpdump", "--immediate-mode", "-l", "-n", "-i", "eth0", "arp"});
  ASSERT_TRUE(capture.ok()) << capture.status();
  const auto seen = [&](const std::string& text) {
    const MonoTime deadline = BootNow() + absl::Seconds(10);
    while (BootNow() < deadline) {
      if (lab->master().Output("tcpdump").find(text) != std::string::npos) return true;
      Pause(absl::Milliseconds(5));
    }
    return false;
  };
  ASSERT_TRUE(seen("listening on"));
  EXPECT_FALSE(Arpings(*lab, "slave", "master"));
  EXPECT_TRUE(seen("Reply 192.168.0.1 is-at 02:68:62:00:00:01"));
  EXPECT_THAT(*lab->Faults(), ElementsAre("dropped: master -> slave"));
  ASSERT_TRUE(lab->HealAll().ok());
  EXPECT_TRUE(Arpings(*lab, "slave", "master"));
}

TEST(LabTest, AnIsolatedHostKeepsItsCarrierAndAPulledCableDoesNot) {
  const std::unique_ptr<Lab> lab = UpOrDie();
  ASSERT_TRUE(lab->Isolate("master").ok());
  for (const char* other : {"slave", "client", "gateway"})
    EXPECT_TRUE(NoPing(*lab, other, "master"));
  EXPECT_TRUE(Pings(*lab, "client", "slave"));
  EXPECT_EQ(OutputOf(lab->master(), {"cat", "/sys/class/net/eth0/carrier"}), "1\n");
  ASSERT_TRUE(lab->PullCable("slave").ok());
  EXPECT_EQ(OutputOf(lab->slave(), {"cat", "/sys/class/net/eth0/carrier"}), "0\n");
  EXPECT_TRUE(NoPing(*lab, "client", "slave"));
  EXPECT_THAT(*lab->Faults(), Contains("cable pulled: slave"));
  ASSERT_TRUE(lab->HealAll().ok());
  EXPECT_TRUE(Pings(*lab, "client", "slave"));
  EXPECT_TRUE(Pings(*lab, "client", "master"));
}

TEST(LabTest, AHostComesBackFromAPowerCutAsNew) {
  const std::unique_ptr<Lab> lab = UpOrDie();
  Host& master = lab->master();
  ASSERT_TRUE(master.Spawn("sleeper", {"sleep", "1000"}).ok());
  ASSERT_TRUE(master.RunOk({"ip", "addr", "add", "192.168.0.111/32", "dev", "eth0"}).ok());
  ASSERT_TRUE(master.RunOk({"iptables", "-A", "INPUT", "-p", "icmp", "-j", "DROP"}).ok());
  ASSERT_TRUE(master.WriteFile("/run/hb/left", "x").ok());
  ASSERT_TRUE(master.RunOk({"mkdir", "/sys/fs/bpf/left"}).ok());
  ASSERT_TRUE(lab->PowerOff("master").ok());
  EXPECT_THAT(master.ProcessesNamed(""), IsEmpty());
  EXPECT_TRUE(NoPing(*lab, "client", "master"));
  ASSERT_EQ(lab->PowerOn("master"), absl::OkStatus());
  EXPECT_TRUE(Pings(*lab, "client", "master"));
  EXPECT_FALSE(master.FileExists("/run/hb/left"));
  EXPECT_FALSE(master.FileExists("/sys/fs/bpf/left"));
  EXPECT_THAT(OutputOf(master, {"ip", "addr"}), Not(HasSubstr("192.168.0.111")));
  EXPECT_THAT(OutputOf(master, {"ip", "route"}), HasSubstr("default via 192.168.0.254"));
}

TEST(LabTest, NothingIsLeftWhenItGoesDown) {
  std::string name;
  std::vector<ProcessId> holders;
  {
    const std::unique_ptr<Lab> lab = UpOrDie();
    name = lab->name();
    EXPECT_THAT(Traces(name), Not(IsEmpty()));
    ASSERT_TRUE(lab->master().Spawn("sleeper", {"sleep", "1000"}).ok());
    for (const std::string& host : lab->host_names()) holders.push_back(lab->host(host)->holder());
    holders.push_back(lab->master().Find("sleeper").value()->id());
  }
  EXPECT_THAT(Traces(name), IsEmpty());
  for (const ProcessId& process : holders) EXPECT_FALSE(IsAlive(process)) << process.pid;
}

// A process that makes a lab and is killed: the kernel and the holders clean up.
TEST(LabTest, ALabDiesWithItsProcess) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const absl::StatusOr<std::unique_ptr<Lab>> lab =
        Lab::Up({.name = absl::StrCat("hblab-", getpid())});
    if (!lab.ok() || !(*lab)->slave().Spawn("sleeper", {"sleep", "1000"}).ok()) _exit(1);
    const ProcessId ids[] = {(*lab)->slave().Find("sleeper").value()->id(), (*lab)->lan().holder(),
                             (*lab)->slave().holder()};
    if (write(ready[1], ids, sizeof(ids)) != static_cast<ssize_t>(sizeof(ids))) _exit(1);
    while (true) pause();
  }
  close(ready[1]);
  ProcessId ids[3];
  ASSERT_EQ(read(ready[0], ids, sizeof(ids)), static_cast<ssize_t>(sizeof(ids)));
  close(ready[0]);
  for (const ProcessId& id : ids) EXPECT_TRUE(IsAlive(id));
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  for (const ProcessId& id : ids) EXPECT_TRUE(WaitForEnd(id, absl::Seconds(10))) << id.pid;
  const std::string name = absl::StrCat("hblab-", child);
  // The holders take the names away themselves; the directory is swept by the next lab, of whatever
  // process.
  for (const std::string& trace : Traces(name)) EXPECT_EQ(trace, "/run/hb-lab/" + name);
  UpOrDie();
  EXPECT_THAT(Traces(name), IsEmpty());
}

TEST(LabTest, ALabThatIsKeptIsFoundAgainAndReplacedByTheNextOfItsName) {
  const std::string name = absl::StrCat("hblabkept-", getpid());
  UpOrDie({.name = name, .keep = true});
  absl::StatusOr<std::unique_ptr<Lab>> found = Lab::Attach(name);
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_TRUE((*found)->master().Spawn("sleeper", {"sleep", "1000"}).ok());
  const absl::StatusOr<std::unique_ptr<Lab>> again = Lab::Attach(name);
  ASSERT_TRUE(again.ok()) << again.status();
  const absl::StatusOr<Process*> sleeper = (*again)->master().Find("sleeper");
  ASSERT_TRUE(sleeper.ok()) << sleeper.status();
  EXPECT_TRUE((*sleeper)->Running());
  EXPECT_TRUE(Pings(**again, "client", "master"));
  UpOrDie({.name = name, .keep = true});
  EXPECT_FALSE((*sleeper)->Running());
  EXPECT_TRUE(Lab::Remove(name).ok());
  EXPECT_TRUE(absl::IsNotFound(Lab::Attach(name).status()));
  EXPECT_THAT(Traces(name), IsEmpty());
}

// What a lab leaves behind when even its holders were killed: the names, here with a process in
// one.
TEST(LabTest, LeftoversOfACrashDoNotBlockANewLab) {
  const std::string name = absl::StrCat("hblabcrash-", getpid());
  ASSERT_TRUE(RunOrFail({"ip", "netns", "add", name + "-master"}).ok());
  absl::StatusOr<std::unique_ptr<Process>> squatter =
      StartProgram({"ip", "netns", "exec", name + "-master", "sleep", "1000"}, {}, nullptr);
  ASSERT_TRUE(squatter.ok());
  ASSERT_TRUE(RunOrFail({"ip", "netns", "add", name + "-bystander"}).ok());
  {
    const std::unique_ptr<Lab> lab = UpOrDie({.name = name});
    EXPECT_TRUE((*squatter)->Wait(absl::Seconds(10)).ok());
    EXPECT_TRUE(Pings(*lab, "client", "master"));
  }
  // Only what a lab would make is removed.
  EXPECT_THAT(Traces(name), Not(IsEmpty()));
  ASSERT_TRUE(RunOrFail({"ip", "netns", "del", name + "-bystander"}).ok());
  EXPECT_THAT(Traces(name), IsEmpty());
}

TEST(LabTest, RefusesBadNames) {
  for (const char* name : {"../x", "a b", "-x", "a/b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Lab::Up({.name = name}).status())) << name;
    EXPECT_TRUE(absl::IsInvalidArgument(Lab::Remove(name))) << name;
  }
}

}  // namespace
}  // namespace hb::lab
