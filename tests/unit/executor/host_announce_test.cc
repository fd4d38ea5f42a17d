// The announcement frames, byte for byte against RFC 826, 5227 and 4861.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "executor/host/announce.h"

namespace hb::executor {
namespace {

using ::testing::ElementsAreArray;

constexpr MacAddress kMac = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55};

IpAddress Address(const char* text) { return *IpAddress::Parse(text); }

std::vector<uint8_t> Padded(std::vector<uint8_t> frame) {
  frame.resize(60);
  return frame;
}

TEST(AnnounceFrameTest, GratuitousArpRequestNamesTheAddressTwice) {
  EXPECT_THAT(BuildGratuitousArp(ArpKind::kRequest, Address("192.168.0.111"), kMac),
              ElementsAreArray(Padded({
                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x11, 0x22, 0x33,
                  0x44, 0x55, 0x08, 0x06,                                     // Ethernet
                  0x00, 0x01, 0x08, 0x00, 6,    4,    0x00, 0x01,             // request
                  0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 192,  168,  0,    111,  // sender
                  0,    0,    0,    0,    0,    0,    192,  168,  0,    111,  // target
              })));
}

TEST(AnnounceFrameTest, GratuitousArpReplyCarriesTheMacAsTargetToo) {
  EXPECT_THAT(
      BuildGratuitousArp(ArpKind::kReply, Address("10.1.2.3"), kMac),
      ElementsAreArray(Padded({
          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0x08, 0x06,  //
          0x00, 0x01, 0x08, 0x00, 6,    4,    0x00, 0x02,           // reply
          0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 10,   1,    2,    3,  //
          0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 10,   1,    2,    3,  //
      })));
}

TEST(AnnounceFrameTest, UnsolicitedAdvertisementOverridesAndNamesItsMac) {
  std::vector<uint8_t> frame = BuildUnsolicitedAdvertisement(Address("fd00::6f"), kMac, false);
  ASSERT_EQ(frame.size(), 14U + 40U + 32U);
  frame[56] = 0;  // the checksum has a test of its own
  frame[57] = 0;
  EXPECT_THAT(frame, ElementsAreArray({
                         0x33, 0x33, 0,    0,    0,    1,    0x02, 0x11,
                         0x22, 0x33, 0x44, 0x55, 0x86, 0xdd,             // Ethernet
                         0x60, 0,    0,    0,    0,    32,   58,   255,  // IPv6
                         0xfd, 0,    0,    0,    0,    0,    0,    0,
                         0,    0,    0,    0,    0,    0,    0,    0x6f,  // from
                         0xff, 2,    0,    0,    0,    0,    0,    0,
                         0,    0,    0,    0,    0,    0,    0,    1,  // all nodes
                         136,  0,    0,    0,    0x20, 0,    0,    0,  // NA, override
                         0xfd, 0,    0,    0,    0,    0,    0,    0,
                         0,    0,    0,    0,    0,    0,    0,    0x6f,  // target
                         2,    1,    0x02, 0x11, 0x22, 0x33, 0x44, 0x55,  // its MAC
                     }));
}

TEST(AnnounceFrameTest, RouterSaysSo) {
  const EthernetFrame frame = BuildUnsolicitedAdvertisement(Address("fd00::6f"), kMac, true);
  EXPECT_EQ(frame[58], 0xa0);
}

// A receiver sums the pseudo header and the whole message, checksum included, and expects all ones.
TEST(AnnounceFrameTest, ChecksumHoldsForManyAddresses) {
  for (int last = 0; last < 256; ++last) {
    in6_addr raw{};
    raw.s6_addr[0] = 0xfd;
    raw.s6_addr[8] = static_cast<uint8_t>(last ^ 0xff);
    raw.s6_addr[15] = static_cast<uint8_t>(last);
    MacAddress mac = kMac;
    mac[5] = static_cast<uint8_t>(last * 7);
    const EthernetFrame frame =
        BuildUnsolicitedAdvertisement(IpAddress::V6(raw), mac, last % 2 == 0);
    // Source and destination begin at byte 22; then length and next header, which the sum counts as
    // words.
    uint32_t sum = 32 + 58;
    for (size_t i = 22; i + 1 < frame.size(); i += 2) sum += frame[i] * 256U + frame[i + 1];
    while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
    EXPECT_EQ(sum, 0xffffU) << "address fd00::" << last;
  }
}

}  // namespace
}  // namespace hb::executor
