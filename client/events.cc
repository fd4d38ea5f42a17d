// hbctl events: what happened and why, past and, with -f, to come. Asks only; changes nothing.
#include <CLI/App.hpp>
#include <CLI/Validators.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands.h"
#include "client/output.h"
#include "client/print.h"
#include "common/boot_clock.h"

namespace hb::client {
namespace {

constexpr uint32_t kMostEvents = 100000;
constexpr uint32_t kEventsBeforeFollowing = 10;

struct EventOptions {
  std::string cluster;
  std::string since;
  uint32_t limit = 0;
  bool follow = false;
};

absl::StatusOr<v1::ListEventsRequest> MakeRequest(const EventOptions& options) {
  v1::ListEventsRequest request;
  request.set_cluster(options.cluster);
  request.set_follow(options.follow);
  request.set_limit(options.limit);
  if (!options.since.empty()) {
    absl::StatusOr<absl::Time> since = ParseSince(options.since, WallNow(), absl::LocalTimeZone());
    if (!since.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--since: ", std::string(since.status().message())));
    }
    *request.mutable_since() = ToProto(*since);
  } else if (options.follow && options.limit == 0) {
    request.set_limit(kEventsBeforeFollowing);
  }
  return request;
}

absl::Status PrintDocument(const v1::Event& event, Format format) {
  absl::StatusOr<std::string> json = ToJson(event, false);
  return json.ok() ? Write(InFormat(format, *json)) : json.status();
}

absl::Status RunEvents(const Globals& globals, const EventOptions& options) {
  absl::StatusOr<v1::ListEventsRequest> request = MakeRequest(options);
  if (!request.ok()) return request.status();
  absl::StatusOr<std::unique_ptr<Connection>> connection = globals.Dial();
  if (!connection.ok()) return connection.status();

  EventFormatter formatter(OutputStyle(globals.no_color));
  if (options.follow) {
    return (*connection)->ListEvents(*request, [&](const v1::Event& event) {
      return globals.for_people() ? Write(formatter.Format(event))
                                  : PrintDocument(event, globals.format);
    });
  }
  // Taken in whole before the first line is written: a pager that waits for its reader must not
  // look like a controller that does not answer.
  std::vector<v1::Event> events;
  absl::Status status = (*connection)->ListEvents(*request, [&events](const v1::Event& event) {
    events.push_back(event);
    return absl::OkStatus();
  });
  formatter.Widen(events);
  if (status.ok() && events.empty() && globals.for_people()) std::fputs("no events\n", stderr);
  for (const v1::Event& event : events) {
    absl::Status written = globals.for_people() ? Write(formatter.Format(event))
                                                : PrintDocument(event, globals.format);
    if (!written.ok()) return written;
  }
  return status;
}

}  // namespace

void AddEventCommands(CLI::App& app, Command* chosen) {
  const auto options = std::make_shared<EventOptions>();
  CLI::App* events = app.add_subcommand("events", "Show what happened and why, oldest first");
  events->add_option("CLUSTER", options->cluster, "Only this cluster; default: all");
  events->add_flag("-f,--follow", options->follow, "Go on with new events as they happen");
  events->add_option("--since", options->since,
                     "Only newer ones: 10m, 2d, 2026-11-23T00:43:26Z, '2026-11-23 00:43'");
  events->add_option("-n,--limit", options->limit, "The newest N; default: 1000, with -f alone 10")
      ->option_text("N")
      ->check(CLI::Range(1U, kMostEvents));
  events->footer("Ctrl-C ends it with -f.\nExample: hbctl events --since 10m web");
  events->callback([=] { *chosen = [=](const Globals& g) { return RunEvents(g, *options); }; });
}

}  // namespace hb::client
