// See the header. The namespaces belong to the whole test process (gRPC's threads live as long as
// that), and end with it.
#include "tests/host/executor_daemon_world.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/boot_clock.h"
#include "common/config/proto_duration.h"
#include "common/ip_address.h"
#include "tests/host/namespaces.h"

namespace hb::executor {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);

template <typename Condition>
bool Poll(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// In the child, before exec: async-signal-safe calls only.
[[noreturn]] void BecomeDaemon(char** argv, char** environment, const char* error_file,
                               uid_t user) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int errors = open(error_file, O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (errors < 0 || dup2(errors, STDOUT_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0) _exit(99);
  if (user != 0 && (setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0)) {
    _exit(98);
  }
  execve(argv[0], argv, environment);
  _exit(97);
}

std::vector<char*> Pointers(std::vector<std::string>* texts) {
  std::vector<char*> pointers;
  for (std::string& text : *texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

DaemonProcess::DaemonProcess(const std::vector<std::string>& arguments,
                             const std::string& error_file,
                             const std::vector<std::string>& environment, uid_t user) {
  std::vector<std::string> argv = {HB_EXECUTOR};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables = environment;
  variables.emplace_back("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
  const std::vector<char*> argv_pointers = Pointers(&argv);
  const std::vector<char*> variable_pointers = Pointers(&variables);
  pid_ = fork();
  if (pid_ == 0) {
    BecomeDaemon(const_cast<char**>(argv_pointers.data()),
                 const_cast<char**>(variable_pointers.data()), error_file.c_str(), user);
  }
  EXPECT_GT(pid_, 0);
}

DaemonProcess::~DaemonProcess() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void DaemonProcess::Signal(int number) const { ASSERT_EQ(kill(pid_, number), 0); }

int DaemonProcess::Wait() {
  int status = 0;
  if (!Poll([&] { return waitpid(pid_, &status, WNOHANG) == pid_; })) return -1;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TestController::TestController(uint16_t port) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  stub_ = v1::Executor::NewStub(grpc::CreateCustomChannel(
      absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials(), arguments));
  context_.set_deadline(std::chrono::system_clock::now() + 6 * kPatience);
  stream_ = stub_->Session(&context_);
  v1::ControllerMessage hello;
  hello.mutable_hello()->set_protocol_version(1);
  hello.mutable_hello()->set_controller_id("daemon-test");
  hello.mutable_hello()->set_node("master");
  EXPECT_TRUE(stream_->Write(hello));
  v1::ExecutorMessage answer;
  EXPECT_TRUE(stream_->Read(&answer));
  newest_.set_incarnation(answer.hello().incarnation());
  EXPECT_TRUE(ReadReport());
}

bool TestController::ReadReport() {
  v1::ExecutorMessage message;
  if (!stream_->Read(&message)) return false;
  newest_read_ = BootNow();
  newest_.set_number(message.report().number());
  for (const v1::ClusterReport& cluster : message.report().clusters()) {
    if (cluster.cluster() == "web") web_ = cluster;
  }
  return true;
}

bool TestController::Answer(v1::Orders orders) {
  v1::ControllerMessage message;
  *message.mutable_orders() = std::move(orders);
  *message.mutable_orders()->mutable_answers() = newest_;
  answered_report_read_ = newest_read_;
  return stream_->Write(message);
}

grpc::Status TestController::End() {
  while (ReadReport()) {
  }
  return stream_->Finish();
}

void ExecutorDaemonTest::SetUpTestSuite() {
  // Before gRPC has any thread, so that all of them are in here.
  ASSERT_EQ(unshare(CLONE_NEWNET | CLONE_NEWNS), 0) << "the host tests need root";
  ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  // The gate's pins belong to this process's mount namespace, and go with it.
  ASSERT_EQ(mount("bpf", "/sys/fs/bpf", "bpf", 0, nullptr), 0);
  // Services outlive the daemon; then they are this process's children, and its to end.
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  Sh("ip link set lo up; ip link add eth0 type veth peer name eth0peer");
  Sh("ip link set eth0peer up; ip link set eth0 up");
}

void ExecutorDaemonTest::SetUp() {
  Sh("ip addr flush dev eth0 scope global; ip addr add 192.168.77.1/24 dev eth0");
  std::string pattern =
      (std::filesystem::temp_directory_path() / "hb-executor-daemon-test-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  directory_ = pattern;
  // A free port of this namespace, which nobody else uses.
  port_ = 7401;
  WriteFile(
      "executor.yaml",
      absl::StrCat("node: master\nlisten: 127.0.0.1:", port_,
                   "\ninsecure: true\n"
                   "allow: {interfaces: [eth0], vips: [192.168.77.0/24]}\n"
                   "services:\n  website:\n    process:\n      argv:\n        - /bin/sh\n"
                   "        - -c\n        - echo $$ > ",
                   directory_, "/service.pid; exec sleep 120\nstate: ", directory_, "/state\n"));
}

void ExecutorDaemonTest::TearDown() {
  if (ServiceRuns()) {
    int pid = 0;
    ASSERT_TRUE(absl::SimpleAtoi(ReadFile(directory_ + "/service.pid"), &pid));
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  std::filesystem::remove_all(directory_);
}

std::unique_ptr<DaemonProcess> ExecutorDaemonTest::StartDaemon(
    const std::vector<std::string>& environment, const std::vector<std::string>& flags) {
  std::vector<std::string> arguments = {"--config", directory_ + "/executor.yaml"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return std::make_unique<DaemonProcess>(arguments, directory_ + "/errors", environment);
}

std::unique_ptr<DaemonProcess> ExecutorDaemonTest::StartServing(
    const std::vector<std::string>& environment) {
  auto daemon = StartDaemon(environment);
  EXPECT_TRUE(WaitUntilListening()) << Errors();
  EXPECT_TRUE(Poll([this] { return Errors().find("info started") != std::string::npos; }));
  return daemon;
}

bool ExecutorDaemonTest::WaitUntilListening() const {
  sockaddr_storage name{};
  const socklen_t length = Address("127.0.0.1").ToSockaddr(port_, &name);
  return Poll([&] {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected = connect(fd, reinterpret_cast<sockaddr*>(&name), length) == 0;
    close(fd);
    return connected;
  });
}

v1::Orders ExecutorDaemonTest::Activate(uint64_t epoch, Duration ttl) {
  v1::Orders orders;
  *orders.mutable_heartbeat() = ToProtoDuration(absl::Milliseconds(20));
  v1::ClusterSpec* spec = orders.add_specs();
  spec->set_cluster("web");
  spec->set_revision(5);
  spec->set_service("website");
  spec->set_on_expiry(v1::ON_EXPIRY_RELEASE);
  v1::VipSpec* vip = spec->add_vips();
  vip->set_address(absl::StrCat(kVip, "/24"));
  vip->set_interface("eth0");
  v1::ClusterOrder* order = orders.add_clusters();
  order->set_cluster("web");
  order->set_spec_revision(5);
  order->set_role(v1::ROLE_ACTIVE);
  order->set_epoch(epoch);
  *order->mutable_ttl() = ToProtoDuration(ttl);
  order->mutable_service()->set_wanted(v1::ServiceOrder::WANTED_RUNNING);
  order->mutable_service()->set_start_attempt(1);
  return orders;
}

std::string ExecutorDaemonTest::ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

void ExecutorDaemonTest::WriteFile(const std::string& name, const std::string& text) const {
  std::ofstream(directory_ + "/" + name) << text;
}

bool ExecutorDaemonTest::VipIsUp() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return false;
  bool up = false;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET) continue;
    const auto* address = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
    up = up || (std::string(entry->ifa_name) == "eth0" &&
                IpAddress::V4(address->sin_addr) == Address(kVip));
  }
  freeifaddrs(list);
  return up;
}

bool ExecutorDaemonTest::EventuallyVipIs(bool up) {
  return Poll([up] { return VipIsUp() == up; });
}

bool ExecutorDaemonTest::ServiceRuns() const {
  int pid = 0;
  if (!absl::SimpleAtoi(ReadFile(directory_ + "/service.pid"), &pid) || pid <= 0) return false;
  // The shell that becomes it, for a moment.
  const std::string command = ReadFile(absl::StrCat("/proc/", pid, "/cmdline"));
  return absl::StartsWith(command, "sleep") || absl::StartsWith(command, "/bin/sh");
}

}  // namespace hb::executor
