// The process driver's state file, /proc/PID/stat, and signals by name: what is read and what is
// refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <utility>
#include <vector>

#include "executor/host/service/process_record.h"
#include "executor/host/service/signal_name.h"

namespace hb::executor {
namespace {

TEST(ProcessRecordTest, ReadsWhatItWrote) {
  const ProcessRecord record{4711, 987654321, "2f1c8f5e-boot", "/usr/sbin/apache2"};
  const auto read = ProcessRecord::Parse(record.Format());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, record);
}

TEST(ProcessRecordTest, ReadsARecordOfAProgramThatWasNotSeenRunning) {
  const ProcessRecord record{4711, 1, "boot", ""};
  const auto read = ProcessRecord::Parse(record.Format());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, record);
}

TEST(ProcessRecordTest, RefusesWhatItDidNotWrite) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"Empty", ""},
      {"PlainPid", "4711\n"},
      {"OtherVersion", "hb-process 2\npid 2\nstart 1\nboot b\nexecutable /x\n"},
      {"Truncated", "hb-process 1\npid 2\nstart 1\nboot b\n"},
      {"LastLineCut", "hb-process 1\npid 2\nstart 1\nboot b\nexecutable /x"},
      {"MoreThanThat", "hb-process 1\npid 2\nstart 1\nboot b\nexecutable /x\nmore\n"},
      {"OtherOrder", "hb-process 1\nstart 1\npid 2\nboot b\nexecutable /x\n"},
      {"NegativePid", "hb-process 1\npid -2\nstart 1\nboot b\nexecutable /x\n"},
      {"PidZero", "hb-process 1\npid 0\nstart 1\nboot b\nexecutable /x\n"},
      {"Init", "hb-process 1\npid 1\nstart 1\nboot b\nexecutable /x\n"},
      {"HugePid", "hb-process 1\npid 99999999999\nstart 1\nboot b\nexecutable /x\n"},
      {"NoNumber", "hb-process 1\npid 2x\nstart 1\nboot b\nexecutable /x\n"},
      {"BadStart", "hb-process 1\npid 2\nstart \nboot b\nexecutable /x\n"},
      {"LeadingZero", "hb-process 1\npid 2\nstart 01\nboot b\nexecutable /x\n"},
      {"SpaceAfterNumber", "hb-process 1\npid 2 \nstart 1\nboot b\nexecutable /x\n"},
      {"NoBoot", "hb-process 1\npid 2\nstart 1\nboot \nexecutable /x\n"},
      {"Binary", std::string("hb-process 1\npid 2") + '\0' + "\nstart 1\nboot b\nexecutable /x\n"},
  };
  for (const auto& [name, text] : cases) {
    EXPECT_EQ(ProcessRecord::Parse(text).status().code(), absl::StatusCode::kInvalidArgument)
        << name;
  }
}

TEST(ProcessStatTest, ReadsALineWhoseNameLooksLikeFields) {
  const auto stat = ParseProcessStat(
      "4711 (a) S 1) R 1 4710 4709 0 -1 4194560 9 9 0 0 1 2 3 4 20 0 1 0 5551212 100 200 "
      "18446744073709551615");
  ASSERT_TRUE(stat.ok()) << stat.status();
  EXPECT_EQ(stat->pid, 4711);
  EXPECT_EQ(stat->state, 'R');
  EXPECT_EQ(stat->group, 4710);
  EXPECT_EQ(stat->session, 4709);
  EXPECT_EQ(stat->start_time, 5551212U);
  EXPECT_FALSE(stat->dead());
}

TEST(ProcessStatTest, TellsTheDead) {
  for (const char state : {'Z', 'X', 'x'}) {
    const auto stat = ParseProcessStat(std::string("5 (a) ") + state +
                                       " 1 5 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 77 0 0");
    ASSERT_TRUE(stat.ok()) << stat.status();
    EXPECT_TRUE(stat->dead()) << state;
  }
}

TEST(ProcessStatTest, RefusesOtherText) {
  for (const char* text :
       {"", "5", "5 (a", "5 (a) ", "5 (a) S 1 5 5", "(a) 5 S 1 5 5 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
        "x (a) S 1 5 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 77 0 0",
        "5 (a) S 1 5 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 x 0 0",
        "5 (a) SS 1 5 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 77 0 0"}) {
    EXPECT_EQ(ParseProcessStat(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(SignalNameTest, KnowsTheNamesOfConfigs) {
  const std::vector<std::pair<std::string, int>> cases = {
      {"SIGTERM", SIGTERM}, {"SIGWINCH", SIGWINCH}, {"SIGQUIT", SIGQUIT},
      {"SIGINT", SIGINT},   {"SIGHUP", SIGHUP},     {"SIGUSR1", SIGUSR1},
  };
  for (const auto& [name, signal] : cases) {
    const auto parsed = ParseSignalName(name);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, signal) << name;
    EXPECT_EQ(SignalName(signal), name);
  }
}

TEST(SignalNameTest, RefusesWhatIsNone) {
  for (const char* name :
       {"", "TERM", "sigterm", "SIG", "SIGTERM ", "SIGNOSUCH", "15", "SIGRTMIN"}) {
    const auto parsed = ParseSignalName(name);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(parsed.status().message()), testing::HasSubstr(name));
  }
}

TEST(SignalNameTest, SaysHowAProcessEnded) {
  EXPECT_EQ(DescribeExit(CLD_EXITED, 1), "exited with status 1");
  EXPECT_EQ(DescribeExit(CLD_KILLED, SIGKILL), "killed by signal 9 (Killed)");
  EXPECT_EQ(DescribeExit(CLD_DUMPED, SIGSEGV),
            "killed by signal 11 (Segmentation fault), core dumped");
}

}  // namespace
}  // namespace hb::executor
