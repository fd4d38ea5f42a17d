// The kernel's links and addresses as a small table of our own, kept current by notifications
// (netlink groups LINK, IPV4_IFADDR and IPV6_IFADDR) and read anew when the kernel had to drop some
// of them. Under address.h; part of LinuxHost. It only looks: it changes nothing in the kernel.
// Carrier loss arrives when the kernel tells it, which linkwatch may put off by up to a second.
#ifndef HB_EXECUTOR_HOST_ADDRESS_TABLE_H_
#define HB_EXECUTOR_HOST_ADDRESS_TABLE_H_

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "common/ip_address.h"
#include "common/net/netlink.h"
#include "executor/host/host.h"

namespace hb::executor {

struct LinkRecord {
  std::string name;
  LinkState state;
  // Whether neighbours resolve addresses on it (not: loopback, dummy, tunnels).
  bool resolves_neighbours = false;
  bool loopback = false;
  // A port of a bridge, bond, team or Open vSwitch: its packets for this node arrive on the master.
  bool is_port = false;
  friend bool operator==(const LinkRecord&, const LinkRecord&) = default;
};

// One address entry of the kernel. The same address may stand on a link more than once, with
// different prefixes; `network` is the peer's address if there is a peer, else the address itself.
struct AddressRecord {
  int index = 0;
  IpAddress local;
  IpAddress network;
  int prefix_length = 0;

  IpPrefix subnet() const { return {network, prefix_length}; }
  friend auto operator<=>(const AddressRecord&, const AddressRecord&) = default;
};
using AddressFlags = uint32_t;  // IFA_F_*

class AddressTable {
 public:
  using Entry = std::pair<AddressRecord, AddressFlags>;

  // `loop` and `requester` must outlive the table. `changed` runs on the loop, a moment after
  // anything in the table became different. Unavailable when the kernel refuses the socket or the
  // first dump.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<AddressTable>> Create(
      EventLoop* loop, NetlinkRequester* requester, std::function<void()> changed);
  ~AddressTable() = default;
  AddressTable(const AddressTable&) = delete;
  AddressTable& operator=(const AddressTable&) = delete;

  // Takes in what the kernel has already told; never waits.
  void Update();

  // Asks the kernel for the addresses of one link and family and corrects the table with them.
  // NotFound: the link is gone (and so are its addresses, here too).
  [[nodiscard]] absl::Status ReadBack(int index, int family);

  // nullptr where there is no link of that name; valid until the table is next touched or the loop
  // runs.
  const LinkRecord* FindLink(std::string_view name) const;
  // All links by their index; valid as long as FindLink's.
  const std::map<int, LinkRecord>& links() const { return contents_.links; }
  // All addresses of a link.
  std::vector<Entry> OnLink(int index) const;
  // The entries of one address on a link.
  std::vector<Entry> Find(int index, const IpAddress& local) const;

 private:
  struct Contents {
    std::map<int, LinkRecord> links;
    std::map<AddressRecord, AddressFlags> addresses;
    friend bool operator==(const Contents&, const Contents&) = default;
  };

  AddressTable(EventLoop* loop, NetlinkRequester* requester, std::function<void()> changed);
  absl::Status Listen();
  // Takes in all waiting notifications. True when some were lost.
  bool ReadNotifications();
  absl::Status Resynchronise();
  void ResynchroniseOrRetry();
  void ScheduleChanged();

  // Both return whether the contents became different.
  static bool Apply(const nlmsghdr& message, Contents* contents);
  static bool ApplyLink(const nlmsghdr& message, Contents* contents);

  EventLoop* const loop_;
  NetlinkRequester* const requester_;
  const std::function<void()> changed_;
  Contents contents_;
  std::vector<char> buffer_;
  NetlinkSocketPtr notifications_;
  EventLoop::Handle watch_;
  EventLoop::Handle pending_change_;
  EventLoop::Handle retry_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_ADDRESS_TABLE_H_
