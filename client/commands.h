// hbctl's commands, one file a family. Each function here adds its family to the command line; the
// command that is then given stores in `chosen` what main runs after the whole command line has
// been understood.
#ifndef HB_CLIENT_COMMANDS_H_
#define HB_CLIENT_COMMANDS_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/arguments.h"
#include "client/connection.h"
#include "client/document.h"
#include "client/table.h"
#include "common/time.h"

namespace CLI {
class App;
}  // namespace CLI

namespace hb::client {

// The global options.
struct Globals {
  ServerAddress server;
  Duration timeout;
  Format format = Format::kTable;
  bool no_color = false;

  bool for_people() const { return format == Format::kTable; }
  [[nodiscard]] absl::StatusOr<std::unique_ptr<Connection>> Dial() const {
    return Connection::Dial(server, timeout);
  }
};

using Command = std::function<absl::Status(const Globals&)>;

void AddStatusCommands(CLI::App& app, Command* chosen);   // status, watch
void AddEventCommands(CLI::App& app, Command* chosen);    // events
void AddMoveCommands(CLI::App& app, Command* chosen);     // switchover, failback
void AddControlCommands(CLI::App& app, Command* chosen);  // pause, resume, ack
void AddConfigCommands(CLI::App& app, Command* chosen);   // config check
void AddVersionCommand(CLI::App& app, Command* chosen);   // version

// For a required name: the complaint about an empty one ("$UNSET"), which would mean "all".
inline std::string RefuseEmpty(const std::string& text) {
  return text.empty() ? "must not be empty" : "";
}

}  // namespace hb::client

#endif  // HB_CLIENT_COMMANDS_H_
