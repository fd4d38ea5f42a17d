// hbctl asks hb-controller what it sees and why, and overrides it. This file: the command line, the
// global options, and the way out (message and exit code). It decides nothing and touches no host
// by itself.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/arguments.h"
#include "client/commands.h"
#include "client/table.h"

namespace hb::client {
namespace {

constexpr char kFooter[] =
    "Exit codes: 0 done, 1 failed or refused, 2 usage or config, 3 controller unreachable\n"
    "Environment: HB_SERVER as --server, NO_COLOR as --no-color\n"
    "Example: hbctl status web";
constexpr Duration kLongestTimeout = absl::Hours(1);

int Fail(const std::string& message, int code) {
  std::fputs(absl::StrCat("hbctl: ", message, "\n").c_str(), stderr);
  return code;
}

struct GlobalTexts {
  std::string server = kDefaultServer;
  std::string timeout = "5s";
  std::string output = "table";
  bool no_color = false;
};

// Given twice, the last counts: an alias can be overridden.
void AddGlobalOptions(CLI::App& app, GlobalTexts* texts) {
  app.add_option("-o,--output", texts->output, "table, json or yaml")
      ->option_text("FORMAT [table]")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->take_last();
  app.add_option("--server", texts->server, "The controller: unix:///path or ADDRESS:PORT")
      ->option_text(absl::StrCat("SERVER [", kDefaultServer, "]"))
      ->envname("HB_SERVER")
      ->take_last();
  app.add_option("--timeout", texts->timeout, "How long to wait for an answer")
      ->option_text("SPAN [5s]")
      ->take_last();
  app.add_flag("--no-color", texts->no_color, "No colours (nor are there any off a terminal)");
}

absl::StatusOr<Globals> ParseGlobals(const GlobalTexts& texts) {
  absl::StatusOr<ServerAddress> server = ParseServer(texts.server);
  if (!server.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--server (HB_SERVER): ", std::string(server.status().message())));
  }
  absl::StatusOr<Duration> timeout = ParseSpan(texts.timeout);
  if (!timeout.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--timeout: ", std::string(timeout.status().message())));
  }
  if (*timeout > kLongestTimeout) {
    return absl::InvalidArgumentError("--timeout: at most 1h");
  }
  Globals globals;
  globals.server = *server;
  globals.timeout = *timeout;
  globals.format = texts.output == "json"   ? Format::kJson
                   : texts.output == "yaml" ? Format::kYaml
                                            : Format::kTable;
  globals.no_color = texts.no_color;
  return globals;
}

int Main(int argc, char** argv) {
  CLI::App app("hbctl asks hb-controller what it sees and why, and overrides it.", "hbctl");
  GlobalTexts texts;
  Command chosen;
  AddGlobalOptions(app, &texts);
  AddStatusCommands(app, &chosen);
  AddEventCommands(app, &chosen);
  AddMoveCommands(app, &chosen);
  AddControlCommands(app, &chosen);
  AddConfigCommands(app, &chosen);
  AddVersionCommand(app, &chosen);
  for (CLI::App* command : app.get_subcommands({})) {
    command->fallthrough();
    command->footer(absl::StrCat(command->get_footer(), "\nGlobal options: see hbctl --help"));
  }
  app.require_subcommand(1);
  app.footer(kFooter);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    if (app.get_subcommands().empty() && !app.remaining().empty()) {
      return Fail(absl::StrCat("unknown command '", Escape(app.remaining().front()),
                               "' (see hbctl --help)"),
                  kUsage);
    }
    return Fail(absl::StrCat(Escape(error.what()), " (see hbctl --help)"), kUsage);
  }
  absl::StatusOr<Globals> globals = ParseGlobals(texts);
  if (!globals.ok()) return Fail(Escape(std::string(globals.status().message())), kUsage);
  const absl::Status status = chosen(*globals);
  if (!status.ok()) return Fail(std::string(status.message()), ExitCodeOf(status));
  return kDone;
}

}  // namespace
}  // namespace hb::client

int main(int argc, char** argv) {
  try {
    return hb::client::Main(argc, argv);
  } catch (const std::exception& error) {  // memory that is not there
    std::fprintf(stderr, "hbctl: %s\n", error.what());
    return hb::client::kFailed;
  }
}
