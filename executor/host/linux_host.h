// The Host of the real kernel: netlink for addresses and links, AF_PACKET for announcements and
// conflicts, bpf for the gate, iptables for the firewall. It holds the sockets that the parts share
// and answers to the executor's loop. It refuses to start without CAP_NET_ADMIN, CAP_NET_RAW and
// CAP_BPF, and knows no cluster, lease or service.
#ifndef HB_EXECUTOR_HOST_LINUX_HOST_H_
#define HB_EXECUTOR_HOST_LINUX_HOST_H_

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "common/ip_address.h"
#include "common/net/netlink.h"
#include "executor/host/address.h"
#include "executor/host/address_table.h"
#include "executor/host/announce.h"
#include "executor/host/conflict_watch.h"
#include "executor/host/firewall.h"
#include "executor/host/gate.h"
#include "executor/host/host.h"

namespace hb::executor {

class LinuxHost : public Host {
 public:
  // For the network namespace of the calling thread. `loop` must outlive the host.
  // `gate_directory`: where the gate is pinned, of this node alone, on a BPF file system.
  // PermissionDenied names the capability that is missing; Unavailable: the kernel refuses a
  // socket; and as LoadGate.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<LinuxHost>> Create(
      EventLoop* loop, const std::string& gate_directory);

  absl::Status AddVip(const Vip& vip, Duration valid_for) override;
  absl::Status RemoveVip(const Vip& vip) override;
  bool HasVip(const Vip& vip) const override;
  LinkState Link(const std::string& interface) const override;
  absl::Status Announce(const Vip& vip) override;
  absl::Status SetGate(const IpAddress& vip, const GateLease& lease) override;
  absl::StatusOr<GateLease> ReadGate(const IpAddress& vip) const override;
  absl::Status RemoveGate(const IpAddress& vip) override;
  std::map<IpAddress, GateLease> Gates() const override;
  std::vector<std::string> CheckGate() override;
  void WatchConflicts(const std::set<Vip>& vips,
                      std::function<void(const Conflict&)> seen) override;
  // A replaced call's `done` is called with Cancelled. None is called after the host is destroyed,
  // except Cancelled ones that were already on their way.
  void ApplyFirewall(const FirewallRules& rules, std::function<void(absl::Status)> done) override;
  absl::StatusOr<IpAddress> DefaultGateway() const override;
  void OnChange(std::function<void()> changed) override { changed_ = std::move(changed); }

 private:
  explicit LinuxHost(EventLoop* loop) : firewall_(loop) {}
  // Something became different in the kernel.
  void Changed();

  std::function<void()> changed_;
  std::unique_ptr<NetlinkRequester> requester_;
  std::unique_ptr<AddressTable> table_;
  std::unique_ptr<Addresses> addresses_;
  std::unique_ptr<Announcer> announcer_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<ConflictWatch> conflicts_;
  Firewall firewall_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_LINUX_HOST_H_
