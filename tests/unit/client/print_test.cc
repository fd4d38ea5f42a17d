// What people and programs read: golden text for the states that matter most at night.
#include "client/print.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hb::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

v1::Status HealthyStatus() {
  return Parse<v1::Status>(R"pb(
    time { seconds: 1795394606 nanos: 123456789 }
    controller_id: "c0ffee"
    uptime { seconds: 10920 }
    clusters {
      name: "web"
      vips { address: "192.168.0.111/24" interface: "eth0" }
      active: "master"
      epoch: 7
      summary: "master is healthy and preferred."
      serving: true
      nodes {
        name: "master"
        role: ROLE_ACTIVE
        holding: true
        connected: true
        verdict: NODE_VERDICT_HEALTHY
        icmp {
          state: STATE_UP
          round_trip { nanos: 350000 }
        }
        http {
          state: STATE_UP
          round_trip { nanos: 12300000 }
          detail: "200 OK"
        }
        service { state: SERVICE_STATE_RUNNING }
        lease_left { nanos: 820000000 }
      }
      nodes {
        name: "slave"
        role: ROLE_STANDBY
        connected: true
        verdict: NODE_VERDICT_HEALTHY
        icmp { state: STATE_UP }
        service { state: SERVICE_STATE_STOPPED }
      }
    })pb");
}

TEST(PrintTest, ShowsAHealthyCluster) {
  EXPECT_EQ(FormatStatus(HealthyStatus(), Style()),
            R"(web   serves from master   epoch 7   VIP 192.168.0.111/24 on eth0
  master is healthy and preferred.
  NODE    ROLE     HEALTH   SERVICE  ICMP        HTTP      AGENT      LEASE   WHY
  master  active   healthy  running  up 0.35 ms  up 12 ms  connected  820 ms
  slave   standby  healthy  stopped  up          -         connected  -
)");
}

TEST(PrintTest, ShowsPauseFlappingAndADisconnectedNode) {
  v1::Status status = HealthyStatus();
  v1::ClusterStatus& cluster = *status.mutable_clusters(0);
  cluster.set_paused(true);
  cluster.set_flapping(true);
  cluster.set_serving(false);
  cluster.set_active("");
  cluster.set_summary("master is down; slave waits until its lease has run out.");
  *cluster.mutable_nodes(0) = Parse<v1::NodeStatus>(R"pb(
    name: "master"
    role: ROLE_ACTIVE
    verdict: NODE_VERDICT_NODE_DOWN
    reason: "3 pings missed"
    connection_error: "192.168.0.1:7401: no route to host"
    icmp { state: STATE_DOWN detail: "timed out after 200 ms" }
    http { state: STATE_UNKNOWN })pb");
  *cluster.mutable_nodes(1) = Parse<v1::NodeStatus>(R"pb(
    name: "slave"
    role: ROLE_STANDBY
    holding: true
    connected: true
    verdict: NODE_VERDICT_UNABLE
    reason: "eth0 has no carrier"
    obstacles: "eth0 has no carrier"
    obstacles: "the gate is not first on eth0"
    service { state: SERVICE_STATE_FAILED detail: "exited with status 1" }
    icmp { state: STATE_UP })pb");
  EXPECT_EQ(
      FormatStatus(status, Style()),
      R"(web   does not serve, no node is active   epoch 7   VIP 192.168.0.111/24 on eth0   PAUSED   FLAPPING
  master is down; slave waits until its lease has run out.
  NODE    ROLE               HEALTH     SERVICE  ICMP  HTTP     AGENT          LEASE  WHY
  master  active             node down  -        down  unknown  not connected  -      3 pings missed; 192.168.0.1:7401: no route to host; ICMP: timed out after 200 ms
  slave   standby (holding)  unable     failed   up    -        connected      -      eth0 has no carrier; the gate is not first on eth0; exited with status 1
)");
}

TEST(PrintTest, ShowsSeveralClustersAndIpv6) {
  v1::Status status = Parse<v1::Status>(R"pb(
    clusters {
      name: "db"
      vips { address: "fd00::111/64" interface: "eth1" }
      vips { address: "10.0.0.9/32" interface: "lo" }
      active: "b"
      epoch: 1795394607
      nodes {
        name: "b"
        role: ROLE_ACTIVE
        connected: true
        verdict: NODE_VERDICT_SERVICE_DOWN
        reason: "B database is down"
        service { state: SERVICE_STATE_FAILING detail: "connection refused" }
        http { state: STATE_DOWN detail: "connection refused" }
        lease_left {}
      }
    }
    clusters { name: "new" })pb");
  EXPECT_EQ(
      FormatStatus(status, Style()),
      R"(db   does not serve, b is active   epoch 1795394607   VIP fd00::111/64 on eth1, 10.0.0.9/32 on lo
  NODE  ROLE                  HEALTH        SERVICE  ICMP  HTTP  AGENT      LEASE  WHY
  b     active (not holding)  service down  failing  -     down  connected  0 ms   B database is down; connection refused

new   does not serve, no node is active   epoch 0
  NODE  ROLE  HEALTH  SERVICE  ICMP  HTTP  AGENT  LEASE  WHY
)");
  EXPECT_EQ(FormatStatus(v1::Status(), Style()), "the controller has no clusters\n");
}

TEST(PrintTest, WrapsWhyAndSummaryOnANarrowTerminal) {
  v1::Status status = HealthyStatus();
  v1::ClusterStatus& cluster = *status.mutable_clusters(0);
  cluster.mutable_nodes()->DeleteSubrange(0, 1);
  cluster.mutable_nodes(0)->set_reason("the controller's own path to slave is bad, not slave");
  cluster.set_summary(
      "master is healthy and preferred, and nothing else can be said about it that would matter.");
  Style style;
  style.width = 90;
  EXPECT_EQ(FormatStatus(status, style),
            R"(web   serves from master   epoch 7   VIP 192.168.0.111/24 on eth0
  master is healthy and preferred, and nothing else can be said about it that would
  matter.
  NODE   ROLE     HEALTH   SERVICE  ICMP  HTTP  AGENT      LEASE  WHY
  slave  standby  healthy  stopped  up    -     connected  -      the controller's own
                                                                  path to slave is bad,
                                                                  not slave
)");
}

TEST(PrintTest, EscapesWhatTheNetworkSends) {
  v1::Status status = HealthyStatus();
  v1::ClusterStatus& cluster = *status.mutable_clusters(0);
  const std::string evil = "\033]0;x\007\n";
  cluster.set_name(evil);
  cluster.set_active(evil);
  cluster.set_summary(evil);
  cluster.mutable_vips(0)->set_interface(evil);
  cluster.mutable_nodes(0)->set_name(evil);
  cluster.mutable_nodes(0)->set_reason(evil);
  status.set_controller_id(evil);
  const std::string text = FormatWatch(status, Style());
  EXPECT_THAT(text, Not(HasSubstr("\033")));
  EXPECT_THAT(text, Not(HasSubstr("\007")));
  EXPECT_THAT(text, HasSubstr("serves from \\x1b]0;x\\x07\\n   epoch"));
  // The header, the headline, the summary, the titles, two nodes.
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 6);

  v1::Event event;
  event.set_cluster(evil);
  event.set_node(evil);
  event.set_type(evil);
  event.set_reason(evil);
  v1::MoveProgress progress;
  progress.set_text(evil);
  for (const std::string& line : {EventFormatter(Style()).Format(event),
                                  FormatMove(progress, Style()), *ToJson(event, false) + "\n"}) {
    EXPECT_THAT(line, Not(HasSubstr("\033")));
    EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  }
}

TEST(PrintTest, ColoursWhatNeedsAttention) {
  Style style;
  style.color = true;
  v1::Status status = HealthyStatus();
  status.mutable_clusters(0)->set_paused(true);
  status.mutable_clusters(0)->mutable_nodes(1)->set_verdict(v1::NODE_VERDICT_NODE_DOWN);
  const std::string text = FormatStatus(status, style);
  EXPECT_THAT(text, HasSubstr("\033[1mweb\033[0m   \033[32mserves from master\033[0m"));
  EXPECT_THAT(text, HasSubstr("\033[33mPAUSED\033[0m"));
  EXPECT_THAT(text, HasSubstr("\033[32mhealthy\033[0m"));
  EXPECT_THAT(text, HasSubstr("\033[31mnode down\033[0m"));
}

TEST(PrintTest, HasAWordForEveryVerdict) {
  const std::vector<std::pair<v1::NodeVerdict, std::string>> kCases = {
      {v1::NODE_VERDICT_UNSPECIFIED, "unknown"},
      {v1::NODE_VERDICT_UNKNOWN, "unknown"},
      {v1::NODE_VERDICT_HEALTHY, "healthy"},
      {v1::NODE_VERDICT_SERVICE_DOWN, "service down"},
      {v1::NODE_VERDICT_NODE_DOWN, "node down"},
      {v1::NODE_VERDICT_AGENT_DOWN, "agent down"},
      {v1::NODE_VERDICT_PATH_DOWN, "path down"},
      {v1::NODE_VERDICT_UNABLE, "unable"},
      {static_cast<v1::NodeVerdict>(99), "unknown"},
  };
  for (const auto& [verdict, text] : kCases) EXPECT_EQ(VerdictText(verdict), text);
  EXPECT_EQ(static_cast<int>(kCases.size()), v1::NodeVerdict_ARRAYSIZE + 1)
      << "a new verdict needs a word";
}

TEST(PrintTest, HeadsAWatchWithTimeAndController) {
  const std::string text = FormatWatch(HealthyStatus(), Style());
  EXPECT_EQ(text.substr(0, text.find('\n')),
            "2026-11-23 00:43:26.123   controller c0ffee   up 3 h 2 min");
  EXPECT_EQ(text.substr(text.find('\n') + 1), FormatStatus(HealthyStatus(), Style()));
}

TEST(PrintTest, AlignsEvents) {
  const std::vector<v1::Event> events = {
      Parse<v1::Event>(R"pb(
        time { seconds: 1795394606 nanos: 123999999 }
        cluster: "web"
        type: "failover"
        node: "slave"
        reason: "master -> slave: Master apache service is down"
        severity: SEVERITY_ERROR)pb"),
      Parse<v1::Event>(R"pb(
        time { seconds: 1795394607 }
        type: "controller_started"
        reason: "adopted master"
        severity: SEVERITY_INFO)pb"),
  };
  Style style;
  style.zone = absl::FixedTimeZone(3600);
  EventFormatter formatter(style);
  formatter.Widen(events);
  EXPECT_EQ(formatter.Format(events[0]) + formatter.Format(events[1]),
            "2026-11-23 01:43:26.123  web  failover            slave  "
            "master -> slave: Master apache service is down\n"
            "2026-11-23 01:43:27.000  -    controller_started  -      adopted master\n");
  // While following, columns grow with what comes.
  EventFormatter following(style);
  EXPECT_THAT(following.Format(events[0]), HasSubstr("  failover  slave  "));
  EXPECT_THAT(following.Format(events[1]), HasSubstr("  -    controller_started  -      adopted"));
  EXPECT_THAT(following.Format(events[0]), HasSubstr("  failover            slave  "));
}

TEST(PrintTest, ShowsWhatWasSeenBehindTheReason) {
  v1::Event event;
  event.set_type("service_down");
  event.set_reason("Master apache service is down");
  event.set_detail("killed by signal 9\n");
  EXPECT_THAT(EventFormatter(Style()).Format(event),
              HasSubstr("Master apache service is down (killed by signal 9\\n)\n"));
}

TEST(PrintTest, ColoursEventsBySeverity) {
  Style style;
  style.color = true;
  const auto format = [&](v1::Severity severity) {
    v1::Event event;
    event.set_type("failover");
    event.set_severity(severity);
    return EventFormatter(style).Format(event);
  };
  EXPECT_THAT(format(v1::SEVERITY_ERROR), HasSubstr("\033[31mfailover\033[0m"));
  EXPECT_THAT(format(v1::SEVERITY_WARNING), HasSubstr("\033[33mfailover\033[0m"));
  EXPECT_THAT(format(v1::SEVERITY_INFO), HasSubstr("  failover  "));
}

TEST(PrintTest, ShowsMoves) {
  v1::MoveProgress progress;
  progress.set_text("starting website on slave");
  EXPECT_EQ(FormatMove(progress, Style()), "  starting website on slave\n");
  progress.set_done(true);
  EXPECT_EQ(FormatMove(progress, Style()), "failed: starting website on slave\n");
  progress.set_succeeded(true);
  progress.set_text("");
  EXPECT_EQ(FormatMove(progress, Style()), "done\n");
}

TEST(PrintTest, WritesRoundTripsShort) {
  const std::vector<std::pair<Duration, std::string>> kCases = {
      {absl::ZeroDuration(), "0.00 ms"},     {absl::Microseconds(350), "0.35 ms"},
      {absl::Microseconds(9994), "9.99 ms"}, {absl::Microseconds(9996), "10 ms"},
      {absl::Milliseconds(999), "999 ms"},   {absl::Milliseconds(1250), "1.2 s"},
      {-absl::Milliseconds(5), "0.00 ms"},   {absl::Microseconds(999600), "1.0 s"},
  };
  for (const auto& [duration, text] : kCases) EXPECT_EQ(RoundTripText(duration), text);
}

TEST(PrintTest, ConvertsTimesBothWays) {
  for (const int64_t ms : {0LL, 1795394606123LL, -1500LL}) {
    EXPECT_EQ(FromProto(ToProto(absl::FromUnixMillis(ms))), absl::FromUnixMillis(ms));
    EXPECT_GE(ToProto(absl::FromUnixMillis(ms)).nanos(), 0);
  }
}

TEST(PrintTest, WritesJsonWithTheSchemasNamesAndDefaults) {
  v1::NodeStatus node;
  node.set_name("a\x7f\033");
  node.set_verdict(v1::NODE_VERDICT_AGENT_DOWN);
  const auto json = ToJson(node, false);
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_THAT(*json, HasSubstr(R"("name":"a\u007f\u001b")"));
  EXPECT_THAT(*json, HasSubstr(R"("verdict":"NODE_VERDICT_AGENT_DOWN")"));
  EXPECT_THAT(*json, HasSubstr(R"("connection_error":"")"));
  EXPECT_THAT(*json, HasSubstr(R"("holding":false)"));
  EXPECT_THAT(*json, Not(HasSubstr("lease_left")));
  EXPECT_THAT(*json, Not(HasSubstr("\n")));

  v1::Status impossible;
  impossible.mutable_time()->set_seconds(INT64_MAX);
  EXPECT_EQ(ToJson(impossible, false).status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(FormatWatch(impossible, Style()), HasSubstr("no clusters"));
}

}  // namespace
}  // namespace hb::client
