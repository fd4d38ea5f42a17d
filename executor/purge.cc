// hb-executor --purge: what an executor left on the host, taken off it. It starts nothing and
// serves nobody.
#include <set>

#include "absl/strings/str_cat.h"
#include "executor/daemon.h"
#include "executor/host/gate.h"

namespace hb::executor {
namespace {

// iptables takes some milliseconds.
constexpr Duration kFirewallLimit = absl::Seconds(30);

absl::Status RemoveFirewall(EventLoop* loop, LinuxHost* host) {
  absl::Status outcome = absl::DeadlineExceededError("iptables did not end in time");
  const EventLoop::Handle limit = loop->After(kFirewallLimit, [loop] { loop->Stop(); });
  host->ApplyFirewall({}, [&outcome, loop](const absl::Status& status) {
    outcome = status;
    loop->Stop();
  });
  (void)loop->Run();
  return outcome;
}

absl::Status RemoveVips(StateDirectory* state, LinuxHost* host) {
  std::set<Vip> vips = state->vips();
  for (const auto& [cluster, record] : state->records()) {
    if (record.spec) vips.insert(record.spec->vips.begin(), record.spec->vips.end());
  }
  for (const Vip& vip : vips) {
    absl::Status status = host->SetGate(vip.address.address, {});
    if (status.ok()) status = host->RemoveVip(vip);
    if (!status.ok()) return status;
  }
  return state->StoreVips({});
}

}  // namespace

absl::Status Daemon::Purge(const v1::ExecutorConfig& config) {
  absl::StatusOr<Settings> settings = ReadSettings(config);
  if (!settings.ok()) return settings.status();
  absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
  if (!loop.ok()) return loop.status();
  absl::StatusOr<std::unique_ptr<StateDirectory>> state = StateDirectory::Open(settings->state);
  if (!state.ok()) return state.status();
  const std::string gate = GateDirectory(*settings);
  {
    absl::StatusOr<std::unique_ptr<LinuxHost>> host = LinuxHost::Create(loop->get(), gate);
    if (absl::IsFailedPrecondition(host.status())) {
      // Another version's: it can't be taken over, and goes first.
      if (absl::Status status = Gate::Purge(gate); !status.ok()) return status;
      host = LinuxHost::Create(loop->get(), gate);
    }
    if (!host.ok()) return host.status();
    absl::Status status = RemoveVips(state->get(), host->get());
    if (status.ok()) status = RemoveFirewall(loop->get(), host->get());
    if (!status.ok()) return status;
  }
  return Gate::Purge(gate);
}

}  // namespace hb::executor
