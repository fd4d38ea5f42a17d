// The event loop's promises: what is posted runs in order, timers run in the order of their
// instants and never early, a handle cancels from anywhere, a watch follows its descriptor. Waiting
// is for the event itself, never for a guessed time; no test depends on how late a timer is.
#include "common/event_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "common/boot_clock.h"

namespace hb {
namespace {

using ::testing::ElementsAre;

constexpr Duration kLong = absl::Seconds(20);  // never reached

class EventLoopTest : public ::testing::Test {
 protected:
  // Runs the loop until `done`; false when nothing more happens.
  template <typename F>
  [[nodiscard]] bool RunUntil(F done) {
    while (!done()) {
      if (!loop_->RunOnce(kLong)) return false;
    }
    return true;
  }
  // Lets everything that is ready run.
  void RunReady() {
    while (loop_->RunOnce(absl::ZeroDuration())) {
    }
  }

  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  std::vector<int> seen_;
};

TEST_F(EventLoopTest, RunsPostedFunctionsInOrder) {
  for (int i = 0; i < 5; ++i) loop_->Post([this, i] { seen_.push_back(i); });
  EXPECT_TRUE(seen_.empty());  // never from within Post
  RunReady();
  EXPECT_THAT(seen_, ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(EventLoopTest, PostedFromAPostedFunctionRunsAfterThoseBefore) {
  loop_->Post([this] {
    seen_.push_back(0);
    loop_->Post([this] { seen_.push_back(2); });
  });
  loop_->Post([this] { seen_.push_back(1); });
  RunReady();
  EXPECT_THAT(seen_, ElementsAre(0, 1, 2));
}

TEST_F(EventLoopTest, EachThreadsPostsKeepTheirOrder) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 500;
  std::array<int, kThreads> next{};
  int ran = 0;
  const std::thread::id loop_thread = std::this_thread::get_id();
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop_->Post([&, t, i] {
          EXPECT_EQ(next[t]++, i);
          EXPECT_EQ(std::this_thread::get_id(), loop_thread);
          ++ran;
        });
      }
    });
  }
  EXPECT_TRUE(RunUntil([&] { return ran == kThreads * kPosts; }));
  for (std::thread& t : threads) t.join();
}

TEST_F(EventLoopTest, UnrunPostsAreDestroyedUnrun) {
  auto token = std::make_shared<int>(0);
  loop_->Post([token] { ++*token; });
  loop_.reset();
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(*token, 0);
}

TEST_F(EventLoopTest, AnUnrunPostMayOwnAHandle) {
  loop_->Post([handle = loop_->After(kLong, [] {})]() mutable { handle.Cancel(); });
  loop_.reset();
  EXPECT_EQ(loop_, nullptr);
}

TEST_F(EventLoopTest, TimersRunInTheOrderOfTheirInstants) {
  const MonoTime now = BootNow();
  std::vector<EventLoop::Handle> handles;
  for (const int ms : {9, 3, 7, 1, 5}) {
    handles.push_back(loop_->At(now + absl::Milliseconds(ms), [this, ms] { seen_.push_back(ms); }));
  }
  EXPECT_TRUE(RunUntil([this] { return seen_.size() == 5; }));
  EXPECT_THAT(seen_, ElementsAre(1, 3, 5, 7, 9));
}

TEST_F(EventLoopTest, TimersKeepTheirOrderWhenTheLoopWasLate) {
  const MonoTime past = BootNow() - absl::Milliseconds(100);
  std::vector<EventLoop::Handle> handles;
  std::vector<int> expected;
  for (int i = 0; i < 50; ++i) {
    const int us = i * 37 % 50;
    expected.push_back(i);
    handles.push_back(
        loop_->At(past + absl::Microseconds(us), [this, us] { seen_.push_back(us); }));
  }
  RunReady();
  EXPECT_EQ(seen_, expected);
}

TEST_F(EventLoopTest, TimersOfOneInstantRunInTheOrderOfTheirMaking) {
  const MonoTime when = BootNow();
  std::vector<EventLoop::Handle> handles;
  std::vector<int> expected;
  for (int i = 0; i < 20; ++i) {
    expected.push_back(i);
    handles.push_back(loop_->At(when, [this, i] { seen_.push_back(i); }));
  }
  RunReady();
  EXPECT_EQ(seen_, expected);
}

TEST_F(EventLoopTest, ATimerNeverRunsEarlyAndRunsOnce) {
  const MonoTime when = BootNow() + absl::Nanoseconds(2'000'123);
  std::optional<MonoTime> ran;
  const EventLoop::Handle handle = loop_->At(when, [&] {
    EXPECT_FALSE(ran);
    ran = BootNow();
  });
  EXPECT_TRUE(RunUntil([&] { return ran.has_value(); }));
  EXPECT_GE(*ran, when);
  RunReady();
}

TEST_F(EventLoopTest, TimersInThePastRunAtOnce) {
  std::vector<EventLoop::Handle> handles;
  handles.push_back(loop_->At(MonoTime(), [this] { seen_.push_back(1); }));
  handles.push_back(loop_->After(absl::Seconds(-1), [this] { seen_.push_back(2); }));
  handles.push_back(loop_->After(-absl::InfiniteDuration(), [this] { seen_.push_back(0); }));
  RunReady();
  EXPECT_THAT(seen_, ElementsAre(0, 1, 2));
}

TEST_F(EventLoopTest, TimersAtTheEndOfTimeWait) {
  std::vector<EventLoop::Handle> handles;
  handles.push_back(loop_->At(MonoTime::Infinite(), [this] { seen_.push_back(0); }));
  handles.push_back(loop_->After(absl::InfiniteDuration(), [this] { seen_.push_back(1); }));
  handles.push_back(
      loop_->At(MonoTime::FromNanoseconds(INT64_MAX - 1), [this] { seen_.push_back(2); }));
  RunReady();
  EXPECT_THAT(seen_, ElementsAre());
}

TEST_F(EventLoopTest, ACancelledTimerDoesNotRun) {
  EventLoop::Handle kept = loop_->After(absl::ZeroDuration(), [this] { seen_.push_back(1); });
  EventLoop::Handle cancelled = loop_->After(absl::ZeroDuration(), [this] { seen_.push_back(2); });
  {
    const EventLoop::Handle gone =
        loop_->After(absl::ZeroDuration(), [this] { seen_.push_back(3); });
  }
  EXPECT_TRUE(cancelled.active());
  cancelled.Cancel();
  EXPECT_FALSE(cancelled.active());
  RunReady();
  EXPECT_THAT(seen_, ElementsAre(1));
}

TEST_F(EventLoopTest, ACallbackCancelsAnotherThatIsDueToo) {
  EventLoop::Handle second;
  const EventLoop::Handle first = loop_->After(absl::ZeroDuration(), [&] {
    seen_.push_back(1);
    second.Cancel();
  });
  second = loop_->After(absl::ZeroDuration(), [this] { seen_.push_back(2); });
  RunReady();
  EXPECT_THAT(seen_, ElementsAre(1));
}

TEST_F(EventLoopTest, ACallbackCancelsItselfAndGoesOnUsingItsCaptures) {
  EventLoop::Handle handle;
  auto text = std::make_unique<std::vector<int>>(100, 7);
  std::shared_ptr<std::vector<int>> captured = std::move(text);
  handle = loop_->After(absl::ZeroDuration(), [&handle, captured, this] {
    handle.Cancel();
    seen_ = *captured;  // still there, though the handle is gone
  });
  captured.reset();
  RunReady();
  EXPECT_EQ(seen_, std::vector<int>(100, 7));
  EXPECT_FALSE(handle.active());
}

TEST_F(EventLoopTest, ACallbackArmsItsOwnHandleAnew) {
  EventLoop::Handle handle;
  std::function<void()> tick = [&] {
    seen_.push_back(static_cast<int>(seen_.size()));
    if (seen_.size() < 3) handle = loop_->After(absl::Microseconds(100), tick);
  };
  handle = loop_->After(absl::ZeroDuration(), tick);
  EXPECT_TRUE(RunUntil([this] { return seen_.size() == 3; }));
  RunReady();
  EXPECT_THAT(seen_, ElementsAre(0, 1, 2));
}

TEST_F(EventLoopTest, AssigningOverAHandleCancelsTheOldOne) {
  EventLoop::Handle handle = loop_->After(absl::ZeroDuration(), [this] { seen_.push_back(1); });
  handle = loop_->After(absl::ZeroDuration(), [this] { seen_.push_back(2); });
  RunReady();
  EXPECT_THAT(seen_, ElementsAre(2));
}

TEST_F(EventLoopTest, ATimerThatAlwaysArmsAnewStarvesNobody) {
  int turns = 0;
  bool posted = false;
  EventLoop::Handle handle;
  std::function<void()> spin = [&] {
    ++turns;
    handle = loop_->After(absl::ZeroDuration(), spin);
  };
  handle = loop_->After(absl::ZeroDuration(), spin);
  loop_->Post([&] { posted = true; });
  for (int i = 0; i < 20 && !posted; ++i) EXPECT_TRUE(loop_->RunOnce(kLong));
  EXPECT_TRUE(posted);
  EXPECT_LE(turns, 20);
}

TEST_F(EventLoopTest, WatchesADescriptorUntilCancelled) {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  ASSERT_GE(fd, 0);
  EventLoop::Handle watch = loop_->WatchFd(fd, EPOLLIN, [this](uint32_t revents) {
    EXPECT_EQ(revents, uint32_t{EPOLLIN});
    seen_.push_back(1);
  });
  EXPECT_FALSE(loop_->RunOnce(absl::ZeroDuration()));
  eventfd_write(fd, 1);
  EXPECT_TRUE(loop_->RunOnce(kLong));
  EXPECT_TRUE(loop_->RunOnce(kLong));  // level-triggered: nobody has read it
  EXPECT_THAT(seen_, ElementsAre(1, 1));
  watch.Cancel();
  EXPECT_FALSE(loop_->RunOnce(absl::ZeroDuration()));
  close(fd);
}

TEST_F(EventLoopTest, AWatchCancelsItselfAndItsDescriptorCloses) {
  std::array<int, 2> pair{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
  close(pair[1]);
  EventLoop::Handle watch;
  watch = loop_->WatchFd(pair[0], EPOLLIN, [&](uint32_t revents) {
    EXPECT_NE(revents & EPOLLHUP, 0U);
    watch.Cancel();
    close(pair[0]);
    seen_.push_back(1);
  });
  RunReady();
  EXPECT_THAT(seen_, ElementsAre(1));
}

TEST_F(EventLoopTest, RunOnceSaysWhetherSomethingRan) {
  EXPECT_FALSE(loop_->RunOnce(absl::ZeroDuration()));
  EXPECT_FALSE(loop_->RunOnce(absl::Microseconds(10)));
  EXPECT_FALSE(loop_->RunOnce(absl::Seconds(-1)));
  loop_->Post([] {});
  EXPECT_TRUE(loop_->RunOnce(absl::InfiniteDuration()));
}

TEST_F(EventLoopTest, RunReturnsWhatStopWasGiven) {
  loop_->Post([this] {
    seen_.push_back(1);
    loop_->Stop(3);
  });
  EXPECT_EQ(loop_->Run(), 3);
  EXPECT_THAT(seen_, ElementsAre(1));
}

TEST_F(EventLoopTest, HandsSignalsToItsThread) {
  ASSERT_TRUE(loop_->OnSignal(SIGUSR1, [this] { seen_.push_back(1); }).ok());
  ASSERT_TRUE(loop_->OnSignal(SIGUSR2, [this] { seen_.push_back(2); }).ok());
  ASSERT_EQ(kill(getpid(), SIGUSR2), 0);
  EXPECT_TRUE(RunUntil([this] { return seen_.size() == 1; }));
  ASSERT_EQ(kill(getpid(), SIGUSR1), 0);
  EXPECT_TRUE(RunUntil([this] { return seen_.size() == 2; }));
  EXPECT_THAT(seen_, ElementsAre(2, 1));
}

TEST_F(EventLoopTest, RefusesASignalTwice) {
  ASSERT_TRUE(loop_->OnSignal(SIGUSR1, [] {}).ok());
  const absl::Status again = loop_->OnSignal(SIGUSR1, [] {});
  EXPECT_EQ(again.code(), absl::StatusCode::kInternal) << again;
}

}  // namespace
}  // namespace hb
