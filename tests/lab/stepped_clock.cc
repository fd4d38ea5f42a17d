// Preloaded into a daemon (LD_PRELOAD, see fake_clock.h): its wall clock is the true one plus an
// offset, which another process changes at any time through a file of 8 bytes that both map. The
// boot and monotonic clocks are passed on.
//
// What a real step does to those who wait by the wall clock, this does, too: absl's timed waits are
// futexes with an absolute deadline on CLOCK_REALTIME. After a step forward they are over; after a
// step back they last so much longer. So such a wait is cut into slices, and the deadline is looked
// at anew after each. (libfaketime leaves futexes alone: a daemon that it has moved by an hour
// waits an hour in each of them, for good.)
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kSlice = 10'000'000;

const volatile int64_t* offset_seconds = nullptr;

using Syscall = long (*)(long, ...);

long Real(long number, long a, long b, long c, long d, long e, long f) {
  static const auto real = reinterpret_cast<Syscall>(dlsym(RTLD_NEXT, "syscall"));
  return real(number, a, b, c, d, e, f);
}

int64_t Nanoseconds(const timespec& time) { return time.tv_sec * kSecond + time.tv_nsec; }

timespec ToTimespec(int64_t nanoseconds) {
  return {.tv_sec = nanoseconds / kSecond, .tv_nsec = nanoseconds % kSecond};
}

int64_t TrueNow() {
  timespec now{};
  Real(SYS_clock_gettime, CLOCK_REALTIME, reinterpret_cast<long>(&now), 0, 0, 0, 0);
  return Nanoseconds(now);
}

int64_t Offset() { return offset_seconds == nullptr ? 0 : *offset_seconds * kSecond; }

__attribute__((constructor)) void Map() {
  const char* path = getenv("HB_LAB_STEPPED_CLOCK");
  if (path == nullptr) return;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) abort();
  void* const map = mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (map == MAP_FAILED) abort();
  offset_seconds = static_cast<const volatile int64_t*>(map);
}

bool WaitsByWallClock(long number, int operation, long timeout) {
  const int command = operation & FUTEX_CMD_MASK;
  return number == SYS_futex && timeout != 0 && (operation & FUTEX_CLOCK_REALTIME) != 0 &&
         command == FUTEX_WAIT_BITSET;
}

long WaitInSlices(long address, long operation, long value, const timespec& deadline, long bits) {
  while (true) {
    const int64_t now = TrueNow();
    const int64_t left = Nanoseconds(deadline) - (now + Offset());
    const timespec slice = ToTimespec(now + (left < kSlice ? (left < 0 ? 0 : left) : kSlice));
    const long result =
        Real(SYS_futex, address, operation, value, reinterpret_cast<long>(&slice), 0, bits);
    if (result == 0 || errno != ETIMEDOUT || left <= kSlice) return result;
  }
}

}  // namespace

extern "C" {

// NOLINTBEGIN(cert-dcl50-cpp): the C library's own signatures.
int clock_gettime(clockid_t clock_id, timespec* tp) noexcept {
  const long result = Real(SYS_clock_gettime, clock_id, reinterpret_cast<long>(tp), 0, 0, 0, 0);
  if (result == 0 && (clock_id == CLOCK_REALTIME || clock_id == CLOCK_REALTIME_COARSE)) {
    tp->tv_sec += Offset() / kSecond;
  }
  return static_cast<int>(result);
}

int gettimeofday(timeval* tv, void* /*tz*/) noexcept {
  const int64_t now = TrueNow() + Offset();
  *tv = {.tv_sec = now / kSecond, .tv_usec = now % kSecond / 1000};
  return 0;
}

time_t time(time_t* timer) noexcept {
  const time_t now = (TrueNow() + Offset()) / kSecond;
  if (timer != nullptr) *timer = now;
  return now;
}

long syscall(long sysno, ...) noexcept {
  long words[6];
  va_list arguments;
  va_start(arguments, sysno);
  for (long& word : words) word = va_arg(arguments, long);
  va_end(arguments);
  if (WaitsByWallClock(sysno, static_cast<int>(words[1]), words[3])) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): as the kernel reads the word.
    const timespec& deadline = *reinterpret_cast<const timespec*>(words[3]);
    return WaitInSlices(words[0], words[1], words[2], deadline, words[5]);
  }
  return Real(sysno, words[0], words[1], words[2], words[3], words[4], words[5]);
}
// NOLINTEND(cert-dcl50-cpp)

}  // extern "C"
