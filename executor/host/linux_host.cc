// The Host interface handed out to the parts of linux_host.h. Each question first takes in what the
// kernel has already told, so that an answer is never older than the call. It adds nothing of its
// own to what the parts do.
#include "executor/host/linux_host.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/net/gateway.h"

namespace hb::executor {

absl::StatusOr<std::unique_ptr<LinuxHost>> LinuxHost::Create(EventLoop* loop) {
  std::unique_ptr<LinuxHost> host(new LinuxHost(loop));
  absl::StatusOr<std::unique_ptr<NetlinkRequester>> requester = NetlinkRequester::Create();
  if (!requester.ok()) return requester.status();
  host->requester_ = *std::move(requester);
  absl::StatusOr<std::unique_ptr<AddressTable>> table =
      AddressTable::Create(loop, host->requester_.get(), [raw = host.get()] {
        if (!raw->changed_) return;
        const std::function<void()> changed = raw->changed_;
        changed();
      });
  if (!table.ok()) return table.status();
  host->table_ = *std::move(table);
  host->addresses_ = std::make_unique<Addresses>(host->requester_.get(), host->table_.get());
  if (absl::Status status = host->addresses_->CheckPermission(); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Announcer>> announcer = Announcer::Create();
  if (!announcer.ok()) return announcer.status();
  host->announcer_ = *std::move(announcer);
  return host;
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

void LinuxHost::ApplyFirewall(const FirewallRules& rules, std::function<void(absl::Status)> done) {
  firewall_.Apply(rules, std::move(done));
}

absl::StatusOr<IpAddress> LinuxHost::DefaultGateway() const {
  return hb::DefaultGateway(requester_.get());
}

}  // namespace hb::executor
