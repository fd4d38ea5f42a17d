// hb-executor: the privileged half of hb on a node. This file: the command line, and the way out.
// Exit status: 0 ended by a signal (or --check found the config valid), 1 it could not start, 2
// usage or config.
#include <grpc/support/log.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>
#include <cstdio>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/config/executor_config.h"
#include "common/log.h"
#include "executor/daemon.h"

namespace hb::executor {
namespace {

enum ExitStatus { kEnded = 0, kCannotStart = 1, kUsage = 2 };

void Print(FILE* stream, const std::string& text) {
  std::fputs(absl::StrCat(text, "\n").c_str(), stream);
}

// gRPC's own words go where ours do.
void LogGrpc(gpr_log_func_args* args) {
  Log(args->severity == GPR_LOG_SEVERITY_ERROR ? LogLevel::kWarning : LogLevel::kDebug, "grpc",
      {{"reason", args->message}});
}

int Serve(const std::string& config_path, bool check_only) {
  absl::StatusOr<v1::ExecutorConfig> config = LoadExecutorConfig(config_path);
  if (!config.ok()) {
    Print(stderr, std::string(config.status().message()));
    return kUsage;
  }
  if (check_only) {
    Print(stdout, absl::StrCat(config_path, ": valid"));
    return kEnded;
  }
  gpr_set_log_function(LogGrpc);
  absl::StatusOr<std::unique_ptr<Daemon>> daemon = Daemon::Start(*config, config_path);
  if (!daemon.ok()) {
    Print(stderr, absl::StrCat("hb-executor: ", std::string(daemon.status().message())));
    return kCannotStart;
  }
  return (*daemon)->Run();
}

int Purge(const std::string& config_path) {
  absl::StatusOr<v1::ExecutorConfig> config = LoadExecutorConfig(config_path);
  if (!config.ok()) {
    Print(stderr, std::string(config.status().message()));
    return kUsage;
  }
  if (absl::Status status = Daemon::Purge(*config); !status.ok()) {
    Print(stderr, absl::StrCat("hb-executor: ", std::string(status.message())));
    return kCannotStart;
  }
  return kEnded;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "hb-executor owns this node's floating addresses, firewall rules and services for hb.",
      "hb-executor");
  std::string config_path = "/etc/hb/executor.yaml";
  LogLevel level = LogLevel::kInfo;
  bool check_only = false;
  bool purge = false;
  const std::map<std::string, LogLevel> levels = {{"error", LogLevel::kError},
                                                  {"warning", LogLevel::kWarning},
                                                  {"info", LogLevel::kInfo},
                                                  {"debug", LogLevel::kDebug}};
  app.add_option("--config", config_path, "The config file")
      ->option_text(absl::StrCat("FILE [", config_path, "]"));
  app.add_flag("--check", check_only, "Check the config file and exit");
  app.add_flag("--purge", purge,
               "Take hb's addresses, firewall chains and gate off this host, and exit; only while "
               "no hb-executor runs");
  app.add_option("--log-level", level, "error, warning, info or debug")
      ->option_text("LEVEL [info]")
      ->transform(CLI::CheckedTransformer(levels));
  app.set_version_flag("--version", "hb-executor " HB_VERSION);
  app.footer("Exit status: 0 ended, 1 could not start, 2 usage or config");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    Print(stderr, absl::StrCat("hb-executor: ", error.what(), " (see hb-executor --help)"));
    return kUsage;
  }
  SetLogLevel(level);
  return purge ? Purge(config_path) : Serve(config_path, check_only);
}

}  // namespace
}  // namespace hb::executor

// Only CLI11 throws, and what it throws while parsing is caught.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) { return hb::executor::Main(argc, argv); }
