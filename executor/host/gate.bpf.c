// The gate (rule L8) as it runs in the kernel: two tc programs, one a direction. ARP, neighbour
// discovery and packets for an address in the map pass only before the entry's instant of the boot
// clock; so a lease ends on time whatever has become of the executor that wrote it. An address that
// is not in the map, and everything that is none of these, is left to the other programs of the
// host. What of ARP, IP or neighbour discovery cannot be read is dropped: it could be for a closed
// address. It changes no packet and keeps no state.
#include "executor/host/gate_layout.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

#define PASS TC_ACT_UNSPEC /* the next program of the chain is asked */
#define DROP TC_ACT_SHOT
#define JUDGED 16 /* above the verdicts, the least of which is -1 */

/* For a process without CAP_PERFMON the verifier also follows what a processor may speculate, and
 * finds no end to a loop. */
#define UNROLLED _Pragma("clang loop unroll(full)")

#define VLAN_TAG_BYTES 4
#define MAX_VLAN_TAGS 4
#define ETHERNET_TYPE_OFFSET 12
#define MAX_EXTENSION_HEADERS 8
/* Room before the header that offsets are counted from, when data has to be made linear. */
#define LINK_HEADER_ROOM 64

#define FRAGMENT_OFFSET_MASK 0xfff8
#define ND_SOLICITATION 135
#define ND_ADVERTISEMENT 136
#define ND_TARGET_OFFSET 8

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, HB_GATE_MAX_ENTRIES);
  __type(key, struct hb_gate_key);
  __type(value, struct hb_gate_value);
} HB_GATE_MAP SEC(".maps");

enum direction { INCOMING, OUTGOING };

/* Where a packet is read: `offset` bytes after `base`, a BPF_HDR_START_*. */
struct place {
  __u32 base;
  __u32 offset;
};

struct arp_start {
  __be16 hardware, protocol;
  __u8 hardware_bytes, protocol_bytes;
  __be16 operation;
};

struct extension_start {
  __u8 next, length;
  __be16 fragment_offset;
};

/* Copies `bytes` bytes from `place` + `skip`. 0: done. Data beyond the linear part is pulled in. */
static __always_inline int read(struct __sk_buff* skb, struct place place, __u32 skip, void* to,
                                __u32 bytes) {
  const __u32 offset = place.offset + skip;
  if (bpf_skb_load_bytes_relative(skb, offset, to, bytes, place.base) == 0) return 0;
  __u32 wanted = offset + bytes + LINK_HEADER_ROOM;
  if (wanted > skb->len) wanted = skb->len;
  if (bpf_skb_pull_data(skb, wanted) != 0) return -1;
  return bpf_skb_load_bytes_relative(skb, offset, to, bytes, place.base) == 0 ? 0 : -1;
}

static __always_inline int judge(const struct hb_gate_key* address) {
  const struct hb_gate_value* entry = bpf_map_lookup_elem(&HB_GATE_MAP, address);
  if (!entry) return PASS;
  /* One aligned word, read once: the lock is for those who need all of the entry. */
  const __u64 until = *(const volatile __u64*)&entry->until_ns;
  return bpf_ktime_get_boot_ns() < until ? PASS : DROP;
}

static __always_inline int judge_ipv4(__be32 address) {
  const struct hb_gate_key key = {{0, 0, bpf_htonl(0xffff), address}};
  return judge(&key);
}

static __always_inline int judge_arp(struct __sk_buff* skb, struct place at, enum direction way) {
  struct arp_start arp = {};
  if (read(skb, at, 0, &arp, sizeof arp)) return DROP;
  if (arp.protocol_bytes != sizeof(__be32)) return PASS;
  const __u32 sender_offset = sizeof arp + arp.hardware_bytes;
  const __u32 target_offset = sender_offset + sizeof(__be32) + arp.hardware_bytes;
  __be32 sender = 0, target = 0;
  if (read(skb, at, sender_offset, &sender, sizeof sender)) return DROP;
  if (read(skb, at, target_offset, &target, sizeof target)) return DROP;
  if (way == OUTGOING) return judge_ipv4(sender);
  /* An announcement: nobody answers it, and a standby's neighbour table learns the new holder. */
  if (sender == target) return PASS;
  return judge_ipv4(target);
}

static __always_inline int judge_ip(struct __sk_buff* skb, struct place at, enum direction way) {
  struct iphdr ip = {};
  if (read(skb, at, 0, &ip, sizeof ip) || ip.version != 4) return DROP;
  return judge_ipv4(way == OUTGOING ? ip.saddr : ip.daddr);
}

/* A packet of ICMPv6 at `at`: solicitations that come in and advertisements that go out, by what
 * they are about. */
static __always_inline int judge_icmp6(struct __sk_buff* skb, struct place at,
                                       enum direction way) {
  __u8 type = 0;
  if (read(skb, at, 0, &type, sizeof type)) return DROP;
  if (type != (way == OUTGOING ? ND_ADVERTISEMENT : ND_SOLICITATION)) return PASS;
  struct hb_gate_key target = {};
  if (read(skb, at, ND_TARGET_OFFSET, &target, sizeof target)) return DROP;
  return judge(&target);
}

/* Steps over the extension header at `at`, of the kind `*next`. 0: done; else JUDGED + the verdict on
 * the packet, when it is none or cannot be stepped over. */
static __always_inline int follow(struct __sk_buff* skb, struct place* at, __u8* next) {
  const __u8 kind = *next;
  if (kind != IPPROTO_HOPOPTS && kind != IPPROTO_ROUTING && kind != IPPROTO_DSTOPTS &&
      kind != IPPROTO_FRAGMENT && kind != IPPROTO_AH) {
    return JUDGED + PASS;
  }
  struct extension_start extension = {};
  if (read(skb, *at, 0, &extension, sizeof extension)) return JUDGED + DROP;
  __u32 bytes = (extension.length + 1) * 8;
  if (kind == IPPROTO_AH) bytes = (extension.length + 2) * 4;
  if (kind == IPPROTO_FRAGMENT) {
    /* The first fragment is judged, and without it no receiver puts the others together. */
    if (extension.fragment_offset & bpf_htons(FRAGMENT_OFFSET_MASK)) return JUDGED + PASS;
    bytes = 8;
  }
  at->offset += bytes;
  *next = extension.next;
  return 0;
}

static __always_inline int judge_ip6(struct __sk_buff* skb, struct place at, enum direction way) {
  struct ipv6hdr ip = {};
  if (read(skb, at, 0, &ip, sizeof ip) || ip.version != 6) return DROP;
  struct hb_gate_key address = {};
  __builtin_memcpy(&address, way == OUTGOING ? &ip.saddr : &ip.daddr, sizeof address);
  if (judge(&address) == DROP) return DROP;

  __u8 next = ip.nexthdr;
  int judged = 0;
  at.offset += sizeof ip;
  UNROLLED for (int i = 0; i < MAX_EXTENSION_HEADERS; ++i) {
    if (next != IPPROTO_ICMPV6 && judged == 0) judged = follow(skb, &at, &next);
  }
  if (judged != 0) return judged - JUDGED;
  return next == IPPROTO_ICMPV6 ? judge_icmp6(skb, at, way) : DROP;
}

static __always_inline int gate(struct __sk_buff* skb, enum direction way) {
  struct place at = {BPF_HDR_START_NET, 0};
  __be16 protocol = (__be16)skb->protocol;
  /* A tag that the kernel keeps beside the packet is not seen here; these stand within it, and
   * then only the Ethernet header is where it always is. */
  if (protocol == bpf_htons(ETH_P_8021Q) || protocol == bpf_htons(ETH_P_8021AD)) {
    at.base = BPF_HDR_START_MAC;
    at.offset = ETHERNET_TYPE_OFFSET;
    UNROLLED for (int i = 0; i <= MAX_VLAN_TAGS; ++i) {
      if (read(skb, at, 0, &protocol, sizeof protocol)) return DROP;
      if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD)) break;
      if (i == MAX_VLAN_TAGS) return DROP;
      at.offset += VLAN_TAG_BYTES;
    }
    at.offset += sizeof protocol;
  }
  if (protocol == bpf_htons(ETH_P_ARP)) return judge_arp(skb, at, way);
  if (protocol == bpf_htons(ETH_P_IP)) return judge_ip(skb, at, way);
  if (protocol == bpf_htons(ETH_P_IPV6)) return judge_ip6(skb, at, way);
  return PASS;
}

SEC("tc") int hb_gate_in(struct __sk_buff* skb) { return gate(skb, INCOMING); }
SEC("tc") int hb_gate_out(struct __sk_buff* skb) { return gate(skb, OUTGOING); }

char LICENSE[] SEC("license") = "Dual BSD/GPL";
