// What the gate's program in the kernel (gate.bpf.c) and the process that feeds it share: the map's
// key and value. Plain C, for both compilers. The map is pinned and outlives builds: whoever
// changes anything here counts HB_GATE_MAP up, and a newer build then refuses the older map instead
// of misreading it.
#ifndef HB_EXECUTOR_HOST_GATE_LAYOUT_H_
#define HB_EXECUTOR_HOST_GATE_LAYOUT_H_

#include <linux/bpf.h>
#include <linux/types.h>

// The map's name, of at most 15 characters: "hb_gate_v" and the version of this layout.
#define HB_GATE_MAP hb_gate_v1

// Entries; one a floating address of the machine.
#define HB_GATE_MAX_ENTRIES 1024

// A floating address in network order, IPv4 as ::ffff:a.b.c.d.
struct hb_gate_key {
  __u32 word[4];
};

struct hb_gate_value {
  __u64 until_ns;  // of CLOCK_BOOTTIME; packets pass before it. ~0: always; 0: never
  __u64 epoch;     // this and ttl_ns only for the executor that takes the entry up
  __u64 ttl_ns;
  struct bpf_spin_lock lock;  // lets the kernel write an entry in place, all of it at once
  __u32 unused;
};

#endif  // HB_EXECUTOR_HOST_GATE_LAYOUT_H_
