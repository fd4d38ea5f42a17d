// hb-lab as a shell script uses it: each call is a process of its own, which finds the lab by its
// name.
#include "tests/lab/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/lab/lab.h"

namespace hb::lab {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;

class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() : name_(absl::StrCat("hblabprogram-", getpid())) {}
  ~ProgramTest() override { EXPECT_EQ(Lab::Remove(name_), absl::OkStatus()); }

  // `words`: the command line but for the lab's name, separated by blanks.
  RunResult Call(const std::string& words) {
    std::vector<std::string> argv = {HB_LAB_PROGRAM, "--name", name_};
    const std::vector<std::string> split = absl::StrSplit(words, ' ', absl::SkipEmpty());
    argv.insert(argv.end(), split.begin(), split.end());
    absl::StatusOr<RunResult> result = RunProgram(argv, {}, nullptr, absl::Seconds(60));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *std::move(result) : RunResult{.status = -1, .output = ""};
  }

  // A call that must succeed.
  std::string Do(const std::string& words) {
    const RunResult result = Call(words);
    EXPECT_EQ(result.status, 0) << words << ": " << result.output;
    return result.output;
  }

  const std::string name_;
};

constexpr char kApache[] = " apache -- /usr/sbin/apache2 -DFOREGROUND -f /etc/hb-lab/apache2.conf";

TEST_F(ProgramTest, MeasuresAFaultFromAScript) {
  EXPECT_THAT(Do("up --third-host"), HasSubstr("watch    192.168.0.3"));
  Do(absl::StrCat("spawn master", kApache));
  Do("exec master -- ip addr add 192.168.0.111/32 dev eth0");
  Do("meter start");
  Do("meter wait master --timeout 20s");
  EXPECT_THAT(Do("status"), AllOf(HasSubstr("apache ("), Not(HasSubstr("(ended)")),
                                  HasSubstr("192.168.0.111 is answered for by master\n")));
  Do("meter mark");
  Do("kill-service master");
  EXPECT_EQ(Call("meter wait master --timeout 300ms").status, 1);
  Do(absl::StrCat("spawn master", kApache));
  Do("meter wait master --timeout 20s");
  int outage_ms = 0;
  const std::string outage = Do("meter outage");
  ASSERT_TRUE(absl::SimpleAtoi(outage, &outage_ms)) << outage;
  EXPECT_THAT(outage_ms, AllOf(Ge(250), Le(20'000)));
  EXPECT_THAT(Do("meter report --json"), HasSubstr("\"now\":\"master\""));
  Do("meter mark");
  EXPECT_EQ(Do("meter outage"), "0\n");
  EXPECT_EQ(Call("meter start").status, 1);
  EXPECT_THAT(Do("meter stop"), HasSubstr("now master"));
  EXPECT_EQ(Call("meter outage").status, 1);
  Do("down");
  EXPECT_THAT(Call("status").output, HasSubstr("no lab called"));
  Do("down");
}

TEST_F(ProgramTest, KeepsDaemonsByNameAndInjectsFaults) {
  Do("up");
  Do("spawn --user slave daemon -- sh -c id\t-u;exec\tsleep\t1000");
  EXPECT_EQ(Call("spawn slave daemon -- sleep 1000").status, 1);
  Do("stop slave daemon");
  Do("cont slave daemon");
  EXPECT_EQ(Do("output slave daemon"), "65534\n");
  Do("kill slave daemon");
  EXPECT_THAT(Do("status"), HasSubstr("daemon (ended)"));
  EXPECT_THAT(Call("kill slave daemon").output, HasSubstr("has ended"));
  Do("cut master slave");
  Do("drop client master");
  Do("pull gateway");
  EXPECT_THAT(
      Do("status"),
      AllOf(HasSubstr("dropped: slave -> master\n"), HasSubstr("dropped: client -> master\n"),
            Not(HasSubstr("dropped: master -> client\n")), HasSubstr("cable pulled: gateway\n")));
  Do("heal master slave");
  EXPECT_THAT(Do("status"), Not(HasSubstr("dropped: slave -> master\n")));
  Do("heal");
  EXPECT_THAT(Do("status"), AllOf(Not(HasSubstr("dropped")), Not(HasSubstr("pulled"))));
  EXPECT_EQ(Call("exec master -- sh -c exit\t7").status, 7);
}

TEST_F(ProgramTest, TellsUsageFromFailure) {
  for (const char* words :
       {"", "nonsense", "up --no-such", "cut master", "meter --for x --for y", "heal master"}) {
    EXPECT_EQ(Call(words).status, 2) << words;
  }
  EXPECT_EQ(Call("exec master -- true").status, 1);  // no such lab
  EXPECT_EQ(Call("--help").status, 0);
}

}  // namespace
}  // namespace hb::lab
