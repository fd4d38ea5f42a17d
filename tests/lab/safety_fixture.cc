#include "tests/lab/safety_fixture.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/boot_clock.h"
#include "tests/lab/node_files.h"

namespace hb::lab {
namespace {

using Edits = std::vector<std::pair<std::string, std::string>>;

constexpr char kConfig[] = "/etc/hb/controller.yaml";
constexpr char kWitnessLine[] = "    witness: {address: gateway, interval: 200ms}\n";
// An ARP reply that came this late is the machine's doing; the request after it was answered.
constexpr Duration kArpNoise = absl::Milliseconds(50);

std::string Milliseconds(Duration duration) {
  return absl::StrCat(absl::ToInt64Milliseconds(duration), "ms");
}

Edits ConfigEdits(const SafetyOptions& options, const std::string& policy) {
  Edits edits = options.edits;
  // Health is known sooner.
  edits.emplace_back("interval: 1s\n", "interval: 500ms\n");
  edits.emplace_back("timeout: 1s\n", "timeout: 500ms\n");
  edits.emplace_back("rise: 2 ", "rise: 1 ");
  edits.emplace_back("flap: {max: 4,", "flap: {max: 100,");
  edits.emplace_back("ttl: 1s", absl::StrCat("ttl: ", Milliseconds(options.ttl)));
  edits.emplace_back("heartbeat: 200ms",
                     absl::StrCat("heartbeat: ", Milliseconds(options.ttl / 5)));
  edits.emplace_back("mode: auto, after: 5s",
                     options.auto_failback ? "mode: auto, after: 500ms" : "mode: manual");
  if (policy != "witness") {
    edits.emplace_back("on_expiry: witness}", absl::StrCat("on_expiry: ", policy, "}"));
    edits.emplace_back(kWitnessLine, "");
  }
  return edits;
}

std::string Binaries() {
  const char* other = getenv("HB_LAB_BINARIES");
  return other != nullptr ? other : HB_BINARIES;
}

}  // namespace

std::string PlaceName(const ::testing::TestParamInfo<Place>& info) {
  return absl::StrCat(info.param.third_host ? "ControllerOnThirdHost_" : "ControllerOnSlave_",
                      info.param.on_expiry);
}

void PrintTo(const Place& place, std::ostream* out) {
  *out << (place.third_host ? "controller on the third host, " : "controller on the slave, ")
       << place.on_expiry;
}

std::vector<Place> EveryPlace() {
  std::vector<Place> places = StrictPlaces();
  for (const bool third_host : {false, true}) {
    places.push_back({.third_host = third_host, .on_expiry = "hold"});
  }
  return places;
}

std::vector<Place> StrictPlaces() {
  std::vector<Place> places;
  for (const bool third_host : {false, true}) {
    for (const char* policy : {"release", "witness"}) {
      places.push_back({.third_host = third_host, .on_expiry = policy});
    }
  }
  return places;
}

std::vector<Place> ThirdHostPlaces() {
  return {{.third_host = true, .on_expiry = "release"},
          {.third_host = true, .on_expiry = "witness"},
          {.third_host = true, .on_expiry = "hold"}};
}

std::vector<Place> PlacesInCi() {
#ifdef __SANITIZE_ADDRESS__
  // What a sanitizer looks for does not depend on the place.
  return {{.third_host = false, .on_expiry = "release"}};
#endif
  return {{.third_host = false, .on_expiry = "release"},
          {.third_host = true, .on_expiry = "witness"}};
}

std::vector<Place> Places(std::vector<Place> in_ci, std::vector<Place> in_matrix) {
  return getenv("HB_LAB_MATRIX") != nullptr ? std::move(in_matrix) : std::move(in_ci);
}

absl::Status SafetyTest::Install(const SafetyOptions& options) {
  options_ = options;
  LabOptions lab_options;
  lab_options.third_host = third_host() || options.watch_host;
  absl::StatusOr<std::unique_ptr<Lab>> lab = Lab::Up(lab_options);
  if (!lab.ok()) return lab.status();
  lab_ = *std::move(lab);
  absl::StatusOr<Deployment> installed = Deployment::Install(lab_.get(), HbOptions());
  if (!installed.ok()) return installed.status();
  hb_ = std::make_unique<Deployment>(*installed);
  return absl::OkStatus();
}

DeploymentOptions SafetyTest::HbOptions() const {
  DeploymentOptions deployment;
  deployment.binaries = Binaries();
  deployment.configs = HB_SOURCE_DIR "/deploy/config";
  deployment.edits = ConfigEdits(options_, policy());
  deployment.controller_host = third_host() ? "watch" : "slave";
  deployment.fake_clocks = options_.fake_clocks;
  return deployment;
}

absl::Status SafetyTest::StartMeter() {
  absl::StatusOr<std::unique_ptr<Meter>> meter = Meter::Start(*lab_);
  if (!meter.ok()) return meter.status();
  meter_ = *std::move(meter);
  return absl::OkStatus();
}

absl::Status SafetyTest::Up(const SafetyOptions& options) {
  if (absl::Status installed = Install(options); !installed.ok()) return installed;
  return StartAll();
}

absl::Status SafetyTest::StartAll() {
  if (absl::Status started = hb_->Start(); !started.ok()) return started;
  if (absl::Status measuring = StartMeter(); !measuring.ok()) return measuring;
  if (absl::Status served = AwaitServedBy("master"); !served.ok()) return served;
  absl::Status healthy = AwaitStatus(kAllHealthy);
  // Every part has heard of the others, and no start is under way any more.
  Pause(2 * options_.ttl / 5);
  return healthy;
}

absl::StatusOr<Process*> SafetyTest::Executor(std::string_view node) const {
  return lab_->host(node)->Find(kExecutorName);
}

absl::StatusOr<Process*> SafetyTest::Controller() const {
  return hb_->controller_host().Find(kControllerName);
}

absl::Status SafetyTest::KillExecutor(std::string_view node) const {
  const absl::StatusOr<Process*> process = Executor(node);
  return process.ok() ? (*process)->Kill() : process.status();
}

absl::Status SafetyTest::KillController() const {
  const absl::StatusOr<Process*> process = Controller();
  return process.ok() ? (*process)->Kill() : process.status();
}

absl::Status SafetyTest::RestartExecutor(std::string_view node) {
  if (absl::Status killed = KillExecutor(node); !killed.ok()) return killed;
  return hb_->StartExecutor(node);
}

absl::Status SafetyTest::RestartController() {
  if (absl::Status killed = KillController(); !killed.ok()) return killed;
  return hb_->StartController();
}

absl::Status SafetyTest::TermExecutor(std::string_view node) const {
  const absl::StatusOr<Process*> process = Executor(node);
  if (!process.ok()) return process.status();
  if (absl::Status sent = (*process)->Signal(SIGTERM); !sent.ok()) return sent;
  const absl::StatusOr<int> ended = (*process)->Wait(kLong);
  if (!ended.ok()) return ended.status();
  if (*ended != 0) {
    return absl::InternalError(absl::StrCat("the executor's exit status is ", *ended));
  }
  return absl::OkStatus();
}

absl::Status SafetyTest::EditConfig(const std::string& from, const std::string& to) const {
  const absl::StatusOr<std::string> text = hb_->controller_host().ReadFile(kConfig);
  if (!text.ok()) return text.status();
  const size_t at = text->find(from);
  if (at == std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("'", from, "' is not in ", kConfig));
  }
  std::string edited = *text;
  edited.replace(at, from.size(), to);
  return hb_->controller_host().WriteFile(kConfig, edited);
}

absl::Status SafetyTest::StartThirdNode() {
  Host& host = *lab_->host("watch");
  const absl::StatusOr<std::string> like = lab_->slave().ReadFile("/etc/hb/executor.yaml");
  if (!like.ok()) return like.status();
  const std::string config =
      absl::StrReplaceAll(*like, {{"node: slave", "node: watch"}, {"192.168.0.2", "192.168.0.3"}});
  if (absl::Status s = host.WriteFile("/etc/hb/executor.yaml", config); !s.ok()) return s;
  if (absl::Status s = WriteNodeFiles(host); !s.ok()) return s;
  return hb_->StartExecutor("watch");
}

absl::Status SafetyTest::ChangeConfig(const Changes& changes) const {
  for (const auto& [from, to] : changes) {
    if (absl::Status edited = EditConfig(from, to); !edited.ok()) return edited;
  }
  return Reload();
}

absl::Status SafetyTest::Reload() const {
  const absl::StatusOr<Process*> process = Controller();
  return process.ok() ? (*process)->Signal(SIGHUP) : process.status();
}

absl::Status SafetyTest::Ctl(const std::vector<std::string>& arguments) const {
  const absl::StatusOr<RunResult> result = hb_->Ctl(arguments);
  if (!result.ok()) return result.status();
  if (!result->ok()) {
    return absl::InternalError(absl::StrCat("hbctl ", arguments.front(), ": status ",
                                            result->status, ": ", result->output));
  }
  return absl::OkStatus();
}

std::vector<std::string> SafetyTest::Deciders(std::string_view but) const {
  std::vector<std::string> hosts = lab_->host_names();
  std::erase_if(hosts, [&](const std::string& name) { return name == but || name == "client"; });
  return hosts;
}

absl::Status SafetyTest::CutOffFromAllButClient(std::string_view node) const {
  absl::Status result;
  for (const std::string& other : Deciders(node)) result.Update(lab_->Cut(node, other));
  return result;
}

absl::Status SafetyTest::CutFrom(std::string_view node,
                                 std::initializer_list<std::string_view> others) const {
  absl::Status result;
  for (const std::string_view other : others) result.Update(lab_->Cut(node, other));
  return result;
}

absl::Status SafetyTest::DropWhatItSends(std::string_view node) const {
  absl::Status result;
  for (const std::string& other : Deciders(node)) result.Update(lab_->Drop(node, other));
  return result;
}

absl::Status SafetyTest::DropWhatItGets(std::string_view node) const {
  absl::Status result;
  for (const std::string& other : Deciders(node)) result.Update(lab_->Drop(other, node));
  return result;
}

bool SafetyTest::StatusSays(const std::string& jq) const {
  const absl::StatusOr<RunResult> status =
      hb_->Ctl({"status", "-o", "json"}, /*limit=*/absl::Seconds(5));
  if (!status.ok() || !status->ok()) return false;
  ProgramOptions options;
  options.input = status->output;
  const absl::StatusOr<RunResult> result =
      RunProgram({"jq", "-e", jq}, options, nullptr, absl::Seconds(5));
  return result.ok() && result->ok();
}

absl::Status SafetyTest::AwaitStatus(const std::string& jq, Duration limit) const {
  const MonoTime deadline = BootNow() + limit;
  while (!StatusSays(jq)) {
    if (BootNow() >= deadline) {
      const absl::StatusOr<RunResult> status = hb_->Ctl({"status", "-o", "json"});
      return absl::DeadlineExceededError(
          absl::StrCat("after ", absl::FormatDuration(limit), " the status is not: ", jq, "\n",
                       status.ok() ? status->output : std::string(status.status().message())));
    }
    Pause(absl::Milliseconds(20));
  }
  return absl::OkStatus();
}

absl::Status SafetyTest::AwaitServedBy(std::string_view node) const {
  absl::Status served = meter_->WaitUntilServedBy(node, kLong);
  // Long enough for a second holder to be seen beside it.
  Pause(absl::Milliseconds(300));
  return served;
}

std::string SafetyTest::AllText() const {
  std::string text = hb_->EventLog();
  for (const std::string& host : lab_->host_names()) {
    for (const std::string& daemon : lab_->host(host)->SpawnedNames()) {
      absl::StrAppend(&text, "\n", lab_->host(host)->Output(daemon));
    }
  }
  return text;
}

absl::Status SafetyTest::AwaitText(const std::string& text, Duration limit) const {
  const MonoTime deadline = BootNow() + limit;
  while (!absl::StrContains(AllText(), text)) {
    if (BootNow() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat("no log says: ", text));
    }
    Pause(absl::Milliseconds(20));
  }
  return absl::OkStatus();
}

bool SafetyTest::ServesStaleNeighbour(std::string_view node) const {
  Host& neighbour = lab_->gateway();
  const absl::Status pinned =
      neighbour.RunOk({"ip", "neigh", "replace", kVip, "lladdr", lab_->host(node)->spec().mac,
                       "dev", "eth0", "nud", "permanent"});
  EXPECT_TRUE(pinned.ok()) << pinned;
  const absl::StatusOr<RunResult> page = neighbour.Run(
      {"curl", "-s", "-o", "/dev/null", "-m", "0.5", absl::StrCat("http://", kVip, "/")});
  EXPECT_TRUE(page.ok()) << page.status();
  return page.ok() && page->ok();
}

MeterReport SafetyTest::Measure(MonoTime mark, const std::string& what) {
  MeterReport report = meter_->Settled(mark);
  const auto ms = [](Duration duration) { return absl::ToDoubleMilliseconds(duration); };
  const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
  const std::string line = absl::StrFormat(
      "MEASURED %s.%s %s: outage_ms=%.1f failed=%d of=%d arp_outage_ms=%.1f two_http_ms=%.1f "
      "two_arp_ms=%.1f moves=%d now=%s stall_ms=%.1f",
      test.test_suite_name(), test.name(), what, ms(report.http.outage.length), report.http.failed,
      report.http.total, ms(report.arp.outage.length), ms(report.http.two_answered_time),
      ms(report.arp.two_answered_time), report.http.moves.size(),
      report.http.now.empty() ? "nobody" : report.http.now, ms(report.stall));
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
  const std::string key = absl::StrReplaceAll(what, {{" ", "_"}});
  RecordProperty(key + "_outage_ms", absl::StrFormat("%.1f", ms(report.http.outage.length)));
  RecordProperty(key + "_failed", absl::StrCat(report.http.failed));
  RecordProperty(key + "_two_ms",
                 absl::StrFormat("%.1f", ms(std::max(report.http.two_answered_time,
                                                     report.arp.two_answered_time))));
  // HB_LAB_MEASURED names a file that gets the lines of all tests.
  if (const char* file = getenv("HB_LAB_MEASURED"); file != nullptr) {
    std::ofstream(file, std::ios::app) << line << '\n';
  }
  return report;
}

void SafetyTest::Expect(const std::vector<std::string>& breaches) const {
  if (breaches.empty()) return;
  ADD_FAILURE() << absl::StrJoin(breaches, "\n") << "\n" << Everything();
}

std::vector<std::string> SafetyTest::TwoHolders(const MeterReport& report) {
  std::vector<std::string> breaches;
  const std::pair<const char*, Duration> kinds[] = {
      {"two MACs answered ARP for ", report.arp.two_answered_time},
      {"two nodes served pages for ", report.http.two_answered_time}};
  for (const auto& [what, time] : kinds) {
    if (time > absl::ZeroDuration()) {
      breaches.push_back(absl::StrCat(what, absl::FormatDuration(time)));
    }
  }
  return breaches;
}

void SafetyTest::ExpectNeverTwo(const MeterReport& report) const { Expect(TwoHolders(report)); }

void SafetyTest::ExpectNothingLost(const MeterReport& report) const {
  std::vector<std::string> breaches = TwoHolders(report);
  if (report.http.failed > 0) {
    breaches.push_back(absl::StrCat(report.http.failed, " requests failed, at the longest for ",
                                    absl::FormatDuration(report.http.outage.length)));
  }
  if (report.arp.outage.length > kArpNoise + report.stall) {
    breaches.push_back(
        absl::StrCat("no ARP answer for ", absl::FormatDuration(report.arp.outage.length)));
  }
  if (!report.http.moves.empty() || !report.arp.moves.empty()) {
    breaches.push_back("the VIP has moved");
  }
  Expect(breaches);
}

void SafetyTest::ExpectOutageWithin(const MeterReport& report, Duration bound) const {
  std::vector<std::string> breaches = TwoHolders(report);
  if (report.http.outage.length > bound || report.http.outage.ongoing) {
    breaches.push_back(absl::StrCat("an outage of ",
                                    absl::FormatDuration(report.http.outage.length),
                                    report.http.outage.ongoing ? ", ongoing" : "",
                                    "; the bound is ", absl::FormatDuration(bound)));
  }
  Expect(breaches);
}

Duration SafetyTest::TakeoverBound() const {
  constexpr Duration kThreePings = absl::Milliseconds(3 * 200 + 200);
  constexpr Duration kServiceStart = absl::Seconds(1);
  return 1.1 * options_.ttl + kThreePings + kServiceStart + kSlack;
}

std::string SafetyTest::Everything() const {
  std::string text = absl::StrCat("event log:\n", hb_ ? hb_->EventLog() : "", "\noutputs:\n",
                                  lab_ ? lab_->Outputs() : "");
  if (hb_) {
    const absl::StatusOr<RunResult> status = hb_->Ctl({"status"}, /*limit=*/absl::Seconds(5));
    absl::StrAppend(&text, "status:\n",
                    status.ok() ? status->output : std::string(status.status().message()), "\n");
  }
  if (meter_) absl::StrAppend(&text, ToText(meter_->Since(MonoTime())));
  return text;
}

}  // namespace hb::lab
