// What every fuzzer needs: the fuzzer's bytes as a source of decisions, and a check that ends the
// run. The source is read from its front, a choice a byte wherever that is enough, so that cutting
// or inserting bytes changes one step of a sequence and not what the others mean. A source that has
// run dry answers zero.
#ifndef HB_TESTS_FUZZ_BYTE_SOURCE_H_
#define HB_TESTS_FUZZ_BYTE_SOURCE_H_

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace hb::fuzz {

class ByteSource {
 public:
  ByteSource(const uint8_t* data, size_t size) : data_(data), left_(size) {}

  bool empty() const { return left_ == 0; }
  uint8_t Byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  bool Flag() { return (Byte() & 1) != 0; }
  // 0 to n-1, of one byte; n is at most 256.
  size_t Below(size_t n) { return Byte() % n; }
  // Mostly small: one byte below 0xf0; else eight more.
  uint64_t Number() {
    const uint8_t first = Byte();
    if (first < 0xf0) return first;
    uint64_t number = 0;
    for (int i = 0; i < 8; ++i) number = number << 8 | Byte();
    return number;
  }
  template <typename T, size_t N>
  const T& Pick(const std::array<T, N>& choices) {
    static_assert(N > 0 && N <= 256);
    return choices[Below(N)];
  }
  // The next 0 to most bytes.
  std::string Text(size_t most) {
    std::string text(Below(most + 1), '\0');
    for (char& c : text) c = static_cast<char>(Byte());
    return text;
  }
  std::string Rest() {
    std::string rest(reinterpret_cast<const char*>(data_), left_);
    left_ = 0;
    return rest;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

// HB_FUZZ_TRACE=1: a run tells what it does, for who looks into a finding.
inline bool Tracing() {
  static const bool tracing = std::getenv("HB_FUZZ_TRACE") != nullptr;
  return tracing;
}
inline void Say(std::string_view line) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

// Ends the program when `holds` is false: libFuzzer keeps the input.
inline void Check(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "VIOLATED: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

}  // namespace hb::fuzz

#endif  // HB_TESTS_FUZZ_BYTE_SOURCE_H_
