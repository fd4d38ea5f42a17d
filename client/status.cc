// hbctl status and watch: what the controller sees, once or at every change. Asks only; changes
// nothing.
#include <CLI/App.hpp>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/commands.h"
#include "client/output.h"
#include "client/print.h"

namespace hb::client {
namespace {

absl::Status RunStatus(const Globals& globals, const std::string& cluster) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = globals.Dial();
  if (!connection.ok()) return connection.status();
  absl::StatusOr<v1::Status> status = (*connection)->GetStatus(cluster);
  if (!status.ok()) return status.status();
  if (globals.for_people()) return Write(FormatStatus(*status, OutputStyle(globals.no_color)));
  absl::StatusOr<std::string> json = ToJson(*status, true);
  return json.ok() ? Write(InFormat(globals.format, *json)) : json.status();
}

// The terminal is painted over from its corner, each line's and the screen's rest erased: nothing
// flickers.
std::string Repaint(const std::string& text) {
  return absl::StrCat("\033[H", absl::StrReplaceAll(text, {{"\n", "\033[K\n"}}), "\033[J");
}

absl::Status RunWatch(const Globals& globals, const std::string& cluster) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = globals.Dial();
  if (!connection.ok()) return connection.status();
  bool first = true;
  return (*connection)->WatchStatus(cluster, [&](const v1::Status& status) {
    if (!globals.for_people()) {
      absl::StatusOr<std::string> json = ToJson(status, false);
      return json.ok() ? Write(InFormat(globals.format, *json)) : json.status();
    }
    // The style anew each time: the terminal may have another width by now.
    const std::string text = FormatWatch(status, OutputStyle(globals.no_color));
    const bool was_first = std::exchange(first, false);
    if (OutputIsTerminal()) return Write(absl::StrCat(was_first ? "\033[2J" : "", Repaint(text)));
    return Write(absl::StrCat(was_first ? "" : "\n", text));
  });
}

}  // namespace

void AddStatusCommands(CLI::App& app, Command* chosen) {
  const auto cluster = std::make_shared<std::string>();

  CLI::App* status = app.add_subcommand("status", "Show who serves, how every node is, and why");
  status->add_option("CLUSTER", *cluster, "Only this cluster; default: all");
  status->footer("Example: hbctl status web");
  status->callback([=] { *chosen = [=](const Globals& g) { return RunStatus(g, *cluster); }; });

  CLI::App* watch = app.add_subcommand("watch", "Show the status again at every change");
  watch->add_option("CLUSTER", *cluster, "Only this cluster; default: all");
  watch->footer("Ctrl-C ends it.\nExample: hbctl watch web");
  watch->callback([=] { *chosen = [=](const Globals& g) { return RunWatch(g, *cluster); }; });
}

}  // namespace hb::client
