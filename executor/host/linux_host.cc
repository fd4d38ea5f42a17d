// The Host interface handed out to the parts of linux_host.h. Each question first takes in what the
// kernel has already told, so that an answer is never older than the call. It adds nothing of its
// own to what the parts do.
#include "executor/host/linux_host.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/net/gateway.h"

namespace hb::executor {

absl::StatusOr<std::unique_ptr<LinuxHost>> LinuxHost::Create(EventLoop* loop,
                                                             const std::string& gate_directory) {
  std::unique_ptr<LinuxHost> host(new LinuxHost(loop));
  absl::StatusOr<std::unique_ptr<NetlinkRequester>> requester = NetlinkRequester::Create();
  if (!requester.ok()) return requester.status();
  host->requester_ = *std::move(requester);
  absl::StatusOr<std::unique_ptr<AddressTable>> table =
      AddressTable::Create(loop, host->requester_.get(), [raw = host.get()] { raw->Changed(); });
  if (!table.ok()) return table.status();
  host->table_ = *std::move(table);
  host->addresses_ = std::make_unique<Addresses>(host->requester_.get(), host->table_.get());
  if (absl::Status status = host->addresses_->CheckPermission(); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Announcer>> announcer = Announcer::Create();
  if (!announcer.ok()) return announcer.status();
  host->announcer_ = *std::move(announcer);
  host->conflicts_ = std::make_unique<ConflictWatch>(loop, host->table_.get());
  absl::StatusOr<std::unique_ptr<Gate>> gate =
      Gate::Open({gate_directory}, loop, host->requester_.get(), host->table_.get(),
                 [raw = host.get()] { raw->Changed(); });
  if (!gate.ok()) return gate.status();
  host->gate_ = *std::move(gate);
  return host;
}

void LinuxHost::Changed() {
  if (conflicts_ != nullptr) conflicts_->Refresh();
  if (!changed_) return;
  const std::function<void()> changed = changed_;
  changed();
}

absl::Status LinuxHost::AddVip(const Vip& vip, Duration valid_for) {
  return addresses_->AddVip(vip, valid_for);
}

absl::Status LinuxHost::RemoveVip(const Vip& vip) { return addresses_->RemoveVip(vip); }

bool LinuxHost::HasVip(const Vip& vip) const {
  table_->Update();
  const LinkRecord* const link = table_->FindLink(vip.interface);
  return link != nullptr && !table_->Find(link->state.index, vip.address.address).empty();
}

LinkState LinuxHost::Link(const std::string& interface) const {
  table_->Update();
  const LinkRecord* const link = table_->FindLink(interface);
  return link == nullptr ? LinkState{} : link->state;
}

absl::Status LinuxHost::Announce(const Vip& vip) {
  table_->Update();
  const LinkRecord* const link = table_->FindLink(vip.interface);
  if (link == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("announcing ", vip.ToString(), ": there is no such interface"));
  }
  return announcer_->Announce(*link, vip.address.address);
}

absl::Status LinuxHost::SetGate(const IpAddress& vip, const GateLease& lease) {
  return gate_->entries().Set(vip, lease);
}

absl::StatusOr<GateLease> LinuxHost::ReadGate(const IpAddress& vip) const {
  return gate_->entries().Read(vip);
}

absl::Status LinuxHost::RemoveGate(const IpAddress& vip) { return gate_->entries().Remove(vip); }

std::map<IpAddress, GateLease> LinuxHost::Gates() const { return gate_->entries().All(); }

std::vector<std::string> LinuxHost::CheckGate() { return gate_->Check(); }

void LinuxHost::WatchConflicts(const std::set<Vip>& vips,
                               std::function<void(const Conflict&)> seen) {
  conflicts_->Watch(vips, std::move(seen));
}

void LinuxHost::ApplyFirewall(const FirewallRules& rules, std::function<void(absl::Status)> done) {
  firewall_.Apply(rules, std::move(done));
}

absl::StatusOr<IpAddress> LinuxHost::DefaultGateway() const {
  return hb::DefaultGateway(requester_.get());
}

}  // namespace hb::executor
