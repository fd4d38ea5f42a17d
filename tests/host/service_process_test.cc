// The process driver against real programs: how they are started, how their end is learnt, how they
// are stopped and found again. Servers are in service_server_test.cc.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/boot_clock.h"
#include "executor/host/service/process.h"
#include "executor/host/service/process_record.h"
#include "tests/host/service_world.h"

namespace hb::executor {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

ProcessDefinition Shell(const std::string& script) {
  return {{"/bin/sh", "-c", script}, {}, "", SIGTERM};
}

class ServiceProcessTest : public ServiceWorld {
 protected:
  ~ServiceProcessTest() override {
    if (service_ == nullptr) return;
    service_->Stop();
    EXPECT_TRUE(Becomes(*service_, State::kStopped)) << "left running";
  }

  ProcessService* Make(ProcessDefinition definition, Duration stop_timeout = absl::Seconds(10)) {
    service_.reset();
    service_ = std::make_unique<ProcessService>(loop_.get(), "web", std::move(definition),
                                                stop_timeout, dir_.path());
    service_->OnChange([this] { seen_.push_back(service_->status().state); });
    return service_.get();
  }
  std::string state_file() const { return dir_ / "web.pid"; }
  ProcessRecord Record() const { return ReadRecord(state_file()).value_or(ProcessRecord{}); }
  [[nodiscard]] bool Exists(const std::string& name) {
    return RunUntil([&] { return std::filesystem::exists(dir_ / name); });
  }
  // Starts a service in a process of its own that then ends, as an executor that was killed would.
  // The definition's program is left behind, running.
  void StartInAnotherProcess(const ProcessDefinition& definition) {
    const pid_t other = fork();
    ASSERT_GE(other, 0);
    if (other == 0) {
      // The loop's descriptors are shared with the parent: it needs one of its own.
      auto loop = std::move(EventLoop::Create()).value();
      ProcessService service(loop.get(), "web", definition, absl::Seconds(10), dir_.path());
      service.Start();
      const MonoTime limit = BootNow() + absl::Seconds(20);
      while (service.status().state == State::kStarting && BootNow() < limit) {
        loop->RunOnce(absl::Milliseconds(10));
      }
      _exit(service.status().state == State::kRunning ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(other, &status, 0), other);
    ASSERT_EQ(status, 0);
  }

  std::unique_ptr<ProcessService> service_;
  std::vector<State> seen_;
};

TEST_F(ServiceProcessTest, RunsInACleanSurrounding) {
  // What must not reach the program: a descriptor, a blocked and an ignored signal, a variable, a
  // umask.
  const int leaked = open("/dev/zero", O_RDONLY);
  ASSERT_GE(leaked, 3);
  ASSERT_EQ(setenv("HB_LEAK", "1", 1), 0);
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
  const auto handler = signal(SIGPIPE, SIG_IGN);
  const mode_t mask = umask(077);

  ProcessDefinition definition{{"/bin/sleep", "1000"}, {}, "", SIGTERM};
  definition.environment = {{"LANG", "C.UTF-8"}, {"HB_TEST", "a b"}};
  Make(definition)->Start();
  EXPECT_EQ(service_->status().state, State::kStarting);
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
  const pid_t pid = Record().pid;
  const std::string proc = absl::StrCat("/proc/", pid, "/");
  EXPECT_EQ(ReadFile(proc + "environ"),
            std::string("HB_TEST=a b\0LANG=C.UTF-8\0"
                        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\0",
                        91));
  EXPECT_THAT(ReadFile(proc + "status"),
              HasSubstr("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"));
  EXPECT_THAT(ReadFile(proc + "status"), HasSubstr("Umask:\t0022\n"));
  EXPECT_EQ(std::filesystem::read_symlink(proc + "cwd"), "/");
  EXPECT_EQ(std::filesystem::read_symlink(proc + "fd/0"), "/dev/null");
  // The program's loader opens libraries for a moment; what leaked would stay.
  EXPECT_TRUE(RunUntil([&] {
    const std::filesystem::directory_iterator begin(proc + "fd");
    return std::distance(begin, std::filesystem::directory_iterator()) == 3;
  }));
  EXPECT_EQ(ReadProcessStat(pid)->group, pid);
  EXPECT_EQ(ReadProcessStat(pid)->session, pid);

  umask(mask);
  signal(SIGPIPE, handler);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  unsetenv("HB_LEAK");
  close(leaked);
}

TEST_F(ServiceProcessTest, AppendsTheOutputToItsFile) {
  ProcessDefinition definition = Shell("echo said; echo complained >&2; exit 1");
  definition.output = dir_ / "output";
  Make(definition)->Start();
  ASSERT_TRUE(Becomes(*service_, State::kFailed));
  service_->Start();
  ASSERT_TRUE(Becomes(*service_, State::kFailed));
  EXPECT_EQ(ReadFile(definition.output), "said\ncomplained\nsaid\ncomplained\n");
  EXPECT_EQ(std::filesystem::status(definition.output).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write |
                std::filesystem::perms::group_read);
}

TEST_F(ServiceProcessTest, SaysWhyAProgramCannotBeStarted) {
  WriteFile(dir_ / "plain", "not a program");
  const std::string nothing = dir_ / "nothing";
  ProcessDefinition no_output{{"/bin/true"}, {}, dir_ / "no/such/dir/output", SIGTERM};
  const std::vector<std::pair<ProcessDefinition, std::string>> cases = {
      {{{nothing}, {}, "", SIGTERM}, "can't start " + nothing + ": No such file or directory"},
      {{{dir_ / "plain"}, {}, "", SIGTERM},
       "can't start " + (dir_ / "plain") + ": Permission denied"},
      {{{dir_.path()}, {}, "", SIGTERM}, "can't start " + dir_.path() + ": Permission denied"},
      {no_output,
       "can't start /bin/true: output file " + no_output.output + ": No such file or directory"},
  };
  for (const auto& [definition, why] : cases) {
    Make(definition)->Start();
    ASSERT_TRUE(Becomes(*service_, State::kFailed)) << why;
    EXPECT_EQ(service_->status().detail, why);
    EXPECT_FALSE(std::filesystem::exists(state_file()));
  }
}

TEST_F(ServiceProcessTest, SaysHowAProgramEnded) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"exit 0", "exited with status 0"},
      {"exit 3", "exited with status 3"},
      {"kill -KILL $$", "killed by signal 9 (Killed)"},
      {"kill -TERM $$", "killed by signal 15 (Terminated)"},
  };
  for (const auto& [script, how] : cases) {
    Make(Shell(script))->Start();
    ASSERT_TRUE(Becomes(*service_, State::kFailed)) << script;
    EXPECT_EQ(service_->status().detail, how);
    EXPECT_FALSE(std::filesystem::exists(state_file()));
    service_->Stop();
    EXPECT_EQ(service_->status(), (ServiceStatus{State::kStopped, ""})) << "the record is cleared";
  }
}

TEST_F(ServiceProcessTest, AnnouncesChangesButNotFromWithinACall) {
  Make({{"/bin/sleep", "1000"}, {}, "", SIGTERM});
  service_->Start();
  EXPECT_THAT(seen_, IsEmpty());
  ASSERT_TRUE(RunUntil([&] { return !seen_.empty() && seen_.back() == State::kRunning; }));
  const size_t announced = seen_.size();
  service_->Start();  // nothing to do
  service_->Stop();
  EXPECT_EQ(service_->status().state, State::kStopping);
  EXPECT_EQ(seen_.size(), announced);
  ASSERT_TRUE(RunUntil([&] { return !seen_.empty() && seen_.back() == State::kStopped; }));
  // Several of one turn are announced together, never one twice.
  EXPECT_EQ(std::adjacent_find(seen_.begin(), seen_.end()), seen_.end());
}

TEST_F(ServiceProcessTest, KillsWhatIgnoresTheStopSignal) {
  const std::string ready = dir_ / "ready";
  Make(Shell("trap '' TERM; touch " + ready + "; while :; do sleep 1; done"),
       absl::Milliseconds(200))
      ->Start();
  ASSERT_TRUE(Exists("ready"));
  const MonoTime asked = BootNow();
  service_->Stop();
  ASSERT_TRUE(Becomes(*service_, State::kStopped));
  EXPECT_GE(BootNow() - asked, absl::Milliseconds(200));
  EXPECT_LT(BootNow() - asked, absl::Seconds(5));
  EXPECT_EQ(service_->status().detail, "did not end within 200 ms of SIGTERM and was killed");
}

TEST_F(ServiceProcessTest, StopsWithTheSignalThatItWasGiven) {
  ProcessDefinition definition = Shell("trap 'touch " + (dir_ / "quit") + "; exit' QUIT; touch " +
                                       (dir_ / "ready") + "; while :; do sleep 0.05; done");
  definition.stop_signal = SIGQUIT;
  Make(definition)->Start();
  ASSERT_TRUE(Exists("ready"));
  service_->Stop();
  ASSERT_TRUE(Becomes(*service_, State::kStopped));
  EXPECT_EQ(service_->status().detail, "");
  EXPECT_TRUE(std::filesystem::exists(dir_ / "quit"));
}

TEST_F(ServiceProcessTest, StopsWhatDoesNotCatchAStopSignalThatDoesNothingByItself) {
  Make({{"/bin/sleep", "1000"}, {}, "", SIGWINCH})->Start();
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
  const MonoTime asked = BootNow();
  service_->Stop();
  ASSERT_TRUE(Becomes(*service_, State::kStopped));
  EXPECT_LT(BootNow() - asked, absl::Seconds(5)) << "it took the kill";
}

TEST_F(ServiceProcessTest, StopsAFrozenProcessGracefully) {
  Make({{"/bin/sleep", "1000"}, {}, "", SIGTERM})->Start();
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
  ASSERT_EQ(kill(Record().pid, SIGSTOP), 0);
  const MonoTime asked = BootNow();
  service_->Stop();
  ASSERT_TRUE(Becomes(*service_, State::kStopped));
  EXPECT_LT(BootNow() - asked, absl::Seconds(5)) << "it took the kill";
}

TEST_F(ServiceProcessTest, EndsTheRestOfTheGroupBeforeItReportsTheDeath) {
  // The leader ends; a child that ignores SIGTERM stays.
  Make(Shell("(trap '' TERM HUP; touch " + (dir_ / "ready") +
             "; while :; do sleep 1; done) & sleep 1000"))
      ->Start();
  ASSERT_TRUE(Exists("ready"));
  const pid_t group = Record().pid;
  ASSERT_TRUE(RunUntil([&] { return LivingMembers(group).size() >= 3; }));
  ASSERT_EQ(kill(group, SIGKILL), 0);
  ASSERT_TRUE(RunUntil([&] { return service_->status().state != State::kRunning; }));
  ASSERT_TRUE(Becomes(*service_, State::kFailed));
  EXPECT_EQ(service_->status().detail, "killed by signal 9 (Killed)");
  EXPECT_THAT(LivingMembers(group), IsEmpty());
}

TEST_F(ServiceProcessTest, AStartWhileItStopsStartsAnotherAfterwards) {
  Make({{"/bin/sleep", "1000"}, {}, "", SIGTERM})->Start();
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
  const pid_t first = Record().pid;
  service_->Stop();
  service_->Start();
  EXPECT_EQ(service_->status().state, State::kStopping);
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
  EXPECT_NE(Record().pid, first);
  EXPECT_THAT(LivingMembers(first), IsEmpty());
  // And one that is taken back does not.
  service_->Stop();
  service_->Start();
  service_->Stop();
  ASSERT_TRUE(Becomes(*service_, State::kStopped));
  EXPECT_FALSE(RunUntil([&] { return service_->status().state != State::kStopped; },
                        absl::Milliseconds(50)));
}

TEST_F(ServiceProcessTest, AStopGivesAStartUp) {
  Make({{"/bin/sleep", "1000"}, {}, "", SIGTERM})->Start();
  const pid_t pid = Record().pid;
  service_->Stop();
  ASSERT_TRUE(Becomes(*service_, State::kStopped));
  EXPECT_THAT(LivingMembers(pid), IsEmpty());
  EXPECT_THAT(seen_, Not(testing::Contains(State::kRunning)));
}

TEST_F(ServiceProcessTest, OutlivesItsDriverAndIsFoundAgain) {
  Make({{"/bin/sleep", "1000"}, {}, "", SIGTERM})->Start();
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
  const ProcessRecord record = Record();
  EXPECT_EQ(record.executable, ProcessExecutable(record.pid));
  Make({{"/bin/sleep", "1000"}, {}, "", SIGTERM});
  EXPECT_EQ(service_->status(), (ServiceStatus{State::kRunning, ""}));
  EXPECT_EQ(Record(), record);
  service_->Start();  // nothing to do
  ASSERT_EQ(kill(record.pid, SIGKILL), 0);
  ASSERT_TRUE(Becomes(*service_, State::kFailed));
  EXPECT_EQ(service_->status().detail, "killed by signal 9 (Killed)");
}

TEST_F(ServiceProcessTest, FindsTheProcessOfAnExecutorThatDied) {
  const ProcessDefinition definition = Shell("sleep 1000; exit 1");
  StartInAnotherProcess(definition);
  Make(definition);
  EXPECT_EQ(service_->status().state, State::kRunning);
  const pid_t pid = Record().pid;
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  ASSERT_TRUE(Becomes(*service_, State::kFailed, absl::Seconds(5)));
  EXPECT_THAT(service_->status().detail, HasSubstr("how is unknown"));
  EXPECT_THAT(LivingMembers(pid), IsEmpty()) << "its child is left";
  service_->Start();
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
}

TEST_F(ServiceProcessTest, StopsTheProcessOfAnExecutorThatDied) {
  const ProcessDefinition definition = Shell("sleep 1000; exit 1");
  StartInAnotherProcess(definition);
  Make(definition);
  ASSERT_EQ(service_->status().state, State::kRunning);
  const pid_t pid = Record().pid;
  service_->Stop();
  ASSERT_TRUE(Becomes(*service_, State::kStopped));
  EXPECT_THAT(LivingMembers(pid), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(state_file()));
}

TEST_F(ServiceProcessTest, EndsWhatAProcessLeftBehindWhileNobodyLooked) {
  StartInAnotherProcess(
      Shell("(touch " + (dir_ / "ready") + "; while :; do sleep 1; done) & wait"));
  ASSERT_TRUE(Exists("ready"));
  const pid_t leader = Record().pid;
  ASSERT_EQ(kill(leader, SIGKILL), 0);
  ASSERT_TRUE(
      RunUntil([&] { return !ReadProcessStat(leader).ok() || ReadProcessStat(leader)->dead(); }));
  ASSERT_THAT(LivingMembers(leader), Not(IsEmpty()));
  Make(Shell("exit 1"));
  ASSERT_TRUE(Becomes(*service_, State::kStopped));
  EXPECT_THAT(LivingMembers(leader), IsEmpty());
}

// A process that nobody of hb has started, leader of a session as a service is.
class Stranger {
 public:
  Stranger() : pid_(fork()) {
    if (pid_ == 0) {
      setsid();
      execl("/bin/sleep", "sleep", "1000", nullptr);
      _exit(127);
    }
  }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;
  ~Stranger() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }
  bool alive() const { return ReadProcessStat(pid_).ok() && !ReadProcessStat(pid_)->dead(); }

 private:
  const pid_t pid_;
};

TEST_F(ServiceProcessTest, DoesNotTakeAStrangerForItsProcess) {
  const Stranger stranger;
  // Only once it is its own group, the group may be asked for.
  ASSERT_TRUE(RunUntil(
      [&] { return ProcessExecutable(stranger.pid()).find("sleep") != std::string::npos; }));
  const uint64_t start = ReadProcessStat(stranger.pid())->start_time;
  const std::string boot = BootId().value();
  const std::string exe = ProcessExecutable(stranger.pid());
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"PidReused", ProcessRecord{stranger.pid(), start - 1, boot, exe}.Format()},
      {"EarlierBoot", ProcessRecord{stranger.pid(), start, "another-boot", exe}.Format()},
      {"Corrupt", "hb-process 1\npid " + absl::StrCat(stranger.pid()) + "\n"},
      {"Empty", ""},
      {"Gone", ProcessRecord{0x3ffffff, start, boot, exe}.Format()},
  };
  for (const auto& [name, text] : cases) {
    WriteFile(state_file(), text);
    testing::internal::CaptureStderr();
    Make({{"/bin/sleep", "1000"}, {}, "", SIGTERM});
    EXPECT_EQ(service_->status(), (ServiceStatus{State::kStopped, ""})) << name;
    EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("state file ignored")) << name;
    service_->Start();
    ASSERT_TRUE(Becomes(*service_, State::kRunning)) << name;
    service_->Stop();
    ASSERT_TRUE(Becomes(*service_, State::kStopped)) << name;
    EXPECT_TRUE(stranger.alive()) << name;
  }
}

TEST_F(ServiceProcessTest, RunsWithoutAStateFileAndWritesItWhenItCan) {
  const std::string state_dir = dir_ / "state";
  service_ = std::make_unique<ProcessService>(
      loop_.get(), "web", ProcessDefinition{{"/bin/sleep", "1000"}, {}, "", SIGTERM},
      absl::Seconds(10), state_dir);
  service_->Start();
  ASSERT_TRUE(Becomes(*service_, State::kRunning));
  ASSERT_TRUE(std::filesystem::create_directory(state_dir));
  ASSERT_TRUE(RunUntil([&] { return ReadRecord(state_dir + "/web.pid").ok(); }));
  EXPECT_NE(ReadRecord(state_dir + "/web.pid")->executable, "");
}

}  // namespace
}  // namespace hb::executor
