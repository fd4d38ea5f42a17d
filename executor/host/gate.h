// The gate of rule L8: the kernel lets ARP, neighbour discovery and packets for a floating address
// pass only before an instant that this process writes into a map, so a lease ends on time though
// the process be killed or stopped. Programs and map (gate_program.h) are pinned and outlive it;
// GateMap (gate_map.h) writes the instants; GateFilters (gate_filter.h) keeps the programs on the
// interfaces. Part of LinuxHost. It knows no lease's rules: it writes what it is told.
#ifndef HB_EXECUTOR_HOST_GATE_H_
#define HB_EXECUTOR_HOST_GATE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "common/net/netlink.h"
#include "common/time.h"
#include "executor/host/address_table.h"
#include "executor/host/gate_filter.h"
#include "executor/host/gate_map.h"
#include "executor/host/gate_program.h"

namespace hb::executor {

class Gate {
 public:
  struct Options {
    std::string directory;  // for the pins, of this node alone; on a BPF file system
  };

  // Finds the gate of an earlier process again, entries included, or makes it; attaches it where it
  // has to stand (what hinders that is for Check() to say). `loop`, `requester` and `table` must
  // outlive the gate; `changed` runs on the loop after somebody changed a filter, a qdisc or a
  // link. Errors: those of LoadGate, and Unavailable: the kernel refuses a socket.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Gate>> Open(const Options& options,
                                                                  EventLoop* loop,
                                                                  NetlinkRequester* requester,
                                                                  AddressTable* table,
                                                                  std::function<void()> changed);

  // For a machine that gives up hb, from the network namespace of the calling thread: detaches the
  // gate from every interface, removes clsact qdiscs that are left without a filter, then the pins.
  // Filters of others stay, and so does their qdisc. Ok where nothing is left of a gate. Afterwards
  // every packet passes: only for a node that holds no floating address.
  [[nodiscard]] static absl::Status Purge(const std::string& directory);

  // What it keeps: programs and map stay in the kernel, attached and pinned.
  ~Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  GateMap& entries() { return map_; }
  const GateMap& entries() const { return map_; }

  // As Host::CheckGate. It stands on every interface but loopback and the ports of a bridge, bond,
  // team or Open vSwitch, whose master has it.
  std::vector<std::string> Check();

 private:
  Gate(LoadedGate loaded, EventLoop* loop, NetlinkRequester* requester, AddressTable* table,
       std::function<void()> changed);
  absl::Status Listen();
  void OnNotification();
  // Takes in what waits. True when something other than our own changes was among it.
  bool ReadNotifications();
  bool Note(const nlmsghdr& message);
  void Verify(const LinkRecord& link);

  EventLoop* const loop_;
  AddressTable* const table_;
  const std::function<void()> changed_;
  GateMap map_;
  const GateProgram incoming_;
  const GateProgram outgoing_;
  GateFilters filters_;

  std::map<int, LinkRecord> verified_;  // by index, as they were when looked at
  std::map<int, std::vector<std::string>> obstacles_;
  std::set<int> stood_;  // where it was attached once
  std::set<int> dirty_;
  MonoTime next_sweep_;
  uint32_t own_port_ = 0;  // the netlink address that our own changes come from
  std::vector<char> buffer_;
  NetlinkSocketPtr notifications_;
  EventLoop::Handle watch_;
  EventLoop::Handle pending_change_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_GATE_H_
