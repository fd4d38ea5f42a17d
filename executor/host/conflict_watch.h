// Sees who else claims a floating address (rule L9): a packet socket on each interface that carries
// a watched one, narrowed to ARP and neighbour discovery in the kernel. The sockets get frames
// before tc does, so a closed gate hides nothing from them. Part of LinuxHost. It only listens;
// what a conflict means is the core's business.
#ifndef HB_EXECUTOR_HOST_CONFLICT_WATCH_H_
#define HB_EXECUTOR_HOST_CONFLICT_WATCH_H_

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/event_loop.h"
#include "common/ip_address.h"
#include "common/time.h"
#include "executor/core/types.h"
#include "executor/host/address_table.h"
#include "executor/host/claim.h"
#include "executor/host/service/unique_fd.h"

namespace hb::executor {

class ConflictWatch {
 public:
  // Both must outlive the object.
  ConflictWatch(EventLoop* loop, AddressTable* table) : loop_(loop), table_(table) {}

  // As Host::WatchConflicts. `seen` may call it again. Of one turn of the loop at most 64 frames an
  // interface are read, and at most 256 pairs of address and MAC are told in 100 ms. An interface
  // that cannot be listened to is logged, once, and tried again when links change.
  void Watch(const std::set<Vip>& vips, std::function<void(const Conflict&)> seen);

  // Listens where it has to, after links changed.
  void Refresh();

 private:
  struct Interface {
    std::map<IpAddress, Vip> vips;
    int index = 0;  // that the socket is bound to
    UniqueFd socket;
    EventLoop::Handle watch;  // ends before the socket does
    bool failure_logged = false;
  };

  void Listen(const std::string& name, Interface* interface);
  void Read(const std::string& name);
  // The conflict that a claim is, if it is one and was not told of late.
  std::optional<Conflict> Judge(const Interface& interface, const Claim& claim, MonoTime now);
  bool IsOwn(const MacAddress& mac) const;

  EventLoop* const loop_;
  AddressTable* const table_;
  std::function<void(const Conflict&)> seen_;
  std::map<std::string, Interface> interfaces_;
  std::map<std::pair<Vip, MacAddress>, MonoTime> told_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_CONFLICT_WATCH_H_
