// hbctl pause, resume and ack: short orders to the controller about one cluster.
#include <CLI/App.hpp>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/commands.h"
#include "client/output.h"

namespace hb::client {
namespace {

using Order = absl::Status (Connection::*)(const std::string& cluster);

absl::Status RunOrder(const Globals& globals, Order order, const std::string& cluster,
                      const std::string& effect) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = globals.Dial();
  if (!connection.ok()) return connection.status();
  absl::Status status = (connection->get()->*order)(cluster);
  if (!status.ok()) return status;
  if (!globals.for_people())
    return Write(InFormat(globals.format, "{}"));  // the three responses have no fields
  return Write(absl::StrCat(Escape(cluster), effect, "\n"));
}

void AddOrder(CLI::App& app, Command* chosen, const char* name, const char* description,
              Order order, const char* effect) {
  const auto cluster = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(name, description);
  command->add_option("CLUSTER", *cluster, "The cluster")->required()->check(RefuseEmpty);
  command->footer(absl::StrCat("Example: hbctl ", name, " web"));
  command->callback(
      [=] { *chosen = [=](const Globals& g) { return RunOrder(g, order, *cluster, effect); }; });
}

}  // namespace

void AddControlCommands(CLI::App& app, Command* chosen) {
  AddOrder(app, chosen, "pause", "Stop all moves of a cluster; leases go on", &Connection::Pause,
           " is paused: nothing moves until hbctl resume; leases are renewed, and still expire");
  AddOrder(app, chosen, "resume", "Allow moves again after pause", &Connection::Resume,
           " is no longer paused");
  AddOrder(app, chosen, "ack", "Take note of flapping: allow automatic failback again",
           &Connection::Ack, " is acknowledged: automatic failback is allowed again");
}

}  // namespace hb::client
