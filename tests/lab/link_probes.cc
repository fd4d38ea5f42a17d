// The ARP and the ICMP probe of probes.h.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/boot_clock.h"
#include "tests/lab/probes.h"
#include "tests/lab/proc.h"

namespace hb::lab {
namespace {

struct ArpFrame {
  ether_header ethernet;
  ether_arp arp;
} __attribute__((packed));

class ArpProbe final : public Probe {
 public:
  ArpProbe(UniqueFd fd, ArpFrame request, std::function<std::string(std::string_view)> name_of,
           RequestLog* log)
      : fd_(std::move(fd)), request_(request), name_of_(std::move(name_of)), log_(log) {}

  void Watch(EventLoop* loop) {
    watch_ = loop->WatchFd(fd_.get(), EPOLLIN, [this](uint32_t) { Receive(); });
  }

  void Ask(MonoTime /*now*/) override {
    Receive();
    last_ = log_->Sent(BootNow());
    if (send(fd_.get(), &request_, sizeof(request_), 0) < 0) log_->Failed(last_);
  }

 private:
  void Receive() {
    ArpFrame frame;
    sockaddr_ll from{};
    socklen_t from_size = sizeof(from);
    while (true) {
      const ssize_t size = recvfrom(fd_.get(), &frame, sizeof(frame), 0,
                                    reinterpret_cast<sockaddr*>(&from), &from_size);
      if (size < 0) return;
      if (size < static_cast<ssize_t>(sizeof(frame)) || from.sll_pkttype != PACKET_HOST) continue;
      if (ntohs(frame.arp.arp_op) != ARPOP_REPLY || last_ < 0) continue;
      if (memcmp(frame.arp.arp_spa, request_.arp.arp_tpa, 4) != 0 ||
          memcmp(frame.arp.arp_tpa, request_.arp.arp_spa, 4) != 0) {
        continue;
      }
      const uint8_t* m = frame.arp.arp_sha;
      log_->Answered(last_, BootNow(),
                     name_of_(absl::StrFormat("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
                                              m[3], m[4], m[5])));
    }
  }

  const UniqueFd fd_;
  const ArpFrame request_;
  const std::function<std::string(std::string_view)> name_of_;
  RequestLog* const log_;
  RequestLog::Id last_ = -1;
  EventLoop::Handle watch_;
};

class IcmpProbe final : public Probe {
 public:
  IcmpProbe(UniqueFd fd, RequestLog* log)
      : fd_(std::move(fd)), identifier_(static_cast<uint16_t>(getpid())), log_(log) {
    ids_.fill(-1);
  }

  void Watch(EventLoop* loop) {
    watch_ = loop->WatchFd(fd_.get(), EPOLLIN | EPOLLERR, [this](uint32_t) { Receive(); });
  }

  void Ask(MonoTime /*now*/) override {
    Receive();
    Echo echo{};
    echo.header.type = ICMP_ECHO;
    echo.header.un.echo.id = htons(identifier_);
    echo.header.un.echo.sequence = htons(++sequence_);
    echo.magic = kMagic;
    echo.header.checksum = Checksum(echo);
    const RequestLog::Id id = log_->Sent(BootNow());
    ids_[sequence_] = id;
    // An error that an earlier echo met is reported to the next send: that one is tried again.
    if (send(fd_.get(), &echo, sizeof(echo), 0) < 0 &&
        send(fd_.get(), &echo, sizeof(echo), 0) < 0) {
      log_->Failed(id);
    }
  }

 private:
  static constexpr uint64_t kMagic = 0x68622d6d65746572;  // "hb-meter"
  struct Echo {
    icmphdr header;
    uint64_t magic;
  };

  static uint16_t Checksum(const Echo& echo) {
    std::array<uint16_t, sizeof(Echo) / 2> words;
    memcpy(words.data(), &echo, sizeof(echo));
    uint32_t sum = 0;
    for (const uint16_t word : words) sum += word;
    sum = (sum >> 16) + (sum & 0xffff);
    sum += sum >> 16;
    return static_cast<uint16_t>(~sum);
  }

  void Receive() {
    struct {
      iphdr ip;
      Echo echo;
    } __attribute__((packed)) packet;
    while (true) {
      const ssize_t size = recv(fd_.get(), &packet, sizeof(packet), 0);
      if (size < 0) {
        if (errno == EAGAIN || errno == EBADF) return;
        continue;  // an ICMP error for an earlier echo
      }
      if (size < static_cast<ssize_t>(sizeof(packet)) || packet.ip.ihl != 5) continue;
      const icmphdr header = packet.echo.header;
      if (header.type != ICMP_ECHOREPLY || ntohs(header.un.echo.id) != identifier_ ||
          packet.echo.magic != kMagic) {
        continue;
      }
      const RequestLog::Id id = std::exchange(ids_[ntohs(header.un.echo.sequence)], -1);
      if (id >= 0) log_->Answered(id, BootNow(), "");
    }
  }

  const UniqueFd fd_;
  const uint16_t identifier_;
  RequestLog* const log_;
  uint16_t sequence_ = 0;
  std::array<RequestLog::Id, 65536> ids_;
  EventLoop::Handle watch_;
};

absl::Status OnlyV4(const IpAddress& address) {
  if (address.is_v4()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the meter asks for an IPv4 address, not ", address.ToString()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Probe>> MakeArpProbe(
    EventLoop* loop, const std::string& interface, const IpAddress& vip, const IpAddress& asker,
    std::function<std::string(std::string_view)> name_of, RequestLog* log) {
  for (const IpAddress& address : {vip, asker}) {
    if (absl::Status v4 = OnlyV4(address); !v4.ok()) return v4;
  }
  UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ARP)));
  if (!fd.valid()) return ErrnoStatus("packet socket", errno);
  sockaddr_ll local{};
  local.sll_family = AF_PACKET;
  local.sll_protocol = htons(ETH_P_ARP);
  local.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  if (local.sll_ifindex == 0 ||
      bind(fd.get(), reinterpret_cast<sockaddr*>(&local), sizeof(local)) != 0) {
    return ErrnoStatus(absl::StrCat("packet socket on ", interface), errno);
  }
  socklen_t size = sizeof(local);
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&local), &size) != 0) {
    return ErrnoStatus(absl::StrCat("MAC of ", interface), errno);
  }
  ArpFrame request{};
  memset(request.ethernet.ether_dhost, 0xff, ETH_ALEN);
  memcpy(request.ethernet.ether_shost, local.sll_addr, ETH_ALEN);
  request.ethernet.ether_type = htons(ETHERTYPE_ARP);
  request.arp.arp_hrd = htons(ARPHRD_ETHER);
  request.arp.arp_pro = htons(ETHERTYPE_IP);
  request.arp.arp_hln = ETH_ALEN;
  request.arp.arp_pln = 4;
  request.arp.arp_op = htons(ARPOP_REQUEST);
  memcpy(request.arp.arp_sha, local.sll_addr, ETH_ALEN);
  memcpy(request.arp.arp_spa, asker.bytes(), 4);
  memcpy(request.arp.arp_tpa, vip.bytes(), 4);
  auto probe = std::make_unique<ArpProbe>(std::move(fd), request, std::move(name_of), log);
  probe->Watch(loop);
  return probe;
}

absl::StatusOr<std::unique_ptr<Probe>> MakeIcmpProbe(EventLoop* loop, const IpAddress& vip,
                                                     RequestLog* log) {
  if (absl::Status v4 = OnlyV4(vip); !v4.ok()) return v4;
  UniqueFd fd(socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP));
  if (!fd.valid()) return ErrnoStatus("ICMP socket", errno);
  sockaddr_storage remote{};
  const socklen_t size = vip.ToSockaddr(0, &remote);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&remote), size) != 0) {
    return ErrnoStatus(absl::StrCat("ICMP socket to ", vip.ToString()), errno);
  }
  auto probe = std::make_unique<IcmpProbe>(std::move(fd), log);
  probe->Watch(loop);
  return probe;
}

}  // namespace hb::lab
