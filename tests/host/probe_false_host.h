// A host in a namespace whose echo replies are a test's own: right, forged, doubled or none.
// A thread of its own serves it until the object is gone. IPv4 only; the kernel's own replies are
// turned off.
#ifndef HB_TESTS_HOST_PROBE_FALSE_HOST_H_
#define HB_TESTS_HOST_PROBE_FALSE_HOST_H_

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "common/ip_address.h"
#include "tests/host/probe_netns.h"

namespace hb {

// A host that answers echo requests by itself, in any way that the test likes.
class ProbeFalseHost {
 public:
  using Bytes = std::vector<uint8_t>;
  // Gets the request's ICMP part already turned into the right answer; the checksum is filled in
  // after.
  using Answer = std::function<void(Bytes* reply, const std::function<void(const Bytes&)>& send)>;

  ProbeFalseHost(ProbeNetns* netns, Answer answer, const char* source = "10.77.0.2")
      : answer_(std::move(answer)) {
    netns->Sysctl("net.ipv4.icmp_echo_ignore_all", "1");
    netns->Run([&] {
      in_ = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
      out_ = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
      sockaddr_storage address{};
      const socklen_t length = IpAddress::Parse(source).value().ToSockaddr(0, &address);
      ASSERT_EQ(bind(out_, reinterpret_cast<sockaddr*>(&address), length), 0);
    });
    thread_ = std::thread([this] { Serve(); });
  }
  ~ProbeFalseHost() {
    eventfd_write(stop_, 1);
    thread_.join();
    for (const int fd : {in_, out_, stop_}) close(fd);
  }
  ProbeFalseHost(const ProbeFalseHost&) = delete;
  ProbeFalseHost& operator=(const ProbeFalseHost&) = delete;

 private:
  static void FillChecksum(Bytes* packet) {
    (*packet)[2] = (*packet)[3] = 0;
    uint32_t sum = 0;
    for (size_t i = 0; i < packet->size(); ++i) {
      sum += i % 2 == 0 ? (*packet)[i] << 8 : (*packet)[i];
    }
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    (*packet)[2] = static_cast<uint8_t>(~sum >> 8);
    (*packet)[3] = static_cast<uint8_t>(~sum);
  }

  void Serve() {
    std::array<pollfd, 2> fds{{{in_, POLLIN, 0}, {stop_, POLLIN, 0}}};
    while (poll(fds.data(), fds.size(), -1) > 0 && fds[1].revents == 0) {
      std::array<uint8_t, 2048> data;
      sockaddr_storage from{};
      socklen_t length = sizeof from;
      const ssize_t size =
          recvfrom(in_, data.data(), data.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
      if (size < 28 || data[20] != ICMP_ECHO) continue;
      Bytes reply(data.begin() + 20, data.begin() + size);
      reply[0] = ICMP_ECHOREPLY;
      answer_(&reply, [&](const Bytes& packet) {
        Bytes copy = packet;
        FillChecksum(&copy);
        sendto(out_, copy.data(), copy.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
      });
    }
  }

  const Answer answer_;
  int in_ = -1;
  int out_ = -1;
  const int stop_ = eventfd(0, EFD_CLOEXEC);
  std::thread thread_;
};

}  // namespace hb

#endif  // HB_TESTS_HOST_PROBE_FALSE_HOST_H_
