// The simulator's dice: the same numbers on every machine and compiler (no std distribution is).
#ifndef HB_TESTS_SIM_RANDOM_H_
#define HB_TESTS_SIM_RANDOM_H_

#include <cstdint>

namespace hb::sim {

// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31U);
  }
  // 0 to limit - 1.
  int64_t Below(int64_t limit) {
    return static_cast<int64_t>(Next() % static_cast<uint64_t>(limit));
  }
  // Both ends included.
  int64_t Between(int64_t low, int64_t high) { return low + Below(high - low + 1); }
  bool OneIn(int64_t n) { return Below(n) == 0; }
  bool Percent(int64_t percent) { return Below(100) < percent; }

 private:
  uint64_t state_;
};

}  // namespace hb::sim

#endif  // HB_TESTS_SIM_RANDOM_H_
