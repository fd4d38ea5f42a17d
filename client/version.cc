// hbctl version: its own and the controller's. Says its own also when there is no controller.
#include <CLI/App.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands.h"
#include "client/output.h"
#include "client/print.h"

namespace hb::client {
namespace {

absl::StatusOr<v1::Version> AskController(const Globals& globals) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = globals.Dial();
  if (!connection.ok()) return connection.status();
  return (*connection)->GetVersion();
}

absl::Status RunVersion(const Globals& globals) {
  const absl::StatusOr<v1::Version> version = AskController(globals);
  absl::Status written;
  if (!globals.for_people()) {
    std::string controller = "null";
    if (version.ok()) {
      absl::StatusOr<std::string> json = ToJson(*version, false);
      if (!json.ok()) return json.status();
      controller = *json;
    }
    written = Write(
        InFormat(globals.format,
                 absl::StrCat("{\"hbctl\":\"" HB_VERSION "\",\"controller\":", controller, "}")));
  } else {
    const std::string controller =
        version.ok() ? absl::StrCat(version->version(), " (protocol ", version->protocol_version(),
                                    ", id ", version->controller_id(), ")")
                     : "unreachable";
    written = Write(FormatTable({{{"hbctl"}, {HB_VERSION}}, {{"controller"}, {controller}}},
                                OutputStyle(globals.no_color), 0));
  }
  return version.ok() ? written : version.status();
}

}  // namespace

void AddVersionCommand(CLI::App& app, Command* chosen) {
  CLI::App* version = app.add_subcommand("version", "Show hbctl's and the controller's version");
  version->footer("Example: hbctl version -o json");
  version->callback([=] { *chosen = [](const Globals& g) { return RunVersion(g); }; });
}

}  // namespace hb::client
