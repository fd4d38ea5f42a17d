// The rtnetlink messages of gate_filter.h. Ours is recognised by its program's number; a filter of
// an earlier build, or of a process whose pins are lost, by its name and handle: it is replaced in
// place, so that at no moment there is none.
#include "executor/host/gate_filter.h"

#include <bpf/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/attr.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace hb::executor {

const GateHook kGateIncoming = {"incoming", "ingress", "hb_gate_in",
                                TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), 46};
const GateHook kGateOutgoing = {"outgoing", "egress", "hb_gate_out",
                                TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS), 47};

namespace {

constexpr uint32_t kHandle = 0x6862;  // "hb"
constexpr char kClsact[] = "clsact";
// The kernel asks lower ones first; 1 is the lowest. The others are for where a filter of another
// kind has 1 already: closed behind that one is better than open.
constexpr std::array<uint16_t, 4> kPreferences = {1, 2, 3, 4};

tcmsg HeaderFor(int index, uint32_t parent) {
  tcmsg header{};
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = index;
  header.tcm_parent = parent;
  return header;
}

std::string Text(const nlattr* attribute) {
  if (attribute == nullptr) return "";
  const auto* const text = static_cast<const char*>(nla_data(attribute));
  return std::string(text, strnlen(text, static_cast<size_t>(nla_len(attribute))));
}

bool Gone(const NetlinkRequester::Answer& answer) { return answer.error == ENODEV; }

std::string Words(const NetlinkRequester::Answer& answer) {
  return std::string(answer.ToStatus("the kernel says").message());
}

std::string DoesNotStand(const std::string& interface, const GateHook& hook) {
  return absl::StrCat("the gate does not stand on ", interface, " (", hook.direction, "): ");
}

// What stands before all filters, or "". Kernels before 6.6 have no such hook, and say EINVAL.
std::string TcxObstacle(int index, const std::string& interface, const GateHook& hook) {
  std::array<uint32_t, 8> ids{};
  uint32_t count = ids.size();
  const int result = bpf_prog_query(index, static_cast<bpf_attach_type>(hook.tcx_attach_type), 0,
                                    nullptr, ids.data(), &count);
  if (result != 0 && errno != ENOSPC) {
    if (errno == EINVAL || errno == ENODEV) return "";
    return absl::StrCat("whether the gate is first on ", interface, " (", hook.direction,
                        ") is not known: asking for tcx programs: ", std::strerror(errno));
  }
  if (count == 0) return "";
  return absl::StrCat("the gate is not first on ", interface, " (", hook.direction,
                      "): the tcx program ", ids[0],
                      " stands before it; detach that one (bpftool net detach tcx_", hook.tc_name,
                      " dev ", interface,
                      ", or end the process that holds its link) and attach it as a tc filter with"
                      " a pref above 1");
}

}  // namespace

bool GateFilters::IsOurs(const Filter& filter, const GateHook& hook) {
  return filter.handle == kHandle && filter.name == hook.filter_name;
}

std::optional<GateFilters::Filter> GateFilters::ReadFilter(const nlmsghdr& message) {
  if (message.nlmsg_type != RTM_NEWTFILTER) return std::nullopt;
  auto* const whole = const_cast<nlmsghdr*>(&message);
  std::array<nlattr*, TCA_MAX + 1> attributes{};
  if (nlmsg_parse(whole, sizeof(tcmsg), attributes.data(), TCA_MAX, nullptr) < 0) {
    return std::nullopt;
  }
  const auto* const header = static_cast<const tcmsg*>(nlmsg_data(whole));
  // The head of a list of filters has no handle. Other chains are entered from this one only.
  if (header->tcm_handle == 0) return std::nullopt;
  if (attributes[TCA_CHAIN] != nullptr && nla_get_u32(attributes[TCA_CHAIN]) != 0) {
    return std::nullopt;
  }
  Filter filter;
  filter.kind = Text(attributes[TCA_KIND]);
  filter.preference = static_cast<uint16_t>(TC_H_MAJ(header->tcm_info) >> 16);
  filter.protocol = static_cast<uint16_t>(TC_H_MIN(header->tcm_info));
  filter.handle = header->tcm_handle;
  if (filter.kind != "bpf" || attributes[TCA_OPTIONS] == nullptr) return filter;
  std::array<nlattr*, TCA_BPF_MAX + 1> options{};
  if (nla_parse_nested(options.data(), TCA_BPF_MAX, attributes[TCA_OPTIONS], nullptr) < 0) {
    return filter;
  }
  filter.name = Text(options[TCA_BPF_NAME]);
  if (options[TCA_BPF_ID] != nullptr) filter.program = nla_get_u32(options[TCA_BPF_ID]);
  filter.direct_action = options[TCA_BPF_FLAGS] != nullptr &&
                         (nla_get_u32(options[TCA_BPF_FLAGS]) & TCA_BPF_FLAG_ACT_DIRECT) != 0;
  return filter;
}

NetlinkRequester::Answer GateFilters::Read(int index, const GateHook& hook,
                                           std::vector<Filter>* filters) {
  filters->clear();
  const tcmsg header = HeaderFor(index, hook.parent);
  return requester_->Dump(RTM_GETTFILTER, &header, sizeof header, [&](const nlmsghdr& message) {
    std::optional<Filter> filter = ReadFilter(message);
    if (filter.has_value()) filters->push_back(*std::move(filter));
  });
}

NetlinkRequester::Answer GateFilters::ReadQdisc(int index, std::string* kind) {
  kind->clear();
  // A dump: what is asked for singly some kernels tell to all listeners, and not to who asked.
  const tcmsg all = HeaderFor(0, 0);
  return requester_->Dump(RTM_GETQDISC, &all, sizeof all, [&](const nlmsghdr& message) {
    auto* const whole = const_cast<nlmsghdr*>(&message);
    const auto* const header = static_cast<const tcmsg*>(nlmsg_data(whole));
    if (header->tcm_ifindex != index || header->tcm_parent != TC_H_CLSACT) return;
    *kind = Text(nlmsg_find_attr(whole, sizeof(tcmsg), TCA_KIND));
  });
}

NetlinkRequester::Answer GateFilters::AddQdisc(int index) {
  tcmsg header = HeaderFor(index, TC_H_CLSACT);
  header.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
  NetlinkMessage message = MakeNetlinkMessage(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, header);
  if (message == nullptr) return {ENOMEM, ""};
  nla_put_string(message.get(), TCA_KIND, kClsact);
  return requester_->Request(std::move(message));
}

NetlinkRequester::Answer GateFilters::RemoveQdisc(int index) {
  tcmsg header = HeaderFor(index, TC_H_CLSACT);
  header.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
  return requester_->Request(MakeNetlinkMessage(RTM_DELQDISC, 0, header));
}

NetlinkRequester::Answer GateFilters::Put(int index, const GateHook& hook, int program,
                                          uint16_t preference) {
  tcmsg header = HeaderFor(index, hook.parent);
  header.tcm_handle = kHandle;
  header.tcm_info = TC_H_MAKE(static_cast<uint32_t>(preference) << 16, htons(ETH_P_ALL));
  NetlinkMessage message = MakeNetlinkMessage(RTM_NEWTFILTER, NLM_F_CREATE, header);
  if (message == nullptr) return {ENOMEM, ""};
  nla_put_string(message.get(), TCA_KIND, "bpf");
  nlattr* const options = nla_nest_start(message.get(), TCA_OPTIONS);
  if (options == nullptr) return {ENOMEM, ""};
  nla_put_u32(message.get(), TCA_BPF_FD, static_cast<uint32_t>(program));
  nla_put_string(message.get(), TCA_BPF_NAME, hook.filter_name);
  nla_put_u32(message.get(), TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
  nla_nest_end(message.get(), options);
  return requester_->Request(std::move(message));
}

NetlinkRequester::Answer GateFilters::Delete(int index, const GateHook& hook,
                                             const Filter& filter) {
  tcmsg header = HeaderFor(index, hook.parent);
  header.tcm_handle = filter.handle;
  header.tcm_info = TC_H_MAKE(static_cast<uint32_t>(filter.preference) << 16, filter.protocol);
  NetlinkMessage message = MakeNetlinkMessage(RTM_DELTFILTER, 0, header);
  if (message == nullptr) return {ENOMEM, ""};
  nla_put_string(message.get(), TCA_KIND, filter.kind.c_str());
  return requester_->Request(std::move(message));
}

std::string GateFilters::NotFirst(const std::string& interface, const GateHook& hook,
                                  const Filter& before) {
  return absl::StrCat("the gate is not first on ", interface, " (", hook.direction,
                      "): the filter ", before.name.empty() ? before.kind : before.name,
                      " with pref ", before.preference,
                      " stands before it; attach that one with a pref above 1 (tc filter show dev ",
                      interface, " ", hook.tc_name, ")");
}

std::string GateFilters::Attach(int index, const std::string& interface, const GateHook& hook,
                                int program, const std::vector<Filter>& present) {
  std::string qdisc;
  auto answer = ReadQdisc(index, &qdisc);
  if (answer.ok() && qdisc.empty()) {
    answer = AddQdisc(index);
    if (answer.error == EEXIST) answer = ReadQdisc(index, &qdisc);
  }
  if (Gone(answer)) return "";
  if (!answer.ok()) {
    return absl::StrCat(DoesNotStand(interface, hook), "no clsact qdisc: ", Words(answer));
  }
  if (!qdisc.empty() && qdisc != kClsact) {
    return absl::StrCat(DoesNotStand(interface, hook), "a plain ", qdisc,
                        " qdisc is there; put a clsact qdisc in its place, with its filters: tc"
                        " qdisc del dev ",
                        interface, " ", qdisc, "; tc qdisc add dev ", interface, " clsact");
  }
  for (const Filter& filter : present) {
    if (!IsOurs(filter, hook)) continue;
    answer = Put(index, hook, program, filter.preference);
    return answer.ok() || Gone(answer) ? ""
                                       : absl::StrCat(DoesNotStand(interface, hook), Words(answer));
  }
  for (const uint16_t preference : kPreferences) {
    answer = Put(index, hook, program, preference);
    if (answer.ok() || Gone(answer)) return "";
    // Another kind of filter, or one for another protocol, has this one.
    if (answer.error != EINVAL && answer.error != EEXIST && answer.error != ENOENT) break;
  }
  return absl::StrCat(DoesNotStand(interface, hook), Words(answer));
}

GateFilters::Standing GateFilters::Ensure(int index, const std::string& interface,
                                          const GateHook& hook, int program, uint32_t id) {
  Standing standing;
  std::vector<Filter> filters;
  const auto find = [&]() -> const Filter* {
    for (const Filter& filter : filters) {
      if (filter.program == id && filter.direct_action) return &filter;
    }
    return nullptr;
  };
  const auto unreadable = [&](const NetlinkRequester::Answer& answer) {
    standing.obstacle = absl::StrCat(DoesNotStand(interface, hook), Words(answer));
    return standing;
  };
  auto answer = Read(index, hook, &filters);
  if (Gone(answer)) return standing;
  if (!answer.ok()) return unreadable(answer);
  if (find() == nullptr) {
    standing.obstacle = Attach(index, interface, hook, program, filters);
    if (!standing.obstacle.empty()) return standing;
    answer = Read(index, hook, &filters);
    if (!answer.ok() && !Gone(answer)) return unreadable(answer);
    if (find() == nullptr) {
      std::array<char, IF_NAMESIZE> name{};
      if (if_indextoname(static_cast<unsigned>(index), name.data()) == nullptr) return standing;
      standing.obstacle =
          absl::StrCat(DoesNotStand(interface, hook),
                       "it was attached and is not there; somebody removes it at once");
      return standing;
    }
    standing.attached = true;
  }
  if (find() != &filters.front()) {
    standing.obstacle = NotFirst(interface, hook, filters.front());
    return standing;
  }
  standing.obstacle = TcxObstacle(index, interface, hook);
  return standing;
}

absl::Status GateFilters::Remove(int index, const std::string& interface,
                                 const std::set<uint32_t>& ids, bool and_qdisc) {
  bool removed = false;
  bool others = false;
  for (const GateHook* hook : {&kGateIncoming, &kGateOutgoing}) {
    std::vector<Filter> filters;
    auto answer = Read(index, *hook, &filters);
    if (Gone(answer)) return absl::OkStatus();
    if (!answer.ok()) return answer.ToStatus(absl::StrCat("reading the filters of ", interface));
    for (const Filter& filter : filters) {
      if (!IsOurs(filter, *hook) && ids.count(filter.program) == 0) {
        others = true;
        continue;
      }
      answer = Delete(index, *hook, filter);
      if (!answer.ok() && answer.error != ENOENT && !Gone(answer)) {
        return answer.ToStatus(absl::StrCat("removing the gate from ", interface));
      }
      removed = true;
    }
  }
  std::string qdisc;
  const bool qdisc_left = ReadQdisc(index, &qdisc).ok() && qdisc == kClsact;
  if (!and_qdisc || !removed || others || !qdisc_left) {
    return absl::OkStatus();
  }
  const auto answer = RemoveQdisc(index);
  if (answer.error == ENOENT || answer.error == EINVAL || Gone(answer)) return absl::OkStatus();
  return answer.ToStatus(absl::StrCat("removing the clsact qdisc of ", interface));
}

}  // namespace hb::executor
