// hbctl switchover and failback: planned moves, each step shown as the controller takes it. The
// controller moves; if hbctl goes away in between, the move goes on.
#include <pwd.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <array>
#include <climits>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/commands.h"
#include "client/output.h"
#include "client/print.h"

namespace hb::client {
namespace {

// Shows the steps of one move and says how it ended.
class MoveReport {
 public:
  MoveReport(const Globals& globals, std::string what, std::string cluster)
      : globals_(globals), what_(std::move(what)), cluster_(std::move(cluster)) {}

  absl::Status OnProgress(const v1::MoveProgress& progress) {
    started_ = true;
    if (progress.done()) last_ = progress;
    if (!globals_.for_people()) {
      absl::StatusOr<std::string> json = ToJson(progress, false);
      return json.ok() ? Write(InFormat(globals_.format, *json)) : json.status();
    }
    // A failure is hbctl's error message and need not be said twice.
    if (progress.done() && !progress.succeeded()) return absl::OkStatus();
    return Write(FormatMove(progress, OutputStyle(globals_.no_color)));
  }

  // `stream`: how the stream ended. Before the first step that is a plain refusal or a dead line;
  // after it the move itself may be going on. What the last message said counts more than how the
  // line broke afterwards.
  absl::Status Outcome(const absl::Status& stream) const {
    const std::string move = absl::StrCat(what_, " of ", Escape(cluster_));
    if (last_.done()) {
      if (last_.succeeded()) return absl::OkStatus();
      return absl::FailedPreconditionError(
          absl::StrCat(move, " failed", last_.text().empty() ? "" : ": ", Escape(last_.text())));
    }
    if (!stream.ok() && !started_) return stream;
    const std::string advice = absl::StrCat(
        "the ", move, " may be going on all the same: see hbctl status ", Escape(cluster_));
    if (stream.ok()) {
      return absl::UnknownError(
          absl::StrCat("the controller stopped telling without an outcome; ", advice));
    }
    return {stream.code(), absl::StrCat(std::string(stream.message()), "; ", advice)};
  }

 private:
  const Globals& globals_;
  const std::string what_;
  const std::string cluster_;
  bool started_ = false;
  v1::MoveProgress last_;
};

// "root@master", for the event log.
std::string Myself() {
  const passwd* const user = getpwuid(geteuid());
  std::array<char, HOST_NAME_MAX + 1> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return absl::StrCat(user == nullptr ? absl::StrCat("uid ", geteuid()) : user->pw_name, "@",
                      host.data());
}

absl::Status RunSwitchover(const Globals& globals, const std::string& cluster,
                           const std::string& to, bool force) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = globals.Dial();
  if (!connection.ok()) return connection.status();
  v1::SwitchoverRequest request;
  request.set_cluster(cluster);
  request.set_to(to);
  request.set_force(force);
  request.set_by(Myself());
  MoveReport report(globals, "switchover", cluster);
  return report.Outcome((*connection)->Switchover(request, [&](const v1::MoveProgress& progress) {
    return report.OnProgress(progress);
  }));
}

absl::Status RunFailback(const Globals& globals, const std::string& cluster) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = globals.Dial();
  if (!connection.ok()) return connection.status();
  v1::FailbackRequest request;
  request.set_cluster(cluster);
  MoveReport report(globals, "failback", cluster);
  return report.Outcome((*connection)->Failback(request, [&](const v1::MoveProgress& progress) {
    return report.OnProgress(progress);
  }));
}

}  // namespace

void AddMoveCommands(CLI::App& app, Command* chosen) {
  const auto cluster = std::make_shared<std::string>();
  const auto to = std::make_shared<std::string>();
  const auto force = std::make_shared<bool>(false);

  CLI::App* switchover = app.add_subcommand("switchover", "Move a cluster to another node now");
  switchover->add_option("CLUSTER", *cluster, "The cluster to move")
      ->required()
      ->check(RefuseEmpty);
  switchover->add_option("--to", *to, "The node to move to; default: the best standby")
      ->option_text("NODE")
      ->check(RefuseEmpty);
  switchover->add_flag("--force", *force,
                       "Wait for nobody who is out of reach: two nodes may hold the address until "
                       "the old one's lease ends. Make sure that the old one is off");
  switchover->footer("Example: hbctl switchover web --to slave");
  switchover->callback(
      [=] { *chosen = [=](const Globals& g) { return RunSwitchover(g, *cluster, *to, *force); }; });

  CLI::App* failback = app.add_subcommand("failback", "Move a cluster back to its preferred node");
  failback->add_option("CLUSTER", *cluster, "The cluster to move")->required()->check(RefuseEmpty);
  failback->footer("Example: hbctl failback web");
  failback->callback([=] { *chosen = [=](const Globals& g) { return RunFailback(g, *cluster); }; });
}

}  // namespace hb::client
