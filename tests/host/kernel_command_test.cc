// Running programs: what goes in and comes out, and that none is left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cerrno>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "common/boot_clock.h"
#include "executor/host/command.h"

namespace hb::executor {
namespace {

using ::testing::HasSubstr;

class CommandTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
    ASSERT_TRUE(loop.ok()) << loop.status();
    loop_ = *std::move(loop);
  }

  absl::StatusOr<CommandResult> Run(CommandSpec spec) {
    std::optional<absl::StatusOr<CommandResult>> outcome;
    auto command = Command::Start(loop_.get(), std::move(spec),
                                  [&](absl::StatusOr<CommandResult> r) { outcome = std::move(r); });
    if (!command.ok()) return command.status();
    EXPECT_FALSE(outcome.has_value()) << "called from within";
    const MonoTime end = BootNow() + absl::Seconds(20);
    while (!outcome.has_value() && BootNow() < end) loop_->RunOnce(absl::Milliseconds(50));
    if (!outcome.has_value()) return absl::UnknownError("never called");
    return *std::move(outcome);
  }

  std::unique_ptr<EventLoop> loop_;
};

TEST_F(CommandTest, InputGoesInAndBothOutputsComeOut) {
  const auto result = Run({.argv = {"sh", "-c", "cat; echo oops >&2; exit 7"}, .input = "a\nb\n"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->out, "a\nb\n");
  EXPECT_EQ(result->err, "oops\n");
  EXPECT_EQ(result->exit_status, 7);
  EXPECT_FALSE(result->ok());
  EXPECT_EQ(result->Describe(), "exited with status 7: oops");
}

TEST_F(CommandTest, ArgumentsReachTheProgramAsTheyAre) {
  const auto result = Run({.argv = {"printf", "%s|", "a b", "$HOME", "", "*"}, .input = ""});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->out, "a b|$HOME||*|");
  EXPECT_TRUE(result->ok());
}

TEST_F(CommandTest, EnvironmentIsBare) {
  const auto result = Run({.argv = {"env"}, .input = ""});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->out, "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nLC_ALL=C\n");
}

TEST_F(CommandTest, BlockedAndIgnoredSignalsAreNotPassedOn) {
  sigset_t block;
  sigset_t before;
  sigemptyset(&block);
  sigaddset(&block, SIGTERM);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &block, &before), 0);
  const auto old = signal(SIGPIPE, SIG_IGN);
  const auto result =
      Run({.argv = {"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}, .input = ""});
  signal(SIGPIPE, old);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(result.ok()) << result.status();
  // Above the ordinary signals lie two that the C library keeps for itself.
  std::istringstream lines(result->out);
  std::string name;
  std::string mask;
  int masks = 0;
  for (; lines >> name >> mask; ++masks) {
    EXPECT_EQ(std::stoull(mask, nullptr, 16) & 0x7fffffffU, 0U) << name << " " << mask;
  }
  EXPECT_EQ(masks, 2);
}

TEST_F(CommandTest, LargeInputThatNobodyReadsIsFine) {
  const auto result = Run({.argv = {"true"}, .input = std::string(4'000'000, 'x')});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ok());
}

TEST_F(CommandTest, LargeOutputIsCutAtTheLimitAndTheProgramStillEnds) {
  const auto result = Run(
      {.argv = {"head", "-c", "3000000", "/dev/zero"}, .input = "", .output_limit_bytes = 1000});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ok());
  EXPECT_EQ(result->out.size(), 1000U);
  EXPECT_TRUE(result->truncated);
}

TEST_F(CommandTest, MissingProgramIsNotFound) {
  const auto named = Run({.argv = {"hb-no-such-program"}, .input = ""});
  EXPECT_TRUE(absl::IsNotFound(named.status())) << named.status();
  EXPECT_THAT(std::string(named.status().message()), HasSubstr("hb-no-such-program"));
  EXPECT_TRUE(absl::IsNotFound(Run({.argv = {"/nowhere/tool"}, .input = ""}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(Run({.argv = {"/etc/passwd"}, .input = ""}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Run({.argv = {}, .input = ""}).status()));
}

TEST_F(CommandTest, DeathBySignalIsTold) {
  const auto result = Run({.argv = {"sh", "-c", "kill -TERM $$"}, .input = ""});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->signal, SIGTERM);
  EXPECT_FALSE(result->ok());
  EXPECT_EQ(result->Describe(), "was killed by signal 15");
}

TEST_F(CommandTest, ProgramThatTakesTooLongIsKilled) {
  std::optional<absl::Status> outcome;
  auto command = Command::Start(
      loop_.get(), {.argv = {"sleep", "1000"}, .input = "", .timeout = absl::Milliseconds(100)},
      [&](const absl::StatusOr<CommandResult>& r) { outcome = r.status(); });
  ASSERT_TRUE(command.ok()) << command.status();
  const pid_t pid = (*command)->pid();
  const MonoTime end = BootNow() + absl::Seconds(10);
  while (!outcome.has_value() && BootNow() < end) loop_->RunOnce(absl::Milliseconds(50));
  ASSERT_TRUE(outcome.has_value());
  EXPECT_TRUE(absl::IsDeadlineExceeded(*outcome)) << *outcome;
  EXPECT_THAT(std::string(outcome->message()), HasSubstr("sleep was killed after 100 ms"));
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST_F(CommandTest, OutputHeldOpenByAnotherDoesNotDelayTheOutcome) {
  const MonoTime start = BootNow();
  const auto result = Run({.argv = {"sh", "-c", "sleep 1000 & echo $!"}, .input = ""});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LT(BootNow() - start, absl::Seconds(4));
  const int left = std::stoi(result->out);
  EXPECT_EQ(kill(left, SIGKILL), 0);
}

TEST_F(CommandTest, DestructionKillsTheProgramAndItsGroup) {
  bool called = false;
  auto command =
      Command::Start(loop_.get(), {.argv = {"sh", "-c", "sleep 1000 & wait"}, .input = ""},
                     [&](const absl::StatusOr<CommandResult>&) { called = true; });
  ASSERT_TRUE(command.ok()) << command.status();
  const pid_t pid = (*command)->pid();
  const MonoTime end = BootNow() + absl::Seconds(10);
  int grandchild = 0;
  while (grandchild == 0 && BootNow() < end) {
    loop_->RunOnce(absl::Milliseconds(10));
    std::ifstream("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children") >>
        grandchild;
  }
  ASSERT_NE(grandchild, 0);
  command->reset();
  EXPECT_EQ(kill(pid, 0), -1);
  while (kill(-pid, 0) == 0 && BootNow() < end) loop_->RunOnce(absl::Milliseconds(10));
  EXPECT_EQ(kill(-pid, 0), -1);
  EXPECT_FALSE(called);
}

TEST_F(CommandTest, OutcomeMayDestroyTheCommand) {
  std::unique_ptr<Command> command;
  bool called = false;
  auto started = Command::Start(loop_.get(), {.argv = {"true"}, .input = ""},
                                [&](const absl::StatusOr<CommandResult>& result) {
                                  command.reset();
                                  called = result.ok();
                                });
  ASSERT_TRUE(started.ok()) << started.status();
  command = *std::move(started);
  const MonoTime end = BootNow() + absl::Seconds(10);
  while (!called && BootNow() < end) loop_->RunOnce(absl::Milliseconds(50));
  EXPECT_TRUE(called);
  EXPECT_EQ(command, nullptr);
}

}  // namespace
}  // namespace hb::executor
