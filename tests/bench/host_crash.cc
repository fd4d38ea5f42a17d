// How long the client waits when the holder's host crashes, and what of it is not the lease:
// outage − ttl, beside the bound that docs/safety.md gives (1.1 × ttl + activation, and one witness
// interval under witness). Real daemons in a lab of their own; needs root. Prints a Markdown table;
// asserts nothing about speed, and exits with 1 when two nodes answered or nobody served any more.
//   hb-bench-host-crash [RUNS]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "tests/lab/deployment.h"
#include "tests/lab/lab.h"
#include "tests/lab/meter.h"

namespace hb::lab {
namespace {

constexpr Duration kLimit = absl::Seconds(30);

struct Setting {
  int ttl_ms;
  int interval_ms;  // of heartbeat, ICMP and witness
  bool witness;
};

struct Observation {
  Duration outage;
  Duration two_answered;
};

DeploymentOptions OptionsFor(const Setting& setting) {
  const std::string interval = absl::StrCat(setting.interval_ms, "ms");
  DeploymentOptions options;
  options.binaries = HB_BINARIES;
  options.configs = HB_SOURCE_DIR "/deploy/config";
  options.edits = {
      {"heartbeat: 200ms", absl::StrCat("heartbeat: ", interval)},
      {"ttl: 1s", absl::StrCat("ttl: ", setting.ttl_ms, "ms")},
      {"icmp: {interval: 200ms, timeout: 200ms",
       absl::StrCat("icmp: {interval: ", interval, ", timeout: ", interval)},
      {"standby: stopped", "standby: running"},
  };
  const std::string witness = "    witness: {address: gateway, interval: 200ms}\n";
  if (setting.witness) {
    options.edits.emplace_back("gateway, interval: 200ms",
                               absl::StrCat("gateway, interval: ", interval));
  } else {
    options.edits.emplace_back("on_expiry: witness}", "on_expiry: release}");
    options.edits.emplace_back(witness, "");
  }
  return options;
}

absl::StatusOr<Observation> Observe(const Setting& setting) {
  LabOptions lab_options;
  lab_options.third_host = true;
  absl::StatusOr<std::unique_ptr<Lab>> lab = Lab::Up(lab_options);
  if (!lab.ok()) return lab.status();
  absl::StatusOr<Deployment> hb = Deployment::Install(lab->get(), OptionsFor(setting));
  if (!hb.ok()) return hb.status();
  if (absl::Status status = hb->Start(); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Meter>> meter = Meter::Start(**lab);
  if (!meter.ok()) return meter.status();
  if (absl::Status status = (*meter)->WaitUntilServedBy("master", kLimit); !status.ok()) {
    return status;
  }
  // The standby's service runs, and the phase of heartbeats is any.
  struct timespec pause = {1, (rand() % 1000) * 1'000'000L};
  nanosleep(&pause, nullptr);
  const MonoTime mark = (*meter)->Mark();
  absl::Status status = (*lab)->PowerOff("master");
  if (status.ok()) status = (*meter)->WaitUntilServedBy("slave", kLimit);
  if (!status.ok()) return status;
  const MeterReport report = (*meter)->Since(mark);
  return Observation{report.http.outage.length,
                     std::max(report.arp.two_answered_time, report.http.two_answered_time)};
}

int Main(int runs) {
  const Setting settings[] = {
      {1000, 200, false}, {1000, 200, true}, {300, 50, false}, {300, 50, true}};
  std::printf(
      "| ttl | on_expiry | runs | outage, median | max | outage - ttl, median | bound - ttl |"
      " two answered |\n|---|---|---|---|---|---|---|---|\n");
  bool good = true;
  for (const Setting& setting : settings) {
    std::vector<int64_t> outages;
    Duration two;
    for (int i = 0; i < runs; ++i) {
      const absl::StatusOr<Observation> seen = Observe(setting);
      if (!seen.ok()) {
        std::fprintf(stderr, "%s\n", std::string(seen.status().message()).c_str());
        return 1;
      }
      outages.push_back(absl::ToInt64Milliseconds(seen->outage));
      two = std::max(two, seen->two_answered);
    }
    std::sort(outages.begin(), outages.end());
    const int64_t median = outages[outages.size() / 2];
    const int bound = setting.ttl_ms / 10 + (setting.witness ? setting.interval_ms : 0);
    std::printf("| %d ms | %s | %d | %ld ms | %ld ms | %ld ms | %d ms + activation | %ld ms |\n",
                setting.ttl_ms, setting.witness ? "witness" : "release", runs, median,
                outages.back(), median - setting.ttl_ms, bound, absl::ToInt64Milliseconds(two));
    (void)std::fflush(stdout);
    good = good && two == absl::ZeroDuration();
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace hb::lab

int main(int argc, char** argv) {
  const int runs = argc > 1 ? std::atoi(argv[1]) : 5;
  return hb::lab::Main(std::clamp(runs, 1, 1000));
}
