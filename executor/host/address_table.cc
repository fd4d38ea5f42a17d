// The table behind address_table.h: parsing of link and address messages, the notification socket,
// and the dumps that start the table and mend it after losses. Nothing here is taken for true
// because it was asked for: the kernel's messages alone change the table.
#include "executor/host/address_table.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/attr.h>
#include <netlink/socket.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/log.h"

namespace hb::executor {
namespace {

constexpr size_t kBufferBytes = size_t{64} * 1024;
// Room for a burst of several hundred changes; a longer one ends in a fresh dump.
constexpr int kSocketBufferBytes = 256 * 1024;
// Messages taken in at once; the loop comes back for the rest.
constexpr int kMaxMessagesAtOnce = 4096;
// IFF_LOWER_UP of <linux/if.h>, which cannot be included beside <net/if.h>.
constexpr unsigned kLowerUp = 1U << 16;
const Duration kRetryDelay = absl::Milliseconds(100);

std::optional<IpAddress> ReadAddress(const nlattr* attribute, int family) {
  if (attribute == nullptr) return std::nullopt;
  if (family == AF_INET && nla_len(attribute) == sizeof(in_addr)) {
    in_addr address{};
    std::memcpy(&address, nla_data(attribute), sizeof address);
    return IpAddress::V4(address);
  }
  if (family == AF_INET6 && nla_len(attribute) == sizeof(in6_addr)) {
    in6_addr address{};
    std::memcpy(&address, nla_data(attribute), sizeof address);
    return IpAddress::V6(address);
  }
  return std::nullopt;
}

// nullopt for what is no IPv4 or IPv6 address.
std::optional<AddressTable::Entry> ReadEntry(const nlmsghdr& message) {
  auto* header = const_cast<nlmsghdr*>(&message);
  std::array<nlattr*, IFA_MAX + 1> attributes{};
  if (nlmsg_parse(header, sizeof(ifaddrmsg), attributes.data(), IFA_MAX, nullptr) < 0) {
    return std::nullopt;
  }
  const auto* fixed = static_cast<const ifaddrmsg*>(nlmsg_data(header));
  const std::optional<IpAddress> network = ReadAddress(attributes[IFA_ADDRESS], fixed->ifa_family);
  std::optional<IpAddress> local = ReadAddress(attributes[IFA_LOCAL], fixed->ifa_family);
  if (!local.has_value()) local = network;
  if (!local.has_value()) return std::nullopt;
  AddressFlags flags = fixed->ifa_flags;
  if (attributes[IFA_FLAGS] != nullptr) flags = nla_get_u32(attributes[IFA_FLAGS]);
  return AddressTable::Entry{AddressRecord{.index = static_cast<int>(fixed->ifa_index),
                                           .local = *local,
                                           .network = network.value_or(*local),
                                           .prefix_length = fixed->ifa_prefixlen},
                             flags};
}

// Whether the link belongs to a master that takes its packets for itself. (A VRF leaves them where
// they are.)
bool IsPort(nlattr* link_info) {
  if (link_info == nullptr) return false;
  std::array<nlattr*, IFLA_INFO_MAX + 1> attributes{};
  if (nla_parse_nested(attributes.data(), IFLA_INFO_MAX, link_info, nullptr) < 0) return false;
  const nlattr* const kind = attributes[IFLA_INFO_SLAVE_KIND];
  if (kind == nullptr) return false;
  const auto* const text = static_cast<const char*>(nla_data(kind));
  const std::string_view name(text, strnlen(text, static_cast<size_t>(nla_len(kind))));
  return name == "bridge" || name == "bond" || name == "team" || name == "openvswitch";
}

template <typename Map, typename Key, typename Value>
bool Put(Map* map, const Key& key, const Value& value) {
  const auto [it, inserted] = map->try_emplace(key, value);
  if (inserted) return true;
  if (it->second == value) return false;
  it->second = value;
  return true;
}

}  // namespace

AddressTable::AddressTable(EventLoop* loop, NetlinkRequester* requester,
                           std::function<void()> changed)
    : loop_(loop), requester_(requester), changed_(std::move(changed)), buffer_(kBufferBytes) {}

absl::StatusOr<std::unique_ptr<AddressTable>> AddressTable::Create(EventLoop* loop,
                                                                   NetlinkRequester* requester,
                                                                   std::function<void()> changed) {
  std::unique_ptr<AddressTable> table(new AddressTable(loop, requester, std::move(changed)));
  if (absl::Status status = table->Listen(); !status.ok()) return status;
  if (absl::Status status = table->Resynchronise(); !status.ok()) return status;
  table->pending_change_.Cancel();  // the first contents are no change
  return table;
}

absl::Status AddressTable::Listen() {
  absl::StatusOr<NetlinkSocketPtr> socket = OpenRouteSocket();
  if (!socket.ok()) return socket.status();
  notifications_ = *std::move(socket);
  nl_sock* const raw = notifications_.get();
  int result = nl_socket_set_buffer_size(raw, kSocketBufferBytes, 0);
  if (result == 0) result = nl_socket_set_nonblocking(raw);
  if (result == 0) {
    result = nl_socket_add_memberships(raw, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                       RTNLGRP_NONE);
  }
  if (result != 0) {
    return absl::UnavailableError(absl::StrCat("netlink notifications: ", nl_geterror(result)));
  }
  watch_ = loop_->WatchFd(nl_socket_get_fd(raw), EPOLLIN, [this](uint32_t) { Update(); });
  return absl::OkStatus();
}

void AddressTable::Update() {
  if (ReadNotifications()) ResynchroniseOrRetry();
}

bool AddressTable::ReadNotifications() {
  const int fd = nl_socket_get_fd(notifications_.get());
  bool lost = false;
  for (int messages = 0; messages < kMaxMessagesAtOnce; ++messages) {
    sockaddr_nl from{};
    socklen_t from_bytes = sizeof from;
    const ssize_t size = recvfrom(fd, buffer_.data(), buffer_.size(), MSG_TRUNC,
                                  reinterpret_cast<sockaddr*>(&from), &from_bytes);
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return lost;
      lost = true;
      if (errno == ENOBUFS) continue;
      LogError("netlink notifications", {{"error", std::strerror(errno)}});
      return lost;
    }
    if (from.nl_pid != 0) continue;  // not the kernel
    if (static_cast<size_t>(size) > buffer_.size()) {
      lost = true;
      continue;
    }
    auto left = static_cast<int>(size);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer_.data()); nlmsg_ok(header, left) != 0;
         header = nlmsg_next(header, &left)) {
      if (Apply(*header, &contents_)) ScheduleChanged();
    }
  }
  return lost;
}

bool AddressTable::Apply(const nlmsghdr& message, Contents* contents) {
  if (message.nlmsg_type == RTM_NEWLINK || message.nlmsg_type == RTM_DELLINK) {
    return ApplyLink(message, contents);
  }
  if (message.nlmsg_type != RTM_NEWADDR && message.nlmsg_type != RTM_DELADDR) return false;
  const std::optional<Entry> entry = ReadEntry(message);
  if (!entry.has_value()) return false;
  if (message.nlmsg_type == RTM_DELADDR) return contents->addresses.erase(entry->first) > 0;
  return Put(&contents->addresses, entry->first, entry->second);
}

bool AddressTable::ApplyLink(const nlmsghdr& message, Contents* contents) {
  auto* header = const_cast<nlmsghdr*>(&message);
  std::array<nlattr*, IFLA_MAX + 1> attributes{};
  if (nlmsg_parse(header, sizeof(ifinfomsg), attributes.data(), IFLA_MAX, nullptr) < 0)
    return false;
  const auto* fixed = static_cast<const ifinfomsg*>(nlmsg_data(header));
  // A bridge speaks of its ports with the same messages; the link itself is AF_UNSPEC.
  if (fixed->ifi_family != AF_UNSPEC) return false;
  const int index = fixed->ifi_index;
  if (message.nlmsg_type == RTM_DELLINK) {
    std::erase_if(contents->addresses, [index](const auto& e) { return e.first.index == index; });
    return contents->links.erase(index) > 0;
  }
  const nlattr* const name = attributes[IFLA_IFNAME];
  if (name == nullptr) return false;
  LinkRecord link;
  const char* const text = static_cast<const char*>(nla_data(name));
  link.name.assign(text, strnlen(text, static_cast<size_t>(nla_len(name))));
  link.state.exists = true;
  link.state.admin_up = (fixed->ifi_flags & IFF_UP) != 0;
  link.state.carrier = (fixed->ifi_flags & kLowerUp) != 0;
  link.state.index = index;
  if (const nlattr* const mac = attributes[IFLA_ADDRESS];
      mac != nullptr && fixed->ifi_type != ARPHRD_LOOPBACK) {
    const auto* const bytes = static_cast<const uint8_t*>(nla_data(mac));
    link.state.mac.assign(bytes, bytes + nla_len(mac));
  }
  link.loopback = (fixed->ifi_flags & IFF_LOOPBACK) != 0;
  link.is_port = IsPort(attributes[IFLA_LINKINFO]);
  link.resolves_neighbours =
      !link.state.mac.empty() && (fixed->ifi_flags & (IFF_NOARP | IFF_LOOPBACK)) == 0;
  return Put(&contents->links, index, link);
}

absl::Status AddressTable::Resynchronise() {
  // What the kernel told before the dumps is part of them; what it tells during them is read
  // afterwards.
  (void)ReadNotifications();
  Contents fresh;
  const auto take = [&fresh](const nlmsghdr& message) { Apply(message, &fresh); };
  const ifinfomsg links{};
  if (const auto answer = requester_->Dump(RTM_GETLINK, &links, sizeof links, take); !answer.ok()) {
    return answer.ToStatus("reading the links");
  }
  const ifaddrmsg addresses{};
  if (const auto answer = requester_->Dump(RTM_GETADDR, &addresses, sizeof addresses, take);
      !answer.ok()) {
    return answer.ToStatus("reading the addresses");
  }
  if (fresh != contents_) ScheduleChanged();
  contents_ = std::move(fresh);
  return absl::OkStatus();
}

void AddressTable::ResynchroniseOrRetry() {
  retry_.Cancel();
  const absl::Status status = Resynchronise();
  if (status.ok()) return;
  LogError("addresses not read anew", {{"error", status.message()}});
  retry_ = loop_->After(kRetryDelay, [this] { ResynchroniseOrRetry(); });
}

void AddressTable::ScheduleChanged() {
  if (pending_change_.active()) return;
  pending_change_ = loop_->After(absl::ZeroDuration(), [this] {
    pending_change_.Cancel();
    changed_();
  });
}

absl::Status AddressTable::ReadBack(int index, int family) {
  Update();
  std::map<AddressRecord, AddressFlags> found;
  ifaddrmsg filter{};
  filter.ifa_family = static_cast<uint8_t>(family);
  filter.ifa_index = static_cast<uint32_t>(index);
  const auto answer =
      requester_->Dump(RTM_GETADDR, &filter, sizeof filter, [&](const nlmsghdr& message) {
        const std::optional<Entry> entry = ReadEntry(message);
        // Kernels without strict checking ignore the filter.
        if (!entry.has_value() || entry->first.index != index) return;
        if (entry->first.local.family() == family) found.insert(*entry);
      });
  if (!answer.ok() && answer.error != ENODEV) return answer.ToStatus("reading the addresses");
  const size_t dropped = std::erase_if(contents_.addresses, [&](const auto& e) {
    return e.first.index == index && e.first.local.family() == family &&
           found.find(e.first) == found.end();
  });
  bool different = dropped > 0;
  for (const auto& entry : found) {
    if (Put(&contents_.addresses, entry.first, entry.second)) different = true;
  }
  if (different) ScheduleChanged();
  return answer.ToStatus("reading the addresses");
}

const LinkRecord* AddressTable::FindLink(std::string_view name) const {
  for (const auto& [index, link] : contents_.links) {
    if (link.name == name) return &link;
  }
  return nullptr;
}

std::vector<AddressTable::Entry> AddressTable::OnLink(int index) const {
  std::vector<Entry> result;
  AddressRecord first;
  first.index = index;
  for (auto it = contents_.addresses.lower_bound(first);
       it != contents_.addresses.end() && it->first.index == index; ++it) {
    result.emplace_back(*it);
  }
  return result;
}

std::vector<AddressTable::Entry> AddressTable::Find(int index, const IpAddress& local) const {
  std::vector<Entry> result = OnLink(index);
  std::erase_if(result, [&local](const Entry& e) { return e.first.local != local; });
  return result;
}

}  // namespace hb::executor
