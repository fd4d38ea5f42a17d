// The end of hbctl's server, by real gRPC on a unix socket: wherever a call stands, it ends with
// UNAVAILABLE, and the server with it, though the loop runs no more.
#include "controller/admin_service.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/boot_clock.h"
#include "common/config/controller_config.h"
#include "fake_executor.h"
#include "hb/v1/controller.grpc.pb.h"

namespace hb::controller {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);

// Probes that are never answered.
class SilentIcmp : public IcmpProber {
  PingHandle Start(const IpAddress& /*address*/, Duration /*timeout*/,
                   std::function<void(ProbeResult)> /*done*/) override {
    return nullptr;
  }
};
class SilentHttp : public HttpProber {
  FetchHandle Start(const HttpRequest& /*request*/,
                    std::function<void(ProbeResult)> /*done*/) override {
    return nullptr;
  }
};

// Keeps nothing and gives no epoch, so that no move comes to its end.
class FakeStore : public Store {
 public:
  struct Script {
    std::atomic<bool> refuses = false;  // to write
    std::atomic<bool> asked = false;    // for events
    absl::Notification answers;         // what it was asked for
  };
  explicit FakeStore(Script* script) : script_(script) {}

  const std::string& id() const override { return id_; }
  absl::StatusOr<StoredClusters> Load() override { return StoredClusters(); }
  absl::StatusOr<uint64_t> ReserveEpoch(const std::string& /*cluster*/,
                                        uint64_t /*at_least*/) override {
    return absl::UnavailableError("no epoch");
  }
  absl::Status Save(const StoredClusters& /*clusters*/,
                    const std::vector<std::string>& /*erased*/) override {
    return script_->refuses ? absl::UnavailableError("the disk is full") : absl::OkStatus();
  }
  absl::StatusOr<uint64_t> Append(const StoredEvent& /*event*/) override { return 1; }
  absl::StatusOr<std::vector<StoredEvent>> Events(const std::string& /*cluster*/,
                                                  absl::Time /*since*/, int /*limit*/) override {
    script_->asked = true;
    script_->answers.WaitForNotification();
    return std::vector<StoredEvent>();
  }

 private:
  const std::string id_ = "c0ffee";
  Script* const script_;
};

using Stub = v1::Controller::Stub;
// One call, to its end; `heard` at each message.
using Call = std::function<grpc::Status(Stub* stub, grpc::ClientContext* context,
                                        const std::function<void()>& heard)>;

template <typename Message>
grpc::Status ReadAll(std::unique_ptr<grpc::ClientReader<Message>> reader,
                     const std::function<void()>& heard) {
  Message message;
  while (reader->Read(&message)) heard();
  return reader->Finish();
}
grpc::Status GetStatus(Stub* stub, grpc::ClientContext* context, const std::function<void()>&) {
  v1::Status status;
  return stub->GetStatus(context, {}, &status);
}
grpc::Status Pause(Stub* stub, grpc::ClientContext* context, const std::function<void()>&) {
  v1::PauseResponse response;
  return stub->Pause(context, {}, &response);
}
grpc::Status Watch(Stub* stub, grpc::ClientContext* context, const std::function<void()>& heard) {
  return ReadAll(stub->WatchStatus(context, {}), heard);
}
grpc::Status ListEvents(Stub* stub, grpc::ClientContext* context,
                        const std::function<void()>& heard) {
  return ReadAll(stub->ListEvents(context, {}), heard);
}
grpc::Status Switchover(Stub* stub, grpc::ClientContext* context,
                        const std::function<void()>& heard) {
  v1::SwitchoverRequest request;
  request.set_cluster("web");
  request.set_to("slave");
  request.set_force(true);
  return ReadAll(stub->Switchover(context, request), heard);
}

class AdminServiceTest : public ::testing::Test {
 protected:
  // A call that a client of its own makes, on a thread of its own.
  struct Running {
    std::future<grpc::Status> end;
    std::shared_ptr<std::atomic<int>> messages = std::make_shared<std::atomic<int>>(0);
  };

  void SetUp() override {
    std::string name = testing::TempDir() + "hb-admin-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  void Start() {
    script_ = std::make_unique<FakeStore::Script>();
    loop_ = EventLoop::Create().value();
    controller_ = std::make_unique<Controller>(
        loop_.get(), std::make_unique<SilentIcmp>(), std::make_unique<SilentHttp>(),
        std::make_unique<FakeStore>(script_.get()), dir_ + "/event.log");
    server_ = AdminServer::Start(loop_.get(), controller_.get(), {Address()}).value();
  }
  std::string Address() const { return absl::StrCat("unix://", dir_, "/socket"); }
  // A cluster of a node that could hold and of one that is not there.
  absl::Status Configure(const std::string& executor) {
    const absl::StatusOr<v1::ControllerConfig> config =
        ParseControllerConfig(absl::StrCat(R"(insecure: true
clusters:
  - name: web
    vips: [{address: 192.0.2.111/24, interface: eth0}]
    nodes:
      - {name: master, address: 127.0.0.2, executor: "127.0.0.2:1"}
      - {name: slave, address: 127.0.0.1, executor: ")",
                                           executor, R"("}
    service: {name: website}
    heartbeat: 2s
    lease: {ttl: 6s, on_expiry: release}
)"),
                              "controller.yaml");
    return config.ok() ? controller_->Configure(*config) : config.status();
  }

  Running Begin(const Call& call) {
    Running running;
    running.end =
        std::async(std::launch::async, [call, messages = running.messages, address = Address()] {
          grpc::ChannelArguments arguments;
          arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
          const auto stub = v1::Controller::NewStub(
              grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
          grpc::ClientContext context;
          context.set_deadline(std::chrono::system_clock::now() + kPatience);
          return call(stub.get(), &context, [messages] { ++*messages; });
        });
    return running;
  }
  // Waits until something is posted to the loop, which runs nothing else.
  bool AwaitPosted() {
    pollfd fd{sd_event_get_fd(loop_->raw()), POLLIN, 0};
    return poll(&fd, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) == 1;
  }
  bool RunUntil(const std::function<bool()>& done) {
    const MonoTime limit = BootNow() + absl::FromChrono(kPatience);
    while (!done() && BootNow() < limit) (void)loop_->RunOnce(absl::Milliseconds(10));
    return done();
  }
  static void ExpectStopping(Running* running) {
    const grpc::Status status = running->end.get();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(status.error_message(), "the controller is stopping");
  }

  std::string dir_;
  std::unique_ptr<FakeStore::Script> script_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Controller> controller_;
  std::unique_ptr<AdminServer> server_;
};

TEST_F(AdminServiceTest, EndsCallsThatTheLoopHasNotTakenUp) {
  const std::pair<const char*, Call> cases[] = {
      {"GetStatus", GetStatus},   {"Pause", Pause},           {"WatchStatus", Watch},
      {"ListEvents", ListEvents}, {"Switchover", Switchover},
  };
  for (const auto& [name, call] : cases) {
    SCOPED_TRACE(name);
    Start();
    Running running = Begin(call);
    ASSERT_TRUE(AwaitPosted());
    server_.reset();
    ExpectStopping(&running);
    while (loop_->RunOnce(absl::ZeroDuration())) {  // nothing of the server is left in it
    }
    controller_.reset();
  }
}

TEST_F(AdminServiceTest, EndsCallsThatWaitForTheController) {
  for (const bool controller_first : {false, true}) {
    SCOPED_TRACE(controller_first ? "the controller goes first" : "the server goes first");
    FakeExecutor executor(grpc::Status::OK);
    Start();
    ASSERT_TRUE(Configure(executor.address()).ok());
    ASSERT_TRUE(RunUntil([this] {
      const auto report = controller_->Find("web")->decision().View(1).report;
      return report && report->knows_spec;
    }));
    Running watch = Begin(Watch);
    Running move = Begin(Switchover);
    ASSERT_TRUE(RunUntil([&] { return *watch.messages > 0 && *move.messages > 0; }));
    Running list = Begin(ListEvents);
    ASSERT_TRUE(RunUntil([this] { return script_->asked.load(); }));
    // The loop has ended.
    script_->answers.Notify();
    if (controller_first) controller_.reset();
    server_.reset();
    controller_.reset();
    ExpectStopping(&watch);
    ExpectStopping(&move);
    ExpectStopping(&list);
  }
}

TEST_F(AdminServiceTest, EndsWhenTheConfigIsRefused) {
  Start();
  Running running = Begin(GetStatus);
  ASSERT_TRUE(AwaitPosted());
  script_->refuses = true;
  ASSERT_FALSE(Configure("127.0.0.1:1").ok());
  server_.reset();
  ExpectStopping(&running);
}

}  // namespace
}  // namespace hb::controller
