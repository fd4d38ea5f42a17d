// The sockets of conflict_watch.h. The filter comes before the binding, so that nothing unfiltered
// is ever queued; what the node itself sends is left out by the kernel.
#include "executor/host/conflict_watch.h"

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "common/boot_clock.h"
#include "common/log.h"

namespace hb::executor {
namespace {

const Duration kPause = absl::Milliseconds(100);  // between two words on the same pair
constexpr size_t kMaxPairs = 256;
constexpr int kMaxFramesAtOnce = 64;
constexpr uint32_t kKeptBytes = 256;  // of a frame; more than a claim needs

// Frames of a VLAN, whose tag the kernel keeps beside them, belong to another LAN.
constexpr uint32_t kPacketType = static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE);
constexpr uint32_t kTagPresent = static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT);
std::array<sock_filter, 15> kClaimsOnly = {{
    {BPF_LD | BPF_B | BPF_ABS, 0, 0, kPacketType},
    {BPF_JMP | BPF_JEQ | BPF_K, 12, 0, PACKET_OUTGOING},
    {BPF_LD | BPF_B | BPF_ABS, 0, 0, kTagPresent},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 10, 0},
    {BPF_LD | BPF_H | BPF_ABS, 0, 0, 12},  // the frame's type
    {BPF_JMP | BPF_JEQ | BPF_K, 7, 0, ETHERTYPE_ARP},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 7, ETHERTYPE_IPV6},
    {BPF_LD | BPF_B | BPF_ABS, 0, 0, 20},  // what follows the IPv6 header
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 5, IPPROTO_ICMPV6},
    {BPF_LD | BPF_B | BPF_ABS, 0, 0, 54},  // the ICMPv6 message's type
    {BPF_JMP | BPF_JEQ | BPF_K, 2, 0, ND_NEIGHBOR_SOLICIT},
    {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ND_NEIGHBOR_ADVERT},
    {BPF_JMP | BPF_JA, 0, 0, 1},
    {BPF_RET | BPF_K, 0, 0, kKeptBytes},
    {BPF_RET | BPF_K, 0, 0, 0},
}};

// Invalid, with errno, where the kernel refuses.
UniqueFd OpenListener(int index) {
  UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return fd;
  // Kernels before 4.20 lack it; the filter does the same.
  const int on = 1;
  (void)setsockopt(fd.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
  const sock_fprog program = {static_cast<unsigned short>(kClaimsOnly.size()), kClaimsOnly.data()};
  if (setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    return UniqueFd();
  }
  sockaddr_ll at{};
  at.sll_family = AF_PACKET;
  at.sll_protocol = htons(ETH_P_ALL);
  at.sll_ifindex = index;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return UniqueFd();
  return fd;
}

}  // namespace

void ConflictWatch::Watch(const std::set<Vip>& vips, std::function<void(const Conflict&)> seen) {
  seen_ = std::move(seen);
  for (auto& [name, interface] : interfaces_) interface.vips.clear();
  for (const Vip& vip : vips) interfaces_[vip.interface].vips[vip.address.address] = vip;
  std::erase_if(interfaces_, [](const auto& entry) { return entry.second.vips.empty(); });
  table_->Update();
  Refresh();
}

void ConflictWatch::Refresh() {
  for (auto& [name, interface] : interfaces_) Listen(name, &interface);
}

void ConflictWatch::Listen(const std::string& name, Interface* interface) {
  const LinkRecord* const link = table_->FindLink(name);
  const int index =
      link != nullptr && link->resolves_neighbours && link->state.mac.size() == sizeof(MacAddress)
          ? link->state.index
          : 0;
  if (interface->socket.valid() && interface->index == index) return;
  interface->watch.Cancel();
  interface->socket.Close();
  if (index == 0) return;
  interface->socket = OpenListener(index);
  if (!interface->socket.valid()) {
    if (!interface->failure_logged && errno != ENODEV) {
      LogError("conflicts not watched", {{"interface", name}, {"error", std::strerror(errno)}});
      interface->failure_logged = true;
    }
    return;
  }
  interface->failure_logged = false;
  interface->index = index;
  interface->watch =
      loop_->WatchFd(interface->socket.get(), EPOLLIN, [this, name](uint32_t) { Read(name); });
}

void ConflictWatch::Read(const std::string& name) {
  const auto it = interfaces_.find(name);
  if (it == interfaces_.end()) return;
  std::vector<Conflict> conflicts;
  const MonoTime now = BootNow();
  for (int frames = 0; frames < kMaxFramesAtOnce; ++frames) {
    std::array<uint8_t, kKeptBytes> frame{};
    const ssize_t size = recv(it->second.socket.get(), frame.data(), frame.size(), 0);
    // ENETDOWN is told once when the interface goes down; the socket stays of use.
    if (size < 0 && (errno == EINTR || errno == ENETDOWN)) continue;
    if (size < 0) break;
    const std::optional<Claim> claim = ReadClaim(frame.data(), static_cast<size_t>(size));
    if (!claim.has_value()) continue;
    std::optional<Conflict> conflict = Judge(it->second, *claim, now);
    if (conflict.has_value()) conflicts.push_back(*std::move(conflict));
  }
  // The receiver may change what is watched, and itself.
  const std::function<void(const Conflict&)> seen = seen_;
  if (!seen) return;
  for (const Conflict& conflict : conflicts) seen(conflict);
}

std::optional<Conflict> ConflictWatch::Judge(const Interface& interface, const Claim& claim,
                                             MonoTime now) {
  const auto vip = interface.vips.find(claim.address);
  if (vip == interface.vips.end()) return std::nullopt;
  const bool names_own = IsOwn(claim.named);
  if (names_own && IsOwn(claim.source)) return std::nullopt;
  const MacAddress mac = names_own ? claim.source : claim.named;
  std::erase_if(told_, [now](const auto& entry) { return now - entry.second >= kPause; });
  if (told_.size() >= kMaxPairs || !told_.emplace(std::pair(vip->second, mac), now).second) {
    return std::nullopt;
  }
  return Conflict{vip->second, ToString(mac)};
}

bool ConflictWatch::IsOwn(const MacAddress& mac) const {
  const auto& links = table_->links();
  return std::any_of(links.begin(), links.end(), [&mac](const auto& entry) {
    const std::vector<uint8_t>& own = entry.second.state.mac;
    return std::equal(own.begin(), own.end(), mac.begin(), mac.end());
  });
}

}  // namespace hb::executor
