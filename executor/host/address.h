// Adding and removing floating addresses, by netlink requests. Part of LinuxHost, on top of
// AddressTable. It refuses to touch any address but the one named, on the interface named; and of
// the interface itself it changes two settings alone: `arp_ignore`, and `promote_secondaries` where
// leaving it would cost other addresses (see AddVip).
#ifndef HB_EXECUTOR_HOST_ADDRESS_H_
#define HB_EXECUTOR_HOST_ADDRESS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/ip_address.h"
#include "common/net/netlink.h"
#include "executor/host/address_table.h"
#include "executor/host/host.h"

namespace hb::executor {

class Addresses {
 public:
  // Both must outlive the object.
  Addresses(NetlinkRequester* requester, AddressTable* table)
      : requester_(requester), table_(table) {}

  // As Host::AddVip. Of the two families:
  // - IPv4: where the address is the primary one of its subnet on the link, `promote_secondaries`
  //   is switched on for the link, so that other addresses of that subnet outlive this one.
  //   `arp_ignore` becomes 1 where it is 0: the link then answers for its own addresses only, and
  //   not for a floating one on another link.
  // - IPv6: no duplicate address detection; preferred lifetime 0, so that the node's own
  //   connections do not take it for their source; no prefix route where another address brings
  //   that route: the kernel may cut the life of that route down to the VIP's.
  // The same address with another prefix on that link is removed: it would outlive the lease.
  [[nodiscard]] absl::Status AddVip(const Vip& vip, Duration valid_for);

  // As Host::RemoveVip; removes the address whatever its prefix. Other addresses stay.
  [[nodiscard]] absl::Status RemoveVip(const Vip& vip);

  // PermissionDenied when the process may not change addresses (CAP_NET_ADMIN), found out by asking
  // the kernel for something that changes nothing.
  [[nodiscard]] absl::Status CheckPermission();

 private:
  absl::Status RemoveFrom(int index, const Vip& vip);
  absl::Status ClearWay(int index, const Vip& vip);
  NetlinkRequester::Answer Add(int index, const IpPrefix& address, Duration valid_for);
  // Deletes one entry and no other with it. Ok when it is gone already.
  absl::Status DeleteAlone(const AddressTable::Entry& entry, const std::string& interface);
  bool OthersBringPrefixRoute(int index, const IpPrefix& address) const;
  // Sets an IPv4 setting of the link (IPV4_DEVCONF_*, called `name` by sysctl) to 1 where it is 0.
  absl::Status SwitchOn(int index, const std::string& interface, int setting, const char* name);
  absl::Status PromoteSecondaries(int index, const std::string& interface);

  NetlinkRequester* const requester_;
  AddressTable* const table_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_ADDRESS_H_
