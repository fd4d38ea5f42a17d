// What the programs call themselves.
#ifndef HB_COMMON_VERSION_H_
#define HB_COMMON_VERSION_H_

#include <cstdint>

namespace hb {

inline constexpr char kVersion[] = HB_VERSION;  // of CMakeLists.txt

// Of protos/hb/v1/executor.proto. Both ends must have the same.
inline constexpr uint32_t kProtocolVersion = 1;

}  // namespace hb

#endif  // HB_COMMON_VERSION_H_
