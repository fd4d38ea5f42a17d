// Runs the real hbctl; see run_hbctl.h. posix_spawn and not fork: the test process has gRPC's
// threads.
#include "run_hbctl.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace hb::client {
namespace {

constexpr int kPatienceMs = 20000;

// The reading end first.
std::array<int, 2> OpenPipe() {
  std::array<int, 2> ends = {-1, -1};
  EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0) << errno;
  return ends;
}

std::array<int, 2> OpenTerminal() {
  const int leader = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  EXPECT_GE(leader, 0) << errno;
  EXPECT_EQ(grantpt(leader), 0);
  EXPECT_EQ(unlockpt(leader), 0);
  std::array<char, 64> name = {};
  EXPECT_EQ(ptsname_r(leader, name.data(), name.size()), 0);
  const int follower = open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  EXPECT_GE(follower, 0) << errno;
  winsize size = {};
  size.ws_row = 40;
  size.ws_col = 100;
  EXPECT_EQ(ioctl(follower, TIOCSWINSZ, &size), 0);
  termios attributes = {};
  EXPECT_EQ(tcgetattr(follower, &attributes), 0);
  cfmakeraw(&attributes);
  EXPECT_EQ(tcsetattr(follower, TCSANOW, &attributes), 0);
  return {leader, follower};
}

std::array<int, 2> OpenOutput(const RunOptions& options) {
  if (options.terminal) return OpenTerminal();
  std::array<int, 2> ends = OpenPipe();
  if (!options.output_file.empty()) {
    close(ends[1]);
    ends[1] = open(options.output_file.c_str(), O_WRONLY | O_CLOEXEC);
    EXPECT_GE(ends[1], 0) << errno;
  }
  return ends;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

RunningHbctl::RunningHbctl(const std::vector<std::string>& arguments, const RunOptions& options) {
  std::vector<std::string> argv;
  if (options.obey_permissions && geteuid() == 0) {
    argv = {"/usr/bin/setpriv", "--bounding-set", "-dac_override", "--"};
  }
  argv.emplace_back(HB_HBCTL);
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment = {"PATH=/usr/bin:/bin", "TZ=UTC", "TERM=xterm"};
  environment.insert(environment.end(), options.environment.begin(), options.environment.end());
  for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS"}) {
    const char* value = std::getenv(name);
    if (value != nullptr) environment.push_back(std::string(name) + "=" + value);
  }

  const std::array<int, 2> out = OpenOutput(options);
  const std::array<int, 2> err = OpenPipe();
  out_ = out[0];
  err_ = err[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
  const int error = posix_spawn(&pid_, argv[0].c_str(), &actions, nullptr, Pointers(argv).data(),
                                Pointers(environment).data());
  EXPECT_EQ(error, 0) << argv[0];
  if (error != 0) pid_ = -1;
  posix_spawn_file_actions_destroy(&actions);
  close(out[1]);
  close(err[1]);
}

RunningHbctl::~RunningHbctl() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (out_ >= 0) close(out_);
  if (err_ >= 0) close(err_);
}

bool RunningHbctl::ReadSome() {
  // poll(2) passes over negative descriptors.
  std::array<pollfd, 2> ends = {pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};
  if (out_ < 0 && err_ < 0) return false;
  if (poll(ends.data(), ends.size(), kPatienceMs) <= 0) return false;
  const auto take = [](int* fd, short revents, std::string* text) {
    if (revents == 0) return;
    std::array<char, 4096> buffer;
    const ssize_t size = read(*fd, buffer.data(), buffer.size());
    if (size > 0) {
      text->append(buffer.data(), static_cast<size_t>(size));
    } else {  // a terminal whose other end is gone reads as EIO
      close(*fd);
      *fd = -1;
    }
  };
  take(&out_, ends[0].revents, &result_.out);
  take(&err_, ends[1].revents, &result_.err);
  return true;
}

bool RunningHbctl::WaitForOutput(const std::string& text) {
  while (result_.out.find(text) == std::string::npos) {
    if (!ReadSome()) return false;
  }
  return true;
}

RunResult RunningHbctl::Finish() {
  while (ReadSome()) {
  }
  const bool ended = out_ < 0 && err_ < 0;
  if (pid_ <= 0) return result_;
  if (!ended) kill(pid_, SIGKILL);
  int status = 0;
  EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
  pid_ = -1;
  result_.exit_code = ended && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result_;
}

RunResult RunHbctl(const std::vector<std::string>& arguments, const RunOptions& options) {
  return RunningHbctl(arguments, options).Finish();
}

}  // namespace hb::client
