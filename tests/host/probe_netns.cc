// A thread unshares its network and then runs what it is given, one piece at a time. It needs root
// and the `ip` command; it names nothing, so that there is nothing to clean up and nothing to trip
// over.
#include "tests/host/probe_netns.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace hb {

ProbeNetns::ProbeNetns() {
  thread_ = std::thread([this] { Serve(); });
  Run([this] {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "these tests need root";
    thread_id_ = gettid();
  });
  Command("ip link set lo up");
}

ProbeNetns::~ProbeNetns() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  thread_.join();
}

void ProbeNetns::Serve() {
  absl::MutexLock lock(&mutex_);
  while (true) {
    mutex_.Await(absl::Condition(
        +[](ProbeNetns* n) { return n->has_work_ || n->stop_; }, this));
    if (!has_work_) return;
    work_();
    has_work_ = false;
  }
}

void ProbeNetns::Run(absl::AnyInvocable<void()> f) {
  absl::MutexLock lock(&mutex_);
  work_ = std::move(f);
  has_work_ = true;
  mutex_.Await(absl::Condition(
      +[](bool* busy) { return !*busy; }, &has_work_));
}

void ProbeNetns::Command(std::string_view command) {
  std::vector<std::string> words = absl::StrSplit(std::string(command), ' ');
  Run([&] {
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      execvp(argv[0], argv.data());
      _exit(127);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0) << std::string(command);
  });
}

void ProbeNetns::Sysctl(std::string_view name, std::string_view value) {
  Run([&] {
    std::ofstream file(
        absl::StrCat("/proc/sys/", absl::StrReplaceAll(std::string(name), {{".", "/"}})));
    file << value << std::flush;
    EXPECT_TRUE(file.good()) << std::string(name);
  });
}

}  // namespace hb
