// Reading routes out of a netlink dump, for gateway.h: only unicast routes of the main table to
// everywhere, with a next hop whose link is alive, count. Policy routing tables are left out on
// purpose: the witness is the gateway that the node's ordinary traffic takes.
#include "common/net/gateway.h"

#include <linux/rtnetlink.h>
#include <netlink/attr.h>

#include <array>
#include <cstring>
#include <optional>

namespace hb {
namespace {

struct Candidate {
  IpAddress next_hop;
  uint32_t metric = 0;
};

std::optional<IpAddress> ReadGateway(const nlattr* gateway) {
  if (gateway == nullptr) return std::nullopt;
  if (nla_len(gateway) == sizeof(in_addr)) {
    in_addr address{};
    std::memcpy(&address, nla_data(gateway), sizeof address);
    return IpAddress::V4(address);
  }
  if (nla_len(gateway) == sizeof(in6_addr)) {
    in6_addr address{};
    std::memcpy(&address, nla_data(gateway), sizeof address);
    return IpAddress::V6(address);
  }
  return std::nullopt;
}

// The first usable next hop of a route with several.
std::optional<IpAddress> ReadMultipath(const nlattr* paths) {
  int left = nla_len(paths);
  const auto* hop = static_cast<const rtnexthop*>(nla_data(paths));
  while (left >= static_cast<int>(sizeof(rtnexthop)) && hop->rtnh_len >= sizeof(rtnexthop) &&
         hop->rtnh_len <= left) {
    if ((hop->rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) == 0) {
      const auto* attributes = reinterpret_cast<const nlattr*>(hop + 1);
      const int size = static_cast<int>(hop->rtnh_len - sizeof(rtnexthop));
      if (auto found = ReadGateway(nla_find(attributes, size, RTA_GATEWAY)); found) return found;
    }
    const int step = NLMSG_ALIGN(hop->rtnh_len);
    left -= step;
    hop = reinterpret_cast<const rtnexthop*>(reinterpret_cast<const char*>(hop) + step);
  }
  return std::nullopt;
}

std::optional<Candidate> ReadDefaultRoute(const nlmsghdr& message) {
  auto* header = const_cast<nlmsghdr*>(&message);
  std::array<nlattr*, RTA_MAX + 1> attributes{};
  if (nlmsg_parse(header, sizeof(rtmsg), attributes.data(), RTA_MAX, nullptr) < 0) {
    return std::nullopt;
  }
  const auto* fixed = static_cast<const rtmsg*>(nlmsg_data(header));
  const uint32_t table =
      attributes[RTA_TABLE] != nullptr ? nla_get_u32(attributes[RTA_TABLE]) : fixed->rtm_table;
  if (fixed->rtm_dst_len != 0 || fixed->rtm_src_len != 0 || fixed->rtm_tos != 0)
    return std::nullopt;
  if (table != RT_TABLE_MAIN || fixed->rtm_type != RTN_UNICAST) return std::nullopt;
  if ((fixed->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN | RTM_F_CLONED)) != 0) return std::nullopt;
  std::optional<IpAddress> next_hop = ReadGateway(attributes[RTA_GATEWAY]);
  if (!next_hop && attributes[RTA_MULTIPATH] != nullptr) {
    next_hop = ReadMultipath(attributes[RTA_MULTIPATH]);
  }
  if (!next_hop) return std::nullopt;
  const nlattr* const metric = attributes[RTA_PRIORITY];
  return Candidate{*next_hop, metric == nullptr ? 0 : nla_get_u32(metric)};
}

}  // namespace

absl::StatusOr<IpAddress> DefaultGateway(NetlinkRequester* requester) {
  for (const int family : {AF_INET, AF_INET6}) {
    std::optional<Candidate> best;
    rtmsg filter{};
    filter.rtm_family = static_cast<uint8_t>(family);
    filter.rtm_table = RT_TABLE_MAIN;
    const auto answer =
        requester->Dump(RTM_GETROUTE, &filter, sizeof filter, [&best](const nlmsghdr& message) {
          const std::optional<Candidate> found = ReadDefaultRoute(message);
          if (found && (!best || found->metric < best->metric)) best = found;
        });
    if (best) return best->next_hop;
    // ENOENT: there is no such table, so there are no routes of that family.
    const bool none = answer.ok() || answer.error == ENOENT || answer.error == EAFNOSUPPORT;
    if (!none) return answer.ToStatus("reading the routes");
  }
  return absl::NotFoundError("there is no default route with a next hop");
}

absl::StatusOr<IpAddress> DefaultGateway() {
  absl::StatusOr<std::unique_ptr<NetlinkRequester>> requester = NetlinkRequester::Create();
  if (!requester.ok()) return requester.status();
  return DefaultGateway(requester->get());
}

}  // namespace hb
