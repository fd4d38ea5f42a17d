// tc programs that are none of hb's, for what must be left alone or reported: two instructions that
// return one verdict.
#ifndef HB_TESTS_HOST_FOREIGN_PROGRAM_H_
#define HB_TESTS_HOST_FOREIGN_PROGRAM_H_

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "executor/host/service/unique_fd.h"

namespace hb::executor {

inline UniqueFd LoadForeignProgram(int verdict) {
  const bpf_insn program[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = verdict},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
  };
  UniqueFd fd(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "foreign", "GPL", program, 2, nullptr));
  EXPECT_TRUE(fd.valid()) << std::strerror(errno);
  return fd;
}

// Loads one and pins it, for tc's object-pinned.
inline void PinForeignProgram(int verdict, const std::string& path) {
  const UniqueFd fd = LoadForeignProgram(verdict);
  EXPECT_EQ(bpf_obj_pin(fd.get(), path.c_str()), 0) << std::strerror(errno);
}

inline uint32_t ProgramId(int fd) {
  bpf_prog_info info{};
  uint32_t size = sizeof info;
  EXPECT_EQ(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
  return info.id;
}

}  // namespace hb::executor

#endif  // HB_TESTS_HOST_FOREIGN_PROGRAM_H_
