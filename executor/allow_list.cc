#include "executor/allow_list.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace hb::executor {
namespace {

absl::Status Refused(const std::string& text) { return absl::PermissionDeniedError(text); }

std::string Join(const std::vector<IpPrefix>& prefixes) {
  return absl::StrJoin(prefixes, ", ", [](std::string* out, const IpPrefix& prefix) {
    absl::StrAppend(out, prefix.ToString());
  });
}

bool Names(const Spec& spec, const IpAddress& address) {
  return std::any_of(spec.vips.begin(), spec.vips.end(),
                     [&](const Vip& vip) { return vip.address.address == address; });
}

absl::Status CheckVip(const Vip& vip, const AllowList& allow) {
  if (allow.interfaces.count(vip.interface) == 0) {
    return Refused(absl::StrCat("interface ", vip.interface,
                                " is not in allow.interfaces of executor.yaml (",
                                absl::StrJoin(allow.interfaces, ", "), ")"));
  }
  const IpAddress& address = vip.address.address;
  if (std::none_of(allow.vips.begin(), allow.vips.end(),
                   [&](const IpPrefix& prefix) { return prefix.Contains(address); })) {
    return Refused(absl::StrCat("VIP ", address.ToString(),
                                " is not within allow.vips of executor.yaml (", Join(allow.vips),
                                ")"));
  }
  if (address == allow.own_address) {
    return Refused(absl::StrCat("VIP ", address.ToString(),
                                " is this node's own address (listen in executor.yaml)"));
  }
  return absl::OkStatus();
}

absl::Status CheckFirewall(const FirewallSpec& firewall, const AllowList& allow) {
  for (const uint16_t port : firewall.restrict_tcp) {
    if (allow.firewall_tcp.count(port) != 0) continue;
    return Refused(absl::StrCat("TCP port ", port,
                                " is not in allow.firewall_tcp of executor.yaml (",
                                absl::StrJoin(allow.firewall_tcp, ", "), ")"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSpec(const Spec& spec, const AllowList& allow,
                       const std::map<std::string, const Spec*>& others) {
  for (const Vip& vip : spec.vips) {
    if (absl::Status status = CheckVip(vip, allow); !status.ok()) return status;
  }
  if (spec.firewall) {
    if (absl::Status status = CheckFirewall(*spec.firewall, allow); !status.ok()) return status;
    if (Names(spec, spec.firewall->own_address)) {
      return Refused(absl::StrCat("firewall.own_address ", spec.firewall->own_address.ToString(),
                                  " is a VIP: floating addresses stay public"));
    }
  }
  for (const auto& [name, other] : others) {
    if (name == spec.cluster) continue;
    for (const Vip& vip : spec.vips) {
      const IpAddress& address = vip.address.address;
      if (Names(*other, address)) {
        return Refused(
            absl::StrCat("VIP ", address.ToString(), " belongs to cluster ", name, " here"));
      }
      if (other->firewall && other->firewall->own_address == address) {
        return Refused(absl::StrCat("VIP ", address.ToString(),
                                    " is this node's own address to cluster ", name));
      }
    }
    if (spec.firewall && Names(*other, spec.firewall->own_address)) {
      return Refused(absl::StrCat("firewall.own_address ", spec.firewall->own_address.ToString(),
                                  " is a VIP of cluster ", name));
    }
  }
  return absl::OkStatus();
}

}  // namespace hb::executor
