// What gate.h keeps in order: which interfaces have to be looked at, and when. Notifications say
// where something changed; a look at everything once a second finds what sends none (tcx programs).
// A check with nothing to look at makes no system call but the two that ask for notifications.
#include "executor/host/gate.h"

#include <linux/rtnetlink.h>
#include <netlink/socket.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"
#include "common/log.h"

namespace hb::executor {
namespace {

constexpr size_t kBufferBytes = size_t{64} * 1024;
constexpr int kSocketBufferBytes = 256 * 1024;
constexpr int kMaxMessagesAtOnce = 4096;
const Duration kSweepInterval = absl::Seconds(1);

}  // namespace

Gate::Gate(LoadedGate loaded, EventLoop* loop, NetlinkRequester* requester, AddressTable* table,
           std::function<void()> changed)
    : loop_(loop),
      table_(table),
      changed_(std::move(changed)),
      map_(std::move(loaded.map)),
      incoming_(std::move(loaded.incoming)),
      outgoing_(std::move(loaded.outgoing)),
      filters_(requester),
      own_port_(requester->port()),
      buffer_(kBufferBytes) {}

absl::StatusOr<std::unique_ptr<Gate>> Gate::Open(const Options& options, EventLoop* loop,
                                                 NetlinkRequester* requester, AddressTable* table,
                                                 std::function<void()> changed) {
  absl::StatusOr<LoadedGate> loaded = LoadGate(options.directory);
  if (!loaded.ok()) return loaded.status();
  std::unique_ptr<Gate> gate(
      new Gate(*std::move(loaded), loop, requester, table, std::move(changed)));
  if (absl::Status status = gate->Listen(); !status.ok()) return status;
  (void)gate->Check();
  return gate;
}

absl::Status Gate::Listen() {
  absl::StatusOr<NetlinkSocketPtr> socket = OpenRouteSocket();
  if (!socket.ok()) return socket.status();
  notifications_ = *std::move(socket);
  nl_sock* const raw = notifications_.get();
  int result = nl_socket_set_buffer_size(raw, kSocketBufferBytes, 0);
  if (result == 0) result = nl_socket_set_nonblocking(raw);
  if (result == 0) {
    result = nl_socket_add_memberships(raw, RTNLGRP_TC, RTNLGRP_LINK, RTNLGRP_NONE);
  }
  if (result != 0) {
    return absl::UnavailableError(
        absl::StrCat("netlink notifications of filters: ", nl_geterror(result)));
  }
  watch_ = loop_->WatchFd(nl_socket_get_fd(raw), EPOLLIN, [this](uint32_t) { OnNotification(); });
  return absl::OkStatus();
}

void Gate::OnNotification() {
  if (!ReadNotifications() || pending_change_.active()) return;
  pending_change_ = loop_->After(absl::ZeroDuration(), [this] {
    pending_change_.Cancel();
    changed_();
  });
}

bool Gate::ReadNotifications() {
  const int fd = nl_socket_get_fd(notifications_.get());
  bool noted = false;
  for (int messages = 0; messages < kMaxMessagesAtOnce; ++messages) {
    sockaddr_nl from{};
    socklen_t from_bytes = sizeof from;
    const ssize_t size = recvfrom(fd, buffer_.data(), buffer_.size(), MSG_TRUNC,
                                  reinterpret_cast<sockaddr*>(&from), &from_bytes);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) break;
    const bool lost = size < 0 || static_cast<size_t>(size) > buffer_.size();
    if (lost) {
      verified_.clear();  // everything is looked at anew
      noted = true;
      if (size < 0 && errno != ENOBUFS) break;
      continue;
    }
    if (from.nl_pid != 0) continue;  // not the kernel
    auto left = static_cast<int>(size);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer_.data()); nlmsg_ok(header, left) != 0;
         header = nlmsg_next(header, &left)) {
      if (Note(*header)) noted = true;
    }
  }
  return noted;
}

bool Gate::Note(const nlmsghdr& message) {
  auto* const whole = const_cast<nlmsghdr*>(&message);
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      if (nlmsg_datalen(whole) < static_cast<int>(sizeof(ifinfomsg))) return false;
      dirty_.insert(static_cast<const ifinfomsg*>(nlmsg_data(whole))->ifi_index);
      return true;
    }
    case RTM_NEWQDISC:
    case RTM_DELQDISC:
    case RTM_NEWTFILTER:
    case RTM_DELTFILTER: {
      if (nlmsg_datalen(whole) < static_cast<int>(sizeof(tcmsg))) return false;
      if (message.nlmsg_pid == own_port_) return false;
      const auto index = static_cast<const tcmsg*>(nlmsg_data(whole))->tcm_ifindex;
      if (index == static_cast<int>(TCM_IFINDEX_MAGIC_BLOCK)) {
        verified_.clear();
      } else {
        dirty_.insert(index);
      }
      return true;
    }
    default:
      return false;
  }
}

std::vector<std::string> Gate::Check() {
  table_->Update();
  (void)ReadNotifications();
  const MonoTime now = BootNow();
  if (now >= next_sweep_) {
    verified_.clear();
    next_sweep_ = now + kSweepInterval;
  }
  const std::map<int, LinkRecord>& links = table_->links();
  const auto gone = [&links](const auto& entry) { return links.count(entry.first) == 0; };
  std::erase_if(verified_, gone);
  std::erase_if(obstacles_, gone);
  std::erase_if(stood_, [&links](int index) { return links.count(index) == 0; });
  for (const auto& [index, link] : links) {
    const auto before = verified_.find(index);
    if (before != verified_.end() && before->second == link && dirty_.count(index) == 0) continue;
    Verify(link);
    verified_[index] = link;
  }
  dirty_.clear();
  std::vector<std::string> obstacles;
  for (const auto& [index, sentences] : obstacles_) {
    obstacles.insert(obstacles.end(), sentences.begin(), sentences.end());
  }
  return obstacles;
}

void Gate::Verify(const LinkRecord& link) {
  const int index = link.state.index;
  obstacles_.erase(index);
  if (link.loopback) return;
  if (link.is_port) {
    // What passes between ports is none of ours.
    const absl::Status status =
        filters_.Remove(index, link.name, {incoming_.id, outgoing_.id}, true);
    stood_.erase(index);
    if (!status.ok()) LogWarning("gate not removed from a port", {{"error", status.message()}});
    return;
  }
  bool stands = true;
  for (const GateHook* hook : {&kGateIncoming, &kGateOutgoing}) {
    const GateProgram& program = hook == &kGateIncoming ? incoming_ : outgoing_;
    GateFilters::Standing standing =
        filters_.Ensure(index, link.name, *hook, program.fd.get(), program.id);
    if (standing.attached && stood_.count(index) > 0) {
      LogWarning("gate restored", {{"interface", link.name},
                                   {"direction", hook->direction},
                                   {"reason", "somebody had removed or replaced it"}});
    }
    if (standing.obstacle.empty()) continue;
    stands = false;
    obstacles_[index].push_back(std::move(standing.obstacle));
  }
  if (stands) stood_.insert(index);
}

absl::Status Gate::Purge(const std::string& directory) {
  absl::StatusOr<std::unique_ptr<NetlinkRequester>> requester = NetlinkRequester::Create();
  if (!requester.ok()) return requester.status();
  const std::set<uint32_t> ids = PinnedGatePrograms(directory);
  std::map<int, std::string> links;
  const ifinfomsg all{};
  const auto answer =
      (*requester)->Dump(RTM_GETLINK, &all, sizeof all, [&links](const nlmsghdr& message) {
        auto* const whole = const_cast<nlmsghdr*>(&message);
        const nlattr* const name = nlmsg_find_attr(whole, sizeof(ifinfomsg), IFLA_IFNAME);
        if (name == nullptr) return;
        links[static_cast<const ifinfomsg*>(nlmsg_data(whole))->ifi_index] =
            static_cast<const char*>(nla_data(name));
      });
  if (!answer.ok()) return answer.ToStatus("reading the links");
  GateFilters filters(requester->get());
  for (const auto& [index, name] : links) {
    if (absl::Status status = filters.Remove(index, name, ids, true); !status.ok()) return status;
  }
  return RemoveGatePins(directory);
}

}  // namespace hb::executor
