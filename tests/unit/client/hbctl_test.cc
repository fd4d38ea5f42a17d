// The real hbctl against nothing, against sockets that do not answer, and against a controller that
// refuses: exit codes, messages and remedies; the command line, the help, and where the output
// goes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "common/ip_address.h"
#include "hbctl_fixture.h"

namespace hb::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

using HbctlTest = HbctlFixture;

// Every command that asks a controller, as typed.
const std::vector<std::vector<std::string>>& Commands() {
  static const auto& commands = *new std::vector<std::vector<std::string>>{
      {"status"},        {"status", "web"},     {"watch"},           {"events"},
      {"events", "-f"},  {"switchover", "web"}, {"failback", "web"}, {"pause", "web"},
      {"resume", "web"}, {"ack", "web"},        {"version"},
  };
  return commands;
}

TEST_F(HbctlTest, SaysWhereNothingListensAndWhatToDo) {
  for (const std::vector<std::string>& command : Commands()) {
    const RunResult result = Run(command);
    EXPECT_EQ(result.exit_code, 3) << command[0];
    EXPECT_THAT(result.err,
                AllOf(StartsWith("hbctl: can't reach the controller at unix://" + path()),
                      HasSubstr("No such file or directory"),
                      HasSubstr("is hb-controller running?"), HasSubstr("--server")));
  }
}

TEST_F(HbctlTest, SaysThatNobodyServesTheSocket) {
  ListenSilently();
  close(sockets_.back());
  sockets_.clear();
  const RunResult result = Run({"status"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("Connection refused"), HasSubstr("is hb-controller running?")));
}

TEST_F(HbctlTest, SaysThatThePortIsClosed) {
  // Bound and not listening: nobody else gets the port meanwhile.
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockets_.push_back(fd);
  sockaddr_storage address = {};
  const socklen_t size = IpAddress::Parse("127.0.0.1")->ToSockaddr(0, &address);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0) << errno;
  sockaddr_in bound = {};
  socklen_t bound_size = sizeof bound;
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &bound_size), 0) << errno;
  const std::string server = absl::StrCat("127.0.0.1:", ntohs(bound.sin_port));
  const RunResult result = RunHbctl({"status"}, {.environment = {"HB_SERVER=" + server}});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("at " + server + ": Connection refused"));
}

TEST_F(HbctlTest, SaysThatTheSocketIsForbidden) {
  FakeController controller(listen(), WebScript());
  ASSERT_EQ(chmod(path().c_str(), 0), 0) << errno;
  const RunResult result = Run({"status"}, {.obey_permissions = true});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, AllOf(HasSubstr("Permission denied on the socket"),
                                HasSubstr("root or as a member of the socket's group"),
                                Not(HasSubstr("is hb-controller running?"))));
}

TEST_F(HbctlTest, GivesUpOnASocketThatAcceptsAndStaysSilent) {
  ListenSilently();
  // Within 2 s whatever the timeout: Finish() would report -1 after 20 s.
  RunResult result = Run({"--timeout", "1h", "status"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("did not answer as a controller within 2 s"));
  result = Run({"--timeout", "50ms", "status"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("within 50 ms"));
}

TEST_F(HbctlTest, GivesUpOnAControllerThatNeverAnswers) {
  Script script = WebScript();
  script.hang = Hang::kAlways;
  FakeController controller(listen(), script);
  std::vector<std::unique_ptr<RunningHbctl>> running;
  for (std::vector<std::string> command : Commands()) {
    command.insert(command.begin(), {"--timeout", "2s"});
    running.push_back(std::make_unique<RunningHbctl>(Arguments(command)));
  }
  for (size_t i = 0; i < running.size(); ++i) {
    const RunResult result = running[i]->Finish();
    EXPECT_EQ(result.exit_code, 3) << Commands()[i][0];
    EXPECT_THAT(result.err, HasSubstr("did not answer within 2 s")) << Commands()[i][0];
  }
}

TEST_F(HbctlTest, PassesOnRefusals) {
  const struct {
    absl::Status refusal;
    int exit_code;
    const char* message;
  } kCases[] = {
      {absl::FailedPreconditionError("web is paused; hbctl resume web first"), 1,
       "hbctl: web is paused; hbctl resume web first\n"},
      {absl::NotFoundError("no cluster 'wbe'; there is: web"), 1,
       "hbctl: no cluster 'wbe'; there is: web\n"},
      {absl::InvalidArgumentError("cluster: must be set"), 2, "hbctl: cluster: must be set\n"},
      {absl::InternalError("store: disk full"), 1, "hbctl: store: disk full\n"},
      {absl::InternalError("evil \033[2J\nname"), 1, "hbctl: evil \\x1b[2J\\nname\n"},
      {absl::UnavailableError("shutting down"), 3, "shutting down\n"},
      {absl::CancelledError("closing"), 3, "hbctl: lost the controller at unix:///"},
      {absl::UnimplementedError(""), 1, "does not know this command; is it older than hbctl?\n"},
      {absl::PermissionDeniedError(""), 1, "gave no reason (gRPC status 7)\n"},
  };
  for (const auto& c : kCases) {
    Script script = WebScript();
    script.result = c.refusal;
    FakeController controller(listen(), script);
    // Every command takes the same way; the first refusal tries them all, the others one of each
    // kind.
    const bool all = &c == &kCases[0];
    for (const std::vector<std::string>& command : Commands()) {
      const bool one_of_its_kind = command[0] == "pause" || command[0] == "switchover";
      if (command[0] == "version" || !(all || one_of_its_kind)) continue;
      const RunResult result = Run(command);
      EXPECT_EQ(result.exit_code, c.exit_code) << command[0] << " " << c.refusal;
      EXPECT_THAT(result.err, HasSubstr(c.message)) << command[0];
      EXPECT_THAT(result.err, Not(HasSubstr("may be going on"))) << command[0];
    }
    unlink(path().c_str());
  }
}

TEST_F(HbctlTest, ReachesAddressesOfBothFamiliesPastAnyProxy) {
  for (const std::string host : {"127.0.0.1", "[::1]"}) {
    FakeController controller(host + ":0", WebScript());
    const RunResult result =
        RunHbctl({"status", "--server", absl::StrCat(host, ":", controller.port())},
                 {.environment = {"http_proxy=http://127.0.0.1:1", "HB_SERVER=unix:///nowhere"}});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, StartsWith("web   serves")) << host;
  }
}

TEST_F(HbctlTest, ReachesASocketWithAnOddName) {
  // The server's own name for it is a URI, too; that the socket is where it should be is checked
  // first.
  directory_ += "/";
  const std::string odd = directory_ + "a b%41#?.sock";
  Script script = WebScript();
  FakeController controller("unix:" + directory_ + "a%20b%2541%23%3F.sock", script);
  ASSERT_TRUE(std::filesystem::exists(odd));
  const RunResult result = RunHbctl({"status", "--server", "unix://" + odd});
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST_F(HbctlTest, ColoursOnlyOnATerminal) {
  FakeController controller(listen(), WebScript());
  EXPECT_THAT(Run({"status"}).out, Not(HasSubstr("\033")));
  EXPECT_THAT(Run({"status"}, {.terminal = true}).out, HasSubstr("\033[1mweb\033[0m"));
  EXPECT_THAT(Run({"status", "--no-color"}, {.terminal = true}).out, Not(HasSubstr("\033")));
  EXPECT_THAT(Run({"status"}, {.environment = {"NO_COLOR=1"}, .terminal = true}).out,
              Not(HasSubstr("\033")));
  EXPECT_THAT(Run({"status"}, {.environment = {"NO_COLOR="}, .terminal = true}).out,
              HasSubstr("\033[1mweb\033[0m"));
  EXPECT_THAT(Run({"status", "-o", "json"}, {.terminal = true}).out, Not(HasSubstr("\033")));
}

TEST_F(HbctlTest, RefusesWhatItDoesNotUnderstand) {
  // A controller is there: what is refused is refused before anything is asked.
  FakeController controller(listen(), WebScript());
  const struct {
    std::vector<std::string> arguments;
    const char* want;
  } kCases[] = {
      {{}, "subcommand is required"},
      {{"reboot"}, "unknown command 'reboot'"},
      {{"status", "web", "db"}, "db"},
      {{"status", "-o", "xml"}, "xml"},
      {{"status", "--bogus"}, "--bogus"},
      {{"status", "--server", "localhost:7400"},
       "--server (HB_SERVER): 'localhost:7400' is neither"},
      {{"status", "--timeout", "soon"}, "--timeout: 'soon' is not a time span"},
      {{"status", "--timeout", "0s"}, "--timeout: '0s' is not a time span"},
      {{"status", "--timeout", "2h"}, "--timeout: at most 1h"},
      {{"events", "--since", "yesterday"}, "--since: 'yesterday' is neither"},
      {{"events", "-n", "0"}, "--limit: Value 0 not in range"},
      {{"events", "-n", "-1"}, "--limit: Value -1 not in range"},
      {{"events", "-n", "many"}, "many"},
      {{"pause"}, "CLUSTER is required"},
      {{"pause", ""}, "must not be empty"},
      {{"switchover"}, "CLUSTER is required"},
      {{"switchover", "web", "slave"}, "slave"},
      {{"switchover", "web", "--to", ""}, "must not be empty"},
      {{"status", "\033[2J", "\033[2J"}, "\\x1b[2J"},
  };
  for (const auto& c : kCases) {
    const RunResult result = Run(c.arguments);
    const std::string command = ::testing::PrintToString(c.arguments);
    EXPECT_EQ(result.exit_code, 2) << command << result.err;
    EXPECT_THAT(result.err, AllOf(StartsWith("hbctl: "), HasSubstr(c.want), Not(HasSubstr("\033"))))
        << command;
    EXPECT_EQ(result.out, "") << command;
  }
  const RunResult result = RunHbctl({"status"}, {.environment = {"HB_SERVER=nonsense"}});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("HB_SERVER"));
  EXPECT_THAT(controller.calls(), IsEmpty());
}

TEST_F(HbctlTest, FailsWhenItsOutputCannotBeWritten) {
  FakeController controller(listen(), WebScript());
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"status"}, {"status", "-o", "json"}, {"version"}, {"pause", "web"}}) {
    const RunResult result = Run(command, {.output_file = "/dev/full"});
    EXPECT_EQ(result.exit_code, 1) << command[0];
    EXPECT_THAT(result.err, HasSubstr("can't write the output: No space left on device"));
  }
}

TEST_F(HbctlTest, HelpsWithoutAController) {
  const RunResult help = RunHbctl({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out,
              AllOf(HasSubstr("0 done, 1 failed or refused, 2 usage or config, 3 controller "
                              "unreachable"),
                    HasSubstr("HB_SERVER"), HasSubstr("unix:///run/hb/controller.sock"),
                    HasSubstr("table, json or yaml")));
  for (const std::vector<std::string>& command : Commands()) {
    EXPECT_THAT(help.out, HasSubstr("\n  " + command[0] + " "));
    const RunResult result = RunHbctl({command[0], "--help"});
    EXPECT_EQ(result.exit_code, 0) << command[0];
    EXPECT_THAT(result.out, HasSubstr("Example: hbctl " + command[0])) << command[0];
    EXPECT_LT(std::count(result.out.begin(), result.out.end(), '\n'), 24) << result.out;
  }
}

}  // namespace
}  // namespace hb::client
