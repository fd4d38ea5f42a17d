// hbctl config check: judges a config file with the daemons' own readers, and says what its
// settings cost. Asks no controller.
#include <CLI/App.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/commands.h"
#include "client/costs.h"
#include "client/output.h"
#include "common/config/config_kind.h"
#include "common/config/controller_config.h"
#include "common/config/executor_config.h"
#include "common/config/read_file.h"

namespace hb::client {
namespace {

// What is told of a file in JSON, up to what differs.
std::string OpenJson(const std::string& file, bool valid, const char* kind) {
  return absl::StrCat("{\"file\":", JsonString(file), ",\"kind\":", JsonString(kind),
                      ",\"valid\":", valid ? "true" : "false");
}

absl::Status Refuse(const Globals& globals, const std::string& file, const char* kind,
                    const absl::Status& status) {
  const std::vector<std::string> errors =
      absl::StrSplit(std::string(status.message()), '\n', absl::SkipEmpty());
  if (globals.for_people()) {
    // As the daemons print them; editors find the places.
    for (const std::string& error : errors) {
      std::fputs(absl::StrCat(Escape(error), "\n").c_str(), stderr);
    }
  } else {
    const auto quote = [](std::string* out, const std::string& e) { *out += JsonString(e); };
    absl::Status written =
        Write(InFormat(globals.format, absl::StrCat(OpenJson(file, false, kind), ",\"errors\":[",
                                                    absl::StrJoin(errors, ",", quote), "]}")));
    if (!written.ok()) return written;
  }
  return absl::InvalidArgumentError(absl::StrCat(Escape(file), ": not valid"));
}

absl::Status RunCheck(const Globals& globals, const std::string& file) {
  const absl::StatusOr<std::string> text = ReadConfigFile(file);
  if (!text.ok()) return Refuse(globals, file, "unknown", text.status());
  const std::string valid = absl::StrCat(Escape(file), ": valid\n");
  if (KindOfConfig(*text) == ConfigKind::kExecutor) {
    const absl::StatusOr<v1::ExecutorConfig> config = ParseExecutorConfig(*text, file);
    if (!config.ok()) return Refuse(globals, file, "executor", config.status());
    if (globals.for_people()) return Write(valid);
    return Write(InFormat(globals.format, absl::StrCat(OpenJson(file, true, "executor"), "}")));
  }
  const absl::StatusOr<v1::ControllerConfig> config = ParseControllerConfig(*text, file);
  if (!config.ok()) return Refuse(globals, file, "controller", config.status());
  if (globals.for_people()) {
    return Write(absl::StrCat(valid, FormatCosts(*config, OutputStyle(globals.no_color))));
  }
  return Write(InFormat(globals.format, absl::StrCat(OpenJson(file, true, "controller"), ",",
                                                     CostsJson(*config), "}")));
}

}  // namespace

void AddConfigCommands(CLI::App& app, Command* chosen) {
  const auto file = std::make_shared<std::string>();
  CLI::App* config = app.add_subcommand("config", "Judge a config file; asks no controller");
  config->require_subcommand(1);
  CLI::App* check = config->add_subcommand(
      "check", "Check controller.yaml or executor.yaml, and say what the settings cost");
  check->add_option("FILE", *file, "The file")->required()->check(RefuseEmpty);
  check->fallthrough();
  check->footer(
      "Exit code 2: the file is not valid.\n"
      "Example: hbctl config check /etc/hb/controller.yaml\nGlobal options: see hbctl --help");
  config->footer("Example: hbctl config check /etc/hb/controller.yaml");
  check->callback([=] { *chosen = [=](const Globals& g) { return RunCheck(g, *file); }; });
}

}  // namespace hb::client
