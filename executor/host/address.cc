// The netlink requests of address.h. Every act is: look, change the difference, read back from the
// kernel. A deletion always names address, network and prefix length, and first makes sure that no
// other address goes with it.
#include "executor/host/address.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace hb::executor {
namespace {

constexpr AddressFlags kUnusable = IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_OPTIMISTIC;

// Whole seconds, rounded up, within what the kernel does not take for "forever".
uint32_t LifetimeSeconds(Duration valid_for) {
  const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(valid_for, absl::Seconds(1)));
  return static_cast<uint32_t>(
      std::clamp<int64_t>(seconds, 1, std::numeric_limits<int32_t>::max()));
}

void PutAddress(nl_msg* message, int attribute, const IpAddress& address) {
  nla_put(message, attribute, static_cast<int>(address.size()), address.bytes());
}

ifaddrmsg HeaderFor(int index, const IpAddress& address, int prefix_length) {
  ifaddrmsg header{};
  header.ifa_family = static_cast<uint8_t>(address.family());
  header.ifa_prefixlen = static_cast<uint8_t>(prefix_length);
  header.ifa_index = static_cast<uint32_t>(index);
  return header;
}

bool SameSubnet(const IpPrefix& a, const IpPrefix& b) {
  return a.length == b.length && a.Contains(b.address);
}

bool IsPrimary(const AddressTable::Entry& entry) {
  return entry.first.local.is_v4() && (entry.second & IFA_F_SECONDARY) == 0;
}

// Whether an IPv4 setting (IPV4_DEVCONF_*) in a link's message is anything but 0.
bool IsOn(const nlmsghdr& message, int setting) {
  auto* header = const_cast<nlmsghdr*>(&message);
  nlattr* const families = nlmsg_find_attr(header, sizeof(ifinfomsg), IFLA_AF_SPEC);
  if (families == nullptr) return false;
  nlattr* const inet =
      nla_find(static_cast<nlattr*>(nla_data(families)), nla_len(families), AF_INET);
  if (inet == nullptr) return false;
  nlattr* const conf =
      nla_find(static_cast<nlattr*>(nla_data(inet)), nla_len(inet), IFLA_INET_CONF);
  // An array of 32-bit settings, the first of which has the number 1.
  if (conf == nullptr || nla_len(conf) < setting * static_cast<int>(sizeof(int32_t))) return false;
  return static_cast<const int32_t*>(nla_data(conf))[setting - 1] != 0;
}

}  // namespace

absl::Status Addresses::AddVip(const Vip& vip, Duration valid_for) {
  table_->Update();
  const LinkRecord* const link = table_->FindLink(vip.interface);
  if (link == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("adding ", vip.ToString(), ": there is no such interface"));
  }
  const int index = link->state.index;
  if (absl::Status status = ClearWay(index, vip); !status.ok()) return status;
  if (vip.address.address.is_v4()) {
    absl::Status status = SwitchOn(index, vip.interface, IPV4_DEVCONF_ARP_IGNORE, "arp_ignore");
    if (!status.ok()) return status;
  }
  const auto added = Add(index, vip.address, valid_for);
  if (!added.ok()) return added.ToStatus(absl::StrCat("adding ", vip.ToString()));
  if (absl::Status status = table_->ReadBack(index, vip.address.address.family()); !status.ok()) {
    return status;
  }

  bool present = false;
  bool others_gone = false;
  for (const AddressTable::Entry& entry : table_->Find(index, vip.address.address)) {
    absl::Status status;
    if (entry.first.subnet() == vip.address) {
      present = true;
      if (IsPrimary(entry)) status = PromoteSecondaries(index, vip.interface);
    } else {
      others_gone = true;
      status = DeleteAlone(entry, vip.interface);
    }
    if (!status.ok()) return status;
  }
  if (others_gone) {
    absl::Status status = table_->ReadBack(index, vip.address.address.family());
    if (!status.ok()) return status;
  }
  if (present) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("adding ", vip.ToString(), ": the kernel took it and does not have it"));
}

// IPv6 knows an address once a link: an entry with another prefix, or one that detection of
// duplicates holds back, has to go before ours can come.
absl::Status Addresses::ClearWay(int index, const Vip& vip) {
  if (!vip.address.address.is_v6()) return absl::OkStatus();
  for (const AddressTable::Entry& entry : table_->Find(index, vip.address.address)) {
    const bool usable = (entry.second & kUnusable) == 0;
    if (usable && entry.first.subnet() == vip.address) continue;
    if (absl::Status status = DeleteAlone(entry, vip.interface); !status.ok()) return status;
  }
  return absl::OkStatus();
}

NetlinkRequester::Answer Addresses::Add(int index, const IpPrefix& address, Duration valid_for) {
  NetlinkMessage message = MakeNetlinkMessage(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE,
                                              HeaderFor(index, address.address, address.length));
  if (message == nullptr) return {ENOMEM, ""};
  PutAddress(message.get(), IFA_LOCAL, address.address);
  PutAddress(message.get(), IFA_ADDRESS, address.address);
  const uint32_t seconds = LifetimeSeconds(valid_for);
  ifa_cacheinfo lifetime{};
  lifetime.ifa_valid = seconds;
  lifetime.ifa_prefered = address.address.is_v4() ? seconds : 0;
  nla_put(message.get(), IFA_CACHEINFO, sizeof lifetime, &lifetime);
  if (address.address.is_v6()) {
    uint32_t flags = IFA_F_NODAD;
    if (OthersBringPrefixRoute(index, address)) flags |= IFA_F_NOPREFIXROUTE;
    nla_put_u32(message.get(), IFA_FLAGS, flags);
  }
  return requester_->Request(std::move(message));
}

bool Addresses::OthersBringPrefixRoute(int index, const IpPrefix& address) const {
  for (const auto& [record, flags] : table_->OnLink(index)) {
    if (record.local == address.address || !SameSubnet(record.subnet(), address)) continue;
    // A permanent address without a prefix route has a manager that sets the route by itself.
    if ((flags & IFA_F_PERMANENT) != 0 || (flags & IFA_F_NOPREFIXROUTE) == 0) return true;
  }
  return false;
}

absl::Status Addresses::RemoveVip(const Vip& vip) {
  table_->Update();
  const LinkRecord* const link = table_->FindLink(vip.interface);
  if (link == nullptr) return absl::OkStatus();
  absl::Status status = RemoveFrom(link->state.index, vip);
  if (absl::IsNotFound(status)) return absl::OkStatus();  // the link went meanwhile
  return status;
}

absl::Status Addresses::RemoveFrom(int index, const Vip& vip) {
  const int family = vip.address.address.family();
  if (absl::Status status = table_->ReadBack(index, family); !status.ok()) return status;
  const std::vector<AddressTable::Entry> entries = table_->Find(index, vip.address.address);
  if (entries.empty()) return absl::OkStatus();
  for (const AddressTable::Entry& entry : entries) {
    if (absl::Status status = DeleteAlone(entry, vip.interface); !status.ok()) return status;
  }
  if (absl::Status status = table_->ReadBack(index, family); !status.ok()) return status;
  if (table_->Find(index, vip.address.address).empty()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("removing ", vip.ToString(), ": it was there again at once"));
}

absl::Status Addresses::DeleteAlone(const AddressTable::Entry& entry,
                                    const std::string& interface) {
  const AddressRecord& record = entry.first;
  const std::vector<AddressTable::Entry> all = table_->OnLink(record.index);
  const bool has_secondaries =
      IsPrimary(entry) && std::any_of(all.begin(), all.end(), [&record](const auto& other) {
        return other.first != record && SameSubnet(record.subnet(), other.first.subnet());
      });
  if (has_secondaries) {
    absl::Status status = PromoteSecondaries(record.index, interface);
    if (!status.ok()) return status;
  }
  NetlinkMessage message = MakeNetlinkMessage(
      RTM_DELADDR, 0, HeaderFor(record.index, record.local, record.prefix_length));
  if (message == nullptr) return absl::UnavailableError("netlink request: out of memory");
  // All three of address, network and length: with less the kernel takes the first that fits.
  PutAddress(message.get(), IFA_LOCAL, record.local);
  PutAddress(message.get(), IFA_ADDRESS, record.network);
  const auto answer = requester_->Request(std::move(message));
  if (answer.error == EADDRNOTAVAIL) return absl::OkStatus();  // gone meanwhile
  return answer.ToStatus(absl::StrCat("removing ", record.local.ToString(), "/",
                                      record.prefix_length, " on ", interface));
}

absl::Status Addresses::PromoteSecondaries(int index, const std::string& interface) {
  return SwitchOn(index, interface, IPV4_DEVCONF_PROMOTE_SECONDARIES, "promote_secondaries");
}

absl::Status Addresses::SwitchOn(int index, const std::string& interface, int setting,
                                 const char* name) {
  const std::string what = absl::StrCat(name, " of ", interface);
  ifinfomsg header{};
  header.ifi_index = index;
  const auto read = [&](bool* on) {
    return requester_->Request(MakeNetlinkMessage(RTM_GETLINK, 0, header),
                               [&](const nlmsghdr& message) { *on = IsOn(message, setting); });
  };
  bool on = false;
  if (const auto answer = read(&on); !answer.ok()) return answer.ToStatus(what);
  if (on) return absl::OkStatus();

  NetlinkMessage message = MakeNetlinkMessage(RTM_SETLINK, 0, header);
  if (message == nullptr) return absl::UnavailableError(absl::StrCat(what, ": out of memory"));
  nlattr* const families = nla_nest_start(message.get(), IFLA_AF_SPEC);
  nlattr* const inet = nla_nest_start(message.get(), AF_INET);
  nlattr* const conf = nla_nest_start(message.get(), IFLA_INET_CONF);
  if (families == nullptr || inet == nullptr || conf == nullptr) {
    return absl::InternalError(absl::StrCat(what, ": the message is too small"));
  }
  nla_put_u32(message.get(), setting, 1);
  nla_nest_end(message.get(), conf);
  nla_nest_end(message.get(), inet);
  nla_nest_end(message.get(), families);
  const auto set = requester_->Request(std::move(message));
  if (!set.ok()) return set.ToStatus(what);
  if (const auto answer = read(&on); !answer.ok()) return answer.ToStatus(what);
  if (on) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(what, ": the kernel took 1 and still has 0"));
}

absl::Status Addresses::CheckPermission() {
  // The kernel asks for the capability before it looks for the link, which no machine has.
  const IpAddress any;
  NetlinkMessage message = MakeNetlinkMessage(
      RTM_DELADDR, 0, HeaderFor(std::numeric_limits<int32_t>::max(), any, any.bits()));
  if (message == nullptr) return absl::UnavailableError("netlink request: out of memory");
  PutAddress(message.get(), IFA_LOCAL, any);
  const auto answer = requester_->Request(std::move(message));
  if (answer.error == ENODEV || answer.error == EADDRNOTAVAIL || answer.ok()) {
    return absl::OkStatus();
  }
  return answer.ToStatus("changing addresses needs CAP_NET_ADMIN");
}

}  // namespace hb::executor
