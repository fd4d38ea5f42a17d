// The real hbctl's commands against a scripted controller on real gRPC: what is asked, what is
// shown, and what happens when a stream breaks, hangs, or ends too early.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "hbctl_fixture.h"

namespace hb::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

using HbctlCommandsTest = HbctlFixture;

v1::Event MakeEvent(uint64_t id, const std::string& reason) {
  v1::Event event;
  event.set_id(id);
  event.mutable_time()->set_seconds(1795394606);
  event.set_cluster("web");
  event.set_type("failover");
  event.set_node("slave");
  event.set_reason(reason);
  return event;
}

v1::MoveProgress Step(const std::string& text) {
  v1::MoveProgress step;
  step.set_text(text);
  return step;
}

v1::MoveProgress LastStep(const std::string& text, bool succeeded) {
  v1::MoveProgress step = Step(text);
  step.set_done(true);
  step.set_succeeded(succeeded);
  return step;
}

TEST_F(HbctlCommandsTest, ShowsTheStatus) {
  FakeController controller(listen(), WebScript());
  RunResult result = Run({"status", "web"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, StartsWith("web   serves from master   epoch 7\n"));
  EXPECT_THAT(result.err, IsEmpty());

  // Global options stand on either side of the command; a cluster may be called like a command.
  result = Run({"status", "events", "-o", "json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  v1::Status status;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(result.out, &status).ok()) << result.out;
  EXPECT_EQ(status.ShortDebugString(), WebScript().status.ShortDebugString());
  EXPECT_THAT(result.out, HasSubstr("\"controller_id\": \"c0ffee\""));
  EXPECT_THAT(Run({"status", "-o", "yaml"}).out,
              AllOf(StartsWith("---\n"), HasSubstr("\ncontroller_id: \"c0ffee\"\n"),
                    HasSubstr("\nclusters:\n  - name: \"web\"\n")));
  EXPECT_THAT(controller.calls(), ElementsAre("GetStatus cluster: \"web\"",
                                              "GetStatus cluster: \"events\"", "GetStatus "));
}

TEST_F(HbctlCommandsTest, WatchesUntilTheControllerStops) {
  Script script = WebScript();
  script.hang = Hang::kStreams;
  script.watch = {script.status, script.status};
  script.watch[1].mutable_clusters(0)->set_active("slave");
  FakeController controller(listen(), script);
  RunningHbctl plain(Arguments({"watch", "web"}));
  RunningHbctl json(Arguments({"watch", "-o", "json"}));
  RunningHbctl terminal(Arguments({"watch"}), {.terminal = true});
  EXPECT_TRUE(plain.WaitForOutput("serves from slave"));
  EXPECT_TRUE(json.WaitForOutput("\"active\":\"slave\""));
  EXPECT_TRUE(terminal.WaitForOutput("serves from slave"));
  controller.Stop();

  RunResult result = plain.Finish();
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("hbctl: lost the controller at unix://" + path()));
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("controller c0ffee"), HasSubstr("\n\n"), Not(HasSubstr("\033"))));

  result = json.Finish();
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 2) << result.out;

  result = terminal.Finish();
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.out, StartsWith("\033[2J\033[H"));
  EXPECT_THAT(result.out.substr(4), HasSubstr("\033[H"));
}

TEST_F(HbctlCommandsTest, LetsAStreamBeQuietWhileTheControllerAnswersOtherwise) {
  Script script = WebScript();
  script.hang = Hang::kStreams;
  script.events = {MakeEvent(1, "first")};
  FakeController controller(listen(), script);
  RunningHbctl follower(Arguments({"events", "-f", "--timeout", "1s"}));
  ASSERT_TRUE(follower.WaitForOutput("first\n"));
  // The third question is asked two timeouts after the first: hbctl has waited longer than one for
  // an event.
  EXPECT_TRUE(controller.WaitForVersionCalls(3));
  controller.Stop();
  const RunResult result = follower.Finish();
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("lost the controller"));
}

TEST_F(HbctlCommandsTest, CountsAStreamThatEndsAsALostController) {
  Script script = WebScript();
  script.watch = {script.status};
  script.events = {MakeEvent(1, "first")};
  FakeController controller(listen(), script);
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"watch"}, {"events", "-f"}}) {
    const RunResult result = Run(command);
    EXPECT_EQ(result.exit_code, 3) << command[0];
    EXPECT_THAT(result.err, HasSubstr("ended the stream"));
    EXPECT_THAT(result.out, HasSubstr("web"));
  }
}

TEST_F(HbctlCommandsTest, ListsEvents) {
  Script script = WebScript();
  script.events = {MakeEvent(1, "first"), MakeEvent(2, "second")};
  FakeController controller(listen(), script);
  RunResult result = Run({"events", "web"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out,
            "2026-11-23 00:43:26.000  web  failover  slave  first\n"
            "2026-11-23 00:43:26.000  web  failover  slave  second\n");
  result = Run({"events", "-n", "5", "--since", "2026-11-23 00:43", "-o", "json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\"id\":\"2\""));
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 2);
  EXPECT_THAT(controller.calls(), ElementsAre("ListEvents cluster: \"web\"",
                                              "ListEvents since { seconds: 1795394580 } limit: 5"));
}

TEST_F(HbctlCommandsTest, SaysThatThereAreNoEvents) {
  FakeController controller(listen(), WebScript());
  RunResult result = Run({"events"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "no events\n");
  result = Run({"events", "-o", "json"});
  EXPECT_EQ(result.out + result.err, "");
}

TEST_F(HbctlCommandsTest, FollowsEventsUntilTheControllerDies) {
  Script script = WebScript();
  script.hang = Hang::kStreams;
  script.mortal = true;
  script.events = {MakeEvent(1, "first")};
  FakeController controller(listen(), script);
  RunningHbctl follower(Arguments({"events", "-f"}));
  ASSERT_TRUE(follower.WaitForOutput("first\n"));
  controller.Die();
  const RunResult result = follower.Finish();
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, StartsWith("hbctl: lost the controller at unix://" + path()));
  EXPECT_THAT(controller.calls(), ElementsAre("ListEvents limit: 10 follow: true"));
}

TEST_F(HbctlCommandsTest, NoticesAControllerThatHangsWhileItIsFollowed) {
  Script script = WebScript();
  script.hang = Hang::kAlways;
  script.events = {MakeEvent(1, "first")};
  FakeController controller(listen(), script);
  const RunResult result = Run({"events", "-f", "--timeout", "1s"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.out, HasSubstr("first\n"));
  EXPECT_THAT(result.err, HasSubstr("did not answer within 1 s"));
}

TEST_F(HbctlCommandsTest, ShowsTheStepsOfAMove) {
  Script script = WebScript();
  script.steps = {Step("starting website on slave"), Step("master gave up"),
                  LastStep("web serves from slave", true)};
  FakeController controller(listen(), script);
  RunResult result = Run({"switchover", "web", "--to", "slave"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out,
            "  starting website on slave\n  master gave up\ndone: web serves from slave\n");
  result = Run({"failback", "web", "-o", "json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 3);
  EXPECT_THAT(result.out, HasSubstr("\"done\":true,\"succeeded\":true"));
  EXPECT_THAT(controller.calls(),
              ElementsAre(StartsWith("Switchover cluster: \"web\" to: \"slave\" by: \"root@"),
                          "Failback cluster: \"web\""));
}

TEST_F(HbctlCommandsTest, ForcesASwitchoverOnlyWhenTold) {
  Script script = WebScript();
  script.steps = {LastStep("web serves from slave", true)};
  FakeController controller(listen(), script);
  EXPECT_EQ(Run({"switchover", "web", "--to", "slave", "--force"}).exit_code, 0);
  EXPECT_THAT(controller.calls(), ElementsAre(HasSubstr("to: \"slave\" force: true by:")));
}

TEST_F(HbctlCommandsTest, ShowsTheStepsLive) {
  Script script = WebScript();
  script.hang = Hang::kStreams;
  script.mortal = true;
  script.steps = {Step("starting website on slave")};
  FakeController controller(listen(), script);
  RunningHbctl move(Arguments({"switchover", "web"}));
  ASSERT_TRUE(move.WaitForOutput("starting website on slave\n"));
  controller.Die();
  const RunResult result = move.Finish();
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(
      result.err,
      HasSubstr("the switchover of web may be going on all the same: see hbctl status web"));
}

TEST_F(HbctlCommandsTest, FailsWithAMoveThatFails) {
  Script script = WebScript();
  script.steps = {Step("starting website on slave"), LastStep("website did not start", false)};
  // What the last message says counts, not how the stream ends after it.
  script.result = absl::UnavailableError("closing");
  FakeController controller(listen(), script);
  const RunResult result = Run({"switchover", "web"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.out, "  starting website on slave\n");
  EXPECT_EQ(result.err, "hbctl: switchover of web failed: website did not start\n");
}

TEST_F(HbctlCommandsTest, DoesNotTakeASilentEndForSuccess) {
  Script script = WebScript();
  script.steps = {Step("starting website on slave")};
  FakeController controller(listen(), script);
  const RunResult result = Run({"failback", "web"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("without an outcome"));
}

TEST_F(HbctlCommandsTest, PausesResumesAndAcknowledges) {
  FakeController controller(listen(), WebScript());
  RunResult result = Run({"pause", "web"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, StartsWith("web is paused: nothing moves until hbctl resume;"));
  EXPECT_EQ(Run({"resume", "web"}).out, "web is no longer paused\n");
  EXPECT_EQ(Run({"ack", "web"}).out, "web is acknowledged: automatic failback is allowed again\n");
  EXPECT_EQ(Run({"ack", "web", "-o", "json"}).out, "{}\n");
  EXPECT_EQ(Run({"ack", "web", "-o", "yaml"}).out, "--- {}\n");
  EXPECT_THAT(controller.calls(),
              ElementsAre("Pause cluster: \"web\"", "Resume cluster: \"web\"",
                          "Ack cluster: \"web\"", "Ack cluster: \"web\"", "Ack cluster: \"web\""));
}

TEST_F(HbctlCommandsTest, TellsVersionsWithAndWithoutAController) {
  RunResult result = Run({"version"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.out, "hbctl       " HB_VERSION "\ncontroller  unreachable\n");
  EXPECT_THAT(result.err, HasSubstr("can't reach the controller"));
  EXPECT_EQ(Run({"version", "-o", "json"}).out,
            "{\"hbctl\":\"" HB_VERSION "\",\"controller\":null}\n");

  FakeController controller(listen(), WebScript());
  result = Run({"version"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "hbctl       " HB_VERSION "\ncontroller  9.9.9 (protocol 1, id c0ffee)\n");
  EXPECT_EQ(Run({"version", "-o", "json"}).out,
            "{\"hbctl\":\"" HB_VERSION
            "\",\"controller\":{\"version\":\"9.9.9\","
            "\"protocol_version\":1,\"controller_id\":\"c0ffee\"}}\n");
}

}  // namespace
}  // namespace hb::client
