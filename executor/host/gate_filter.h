// The gate's place on one interface: the clsact qdisc and a bpf filter a direction, by rtnetlink.
// It looks what is there, adds what is missing of ours, and says what it cannot mend. Part of Gate.
// It never touches a qdisc, filter or program of others.
#ifndef HB_EXECUTOR_HOST_GATE_FILTER_H_
#define HB_EXECUTOR_HOST_GATE_FILTER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/net/netlink.h"

namespace hb::executor {

// One direction of an interface. The numbers are the kernel's.
struct GateHook {
  const char* direction;    // for people: "incoming"
  const char* tc_name;      // as tc(8) calls it: "ingress"
  const char* filter_name;  // of our filter
  uint32_t parent;          // TC_H_MAKE(TC_H_CLSACT, ...)
  int tcx_attach_type;      // BPF_TCX_*, of Linux 6.6
};
extern const GateHook kGateIncoming;
extern const GateHook kGateOutgoing;

class GateFilters {
 public:
  // `requester` must outlive the object.
  explicit GateFilters(NetlinkRequester* requester) : requester_(requester) {}

  struct Standing {
    bool attached = false;  // it was not there, or was another program's, and is now
    std::string obstacle;   // a sentence with its remedy; empty: it stands, first in the chain
  };
  // Makes `program` (its number `id`) stand at that hook of the interface. An interface that is
  // gone is no obstacle.
  Standing Ensure(int index, const std::string& interface, const GateHook& hook, int program,
                  uint32_t id);

  // Takes away what is ours at both hooks: filters with our name and handle, or with one of the
  // programs `ids`. With `and_qdisc`, a clsact qdisc that has no filter left goes too. Ok where
  // nothing is, or no interface.
  [[nodiscard]] absl::Status Remove(int index, const std::string& interface,
                                    const std::set<uint32_t>& ids, bool and_qdisc);

 private:
  struct Filter {
    std::string kind;
    uint16_t preference = 0;
    uint16_t protocol = 0;  // network order
    uint32_t handle = 0;
    uint32_t program = 0;  // 0: no bpf filter
    std::string name;
    bool direct_action = false;
  };
  static bool IsOurs(const Filter& filter, const GateHook& hook);
  static std::optional<Filter> ReadFilter(const nlmsghdr& message);
  // In the order in which the kernel asks them.
  NetlinkRequester::Answer Read(int index, const GateHook& hook, std::vector<Filter>* filters);
  // "": none at the place that clsact and ingress share, or no such interface.
  NetlinkRequester::Answer ReadQdisc(int index, std::string* kind);
  NetlinkRequester::Answer AddQdisc(int index);
  NetlinkRequester::Answer RemoveQdisc(int index);
  NetlinkRequester::Answer Put(int index, const GateHook& hook, int program, uint16_t preference);
  NetlinkRequester::Answer Delete(int index, const GateHook& hook, const Filter& filter);
  // Empty: attached.
  std::string Attach(int index, const std::string& interface, const GateHook& hook, int program,
                     const std::vector<Filter>& present);
  std::string NotFirst(const std::string& interface, const GateHook& hook, const Filter& before);

  NetlinkRequester* const requester_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_GATE_FILTER_H_
