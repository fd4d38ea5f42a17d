// The link, by real gRPC over loopback: who is let in, who is turned away and with which words,
// what the executor gets to see, and that no way of ending a session does harm. The link's loop
// runs on a thread of its own, as in the daemon.
#include "executor/controller_link.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"

namespace hb::executor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kPatience = std::chrono::seconds(20);

// Stands for the executor: sends a report whenever it may, and remembers what came.
class RecordingHandler : public StreamHandler {
 public:
  void StreamOpened(Stream* stream, const std::string& /*controller*/) override {
    Note("opened");
    stream_ = stream;
    SendWhenIdle();
  }
  void StreamClosed() override {
    Note("closed");
    stream_ = nullptr;
  }
  void StreamIdle() override { SendWhenIdle(); }
  absl::Status Receive(const Orders& orders) override {
    Note("orders " + std::to_string(orders.answers.number));
    wanted_ = sent_ + 1;  // an answer to each
    SendWhenIdle();
    return receive_outcome;
  }
  absl::Status MayFollow(const std::string& controller) const override {
    if (controller == "c0ffee" || !follows) return absl::OkStatus();
    return absl::FailedPreconditionError("cluster web follows controller c0ffee");
  }

  std::vector<std::string> events() {
    absl::MutexLock lock(&mutex_);
    return events_;
  }
  // Waits, in the test's thread, for an event.
  bool Await(const std::string& event, size_t times = 1) {
    absl::MutexLock lock(&mutex_);
    const auto there = [&] {
      return static_cast<size_t>(std::count(events_.begin(), events_.end(), event)) >= times;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), absl::FromChrono(kPatience));
  }

  std::atomic<bool> follows = false;
  absl::Status receive_outcome;

 private:
  void SendWhenIdle() {
    if (stream_ == nullptr || !stream_->Idle() || sent_ >= wanted_) return;
    Report report;
    report.number = ++sent_;
    stream_->Send(report);
  }
  void Note(const std::string& event) {
    absl::MutexLock lock(&mutex_);
    events_.push_back(event);
  }
  absl::Mutex mutex_;
  std::vector<std::string> events_;
  Stream* stream_ = nullptr;
  uint64_t sent_ = 0;
  uint64_t wanted_ = 1;
};

// The controller's end of one session.
class Client {
 public:
  explicit Client(uint16_t port) : Client(Dial(port)) {}
  explicit Client(std::shared_ptr<grpc::Channel> channel)
      : stub_(v1::Executor::NewStub(std::move(channel))) {
    context_.set_deadline(std::chrono::system_clock::now() + kPatience);
    stream_ = stub_->Session(&context_);
  }
  static std::shared_ptr<grpc::Channel> Dial(uint16_t port) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
    return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port),
                                     grpc::InsecureChannelCredentials(), arguments);
  }
  static v1::ControllerMessage Hello(const std::string& id = "c0ffee") {
    v1::ControllerMessage message;
    message.mutable_hello()->set_protocol_version(1);
    message.mutable_hello()->set_controller_id(id);
    message.mutable_hello()->set_node("master");
    return message;
  }
  static v1::ControllerMessage Answer(uint64_t number) {
    v1::ControllerMessage message;
    message.mutable_orders()->mutable_answers()->set_incarnation(3);
    message.mutable_orders()->mutable_answers()->set_number(number);
    return message;
  }

  bool Write(const v1::ControllerMessage& message) { return stream_->Write(message); }
  v1::ExecutorMessage Read() {
    v1::ExecutorMessage message;
    if (!stream_->Read(&message)) message.Clear();
    return message;
  }
  // Hello, hello, first report.
  void Enter(const std::string& id = "c0ffee") {
    ASSERT_TRUE(Write(Hello(id)));
    ASSERT_EQ(Read().hello().node(), "master");
    ASSERT_TRUE(Read().has_report());
  }
  // Reads to the end.
  grpc::Status End() {
    v1::ExecutorMessage message;
    while (stream_->Read(&message)) {
    }
    return stream_->Finish();
  }
  void CloseMySide() { stream_->WritesDone(); }
  void Cancel() { context_.TryCancel(); }

 private:
  std::unique_ptr<v1::Executor::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ControllerMessage, v1::ExecutorMessage>> stream_;
};

class ControllerLinkTest : public ::testing::Test {
 protected:
  void Serve(Duration hello_within = absl::Seconds(15), Duration silent_for = absl::Seconds(15)) {
    ControllerLink::Options options;
    options.address = IpAddress::Parse("127.0.0.1").value();
    options.node = "master";
    options.incarnation = 3;
    options.software_version = "1.2.3";
    options.hello_within = hello_within;
    options.silent_for = silent_for;
    loop_ = EventLoop::Create().value();
    auto link = ControllerLink::Start(options, loop_.get(), &handler_);
    ASSERT_TRUE(link.ok()) << link.status();
    link_ = *std::move(link);
    port_ = link_->port();
    thread_ = std::thread([this] { loop_->Run(); });
  }
  void OnLoop(std::function<void()> f) {
    absl::Notification done;
    loop_->Post([&] {
      f();
      done.Notify();
    });
    done.WaitForNotification();
  }
  void TearDown() override {
    if (!thread_.joinable()) return;
    OnLoop([this] { link_.reset(); });
    loop_->Post([this] { loop_->Stop(); });
    thread_.join();
  }
  // A connection that speaks no gRPC.
  void SendRaw(const std::string& bytes) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_GE(fd, 0);
    sockaddr_storage name{};
    const socklen_t length = IpAddress::Parse("127.0.0.1").value().ToSockaddr(port_, &name);
    ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&name), length), 0);
    ASSERT_EQ(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    close(fd);
  }
  // One message, as these bytes, as the first of a Session; returns how that ended.
  grpc::Status SendBytes(const std::string& bytes);

  RecordingHandler handler_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<ControllerLink> link_;
  uint16_t port_ = 0;
  std::thread thread_;
};

grpc::Status ControllerLinkTest::SendBytes(const std::string& bytes) {
  grpc::GenericStub stub(Client::Dial(port_));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  grpc::CompletionQueue queue;
  auto call = stub.PrepareCall(&context, "/hb.v1.Executor/Session", &queue);
  void* tag = nullptr;
  bool ok = false;
  call->StartCall(nullptr);
  queue.Next(&tag, &ok);
  const grpc::Slice slice(bytes);
  call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  queue.Next(&tag, &ok);
  grpc::Status status;
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  return status;
}

TEST_F(ControllerLinkTest, AnswersAHelloThenReportsAndTakesOrders) {
  Serve();
  Client client(port_);
  ASSERT_TRUE(client.Write(Client::Hello()));
  const v1::ExecutorMessage hello = client.Read();
  EXPECT_EQ(hello.hello().protocol_version(), 1);
  EXPECT_EQ(hello.hello().node(), "master");
  EXPECT_EQ(hello.hello().incarnation(), 3);
  EXPECT_EQ(hello.hello().software_version(), "1.2.3");
  EXPECT_EQ(client.Read().report().number(), 1);
  ASSERT_TRUE(client.Write(Client::Answer(1)));
  EXPECT_EQ(client.Read().report().number(), 2);
  ASSERT_TRUE(client.Write(Client::Answer(2)));
  EXPECT_EQ(client.Read().report().number(), 3);
  client.CloseMySide();
  EXPECT_TRUE(client.End().ok());
  ASSERT_TRUE(handler_.Await("closed"));
  EXPECT_THAT(handler_.events(), ElementsAre("opened", "orders 1", "orders 2", "closed"));
}

TEST_F(ControllerLinkTest, TurnsAwayWhoIsNotMeantToBeHere) {
  struct Case {
    const char* name;
    v1::ControllerMessage first;
    grpc::StatusCode code;
    const char* text;
  };
  v1::ControllerMessage version = Client::Hello();
  version.mutable_hello()->set_protocol_version(2);
  v1::ControllerMessage node = Client::Hello();
  node.mutable_hello()->set_node("slave");
  const Case cases[] = {
      {"another version", version, grpc::StatusCode::FAILED_PRECONDITION,
       "protocol version 1, not 2"},
      {"another node", node, grpc::StatusCode::FAILED_PRECONDITION,
       "this is node master, not slave"},
      {"no identity", Client::Hello(""), grpc::StatusCode::INVALID_ARGUMENT, "controller_id"},
      {"orders first", Client::Answer(1), grpc::StatusCode::FAILED_PRECONDITION,
       "the first message must be a hello"},
      {"nothing", v1::ControllerMessage(), grpc::StatusCode::FAILED_PRECONDITION,
       "the first message must be a hello"},
  };
  Serve();
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Client client(port_);
    ASSERT_TRUE(client.Write(c.first));
    const grpc::Status status = client.End();
    EXPECT_EQ(status.error_code(), c.code);
    EXPECT_THAT(status.error_message(), HasSubstr(c.text));
  }
  EXPECT_THAT(handler_.events(), ElementsAre());
}

TEST_F(ControllerLinkTest, EndsASessionThatSaysNoHello) {
  Serve(absl::Milliseconds(50));
  Client client(port_);
  const grpc::Status status = client.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(status.error_message(), "no hello within 50 ms");
}

TEST_F(ControllerLinkTest, EndsASessionThatFallsSilent) {
  Serve(absl::Seconds(15), absl::Milliseconds(100));
  Client client(port_);
  client.Enter();
  EXPECT_EQ(client.End().error_message(), "nothing heard for 100 ms");
  EXPECT_TRUE(handler_.Await("closed"));
}

TEST_F(ControllerLinkTest, ANewerSessionOfTheSameControllerTakesThePlaceOfTheOlder) {
  Serve();
  Client older(port_);
  older.Enter();
  handler_.follows = true;
  Client newer(port_);
  ASSERT_TRUE(newer.Write(Client::Hello()));
  EXPECT_TRUE(newer.Read().has_hello());
  EXPECT_EQ(older.End().error_code(), grpc::StatusCode::ALREADY_EXISTS);
  ASSERT_TRUE(newer.Write(Client::Answer(1)));
  ASSERT_TRUE(handler_.Await("orders 1"));
  EXPECT_THAT(handler_.events(), ElementsAre("opened", "closed", "opened", "orders 1"));
}

TEST_F(ControllerLinkTest, AnotherControllerIsRefusedForAsLongAsTheFirstIsFollowed) {
  Serve();
  Client first(port_);
  first.Enter();
  handler_.follows = true;
  {
    Client other(port_);
    EXPECT_TRUE(other.Write(Client::Hello("other")));
    const grpc::Status status = other.End();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
    EXPECT_THAT(status.error_message(), HasSubstr("cluster web follows controller c0ffee"));
  }
  EXPECT_THAT(handler_.events(), ElementsAre("opened"));
  // Its stream may be half open: whoever may be followed takes its place.
  handler_.follows = false;
  Client other(port_);
  ASSERT_TRUE(other.Write(Client::Hello("other")));
  EXPECT_TRUE(other.Read().has_hello());
  EXPECT_EQ(first.End().error_code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(ControllerLinkTest, BadMessagesEndTheSessionWithTheReason) {
  v1::ControllerMessage bad_epoch = Client::Answer(1);
  v1::ClusterOrder* order = bad_epoch.mutable_orders()->add_clusters();
  order->set_cluster("web");
  order->set_spec_revision(1);
  v1::ControllerMessage huge = Client::Answer(1);
  huge.mutable_orders()->add_forget(std::string(2 << 20, 'a'));
  struct Case {
    const char* name;
    v1::ControllerMessage message;
    grpc::StatusCode code;
    const char* text;
  };
  const Case cases[] = {
      {"orders that are malformed", bad_epoch, grpc::StatusCode::INVALID_ARGUMENT, "order.epoch"},
      {"a second hello", Client::Hello(), grpc::StatusCode::INVALID_ARGUMENT, "second hello"},
      {"nothing", v1::ControllerMessage(), grpc::StatusCode::INVALID_ARGUMENT, "neither"},
      {"two megabytes", huge, grpc::StatusCode::RESOURCE_EXHAUSTED, "larger than max"},
  };
  Serve();
  size_t sessions = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Client client(port_);
    ASSERT_TRUE(client.Write(Client::Hello()));
    ASSERT_TRUE(client.Read().has_hello());
    client.Write(c.message);
    const grpc::Status status = client.End();
    EXPECT_EQ(status.error_code(), c.code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(c.text));
    EXPECT_TRUE(handler_.Await("closed", ++sessions));
  }
}

TEST_F(ControllerLinkTest, TheExecutorsRefusalEndsTheSession) {
  Serve();
  handler_.receive_outcome = absl::ResourceExhaustedError("1024 clusters");
  Client client(port_);
  client.Enter();
  ASSERT_TRUE(client.Write(Client::Answer(1)));
  const grpc::Status status = client.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "1024 clusters");
  EXPECT_TRUE(handler_.Await("closed"));
}

TEST_F(ControllerLinkTest, NoticesThatTheControllerIsGone) {
  Serve();
  Client client(port_);
  client.Enter();
  client.Cancel();
  EXPECT_TRUE(handler_.Await("closed"));
}

TEST_F(ControllerLinkTest, HalfMessagesAndGarbageDoNoHarm) {
  Serve();
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const std::string settings("\0\0\0\4\0\0\0\0\0", 9);
  const std::string half_a_frame("\0\0\x40\1\4\0\0\0\1half", 13);
  const std::string begun = absl::StrCat(preface, settings);
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.0\r\n\r\n"), preface.substr(0, 10), begun,
        absl::StrCat(begun, half_a_frame), std::string(5000, '\xff')}) {
    SendRaw(bytes);
  }
  // A field that says it is longer than the message; a string that is no UTF-8.
  SendBytes("\x0a\x7f");
  SendBytes("\x0a\x03\x1a\x01\xff");
  EXPECT_THAT(handler_.events(), ElementsAre());
  Client client(port_);
  client.Enter();
}

TEST_F(ControllerLinkTest, KeepsNoMoreThanSoManySessions) {
  Serve();
  std::vector<std::unique_ptr<Client>> silent;
  for (size_t i = 0; i < ControllerLink::kMaxSessions; ++i) {
    silent.push_back(std::make_unique<Client>(port_));
  }
  grpc::Status status;
  for (int tries = 0; tries < 1000; ++tries) {
    Client one_more(port_);
    one_more.CloseMySide();
    status = one_more.End();
    if (!status.ok()) break;  // until all of the silent ones have arrived
  }
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  for (const std::unique_ptr<Client>& client : silent) client->Cancel();
}

TEST_F(ControllerLinkTest, SurvivesSessionsThatComeAndGo) {
  Serve();
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([this, thread] {
      for (int i = 0; i < 40; ++i) {
        Client client(port_);
        client.Write(Client::Hello(i % 5 == 0 ? "other" : "c0ffee"));
        if ((i + thread) % 3 == 0) client.Read();
        if ((i + thread) % 4 == 0) client.Write(Client::Answer(1));
        if (i % 2 == 0) client.Cancel();
        if (i % 2 != 0) client.CloseMySide();
        client.End();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Client client(port_);
  ASSERT_TRUE(client.Write(Client::Hello()));
  EXPECT_TRUE(client.Read().has_hello());
}

TEST_F(ControllerLinkTest, EndsItsSessionsWhenItIsDestroyed) {
  Serve();
  Client speaking(port_);
  speaking.Enter();
  Client silent(port_);
  OnLoop([this] { link_.reset(); });
  EXPECT_EQ(speaking.End().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_FALSE(silent.End().ok());
  EXPECT_TRUE(handler_.Await("closed"));
}

TEST_F(ControllerLinkTest, SaysWhyItCannotListen) {
  Serve();
  ControllerLink::Options options;
  options.address = IpAddress::Parse("127.0.0.1").value();
  options.port = port_;
  auto second = ControllerLink::Start(options, loop_.get(), &handler_);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(
      std::string(second.status().message()),
      HasSubstr("cannot listen on 127.0.0.1:" + std::to_string(port_) + ": address in use"));
  options.address = IpAddress::Parse("192.0.2.1").value();
  second = ControllerLink::Start(options, loop_.get(), &handler_);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("no interface of this host"));
}

TEST_F(ControllerLinkTest, ServesHealth) {
  Serve();
  grpc::GenericStub stub(Client::Dial(port_));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  grpc::CompletionQueue queue;
  const grpc::Slice empty("");
  auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check",
                                    grpc::ByteBuffer(&empty, 1), &queue);
  grpc::ByteBuffer answer;
  grpc::Status status;
  call->StartCall();
  call->Finish(&answer, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  ASSERT_TRUE(status.ok()) << status.error_message();
  grpc::Slice bytes;
  ASSERT_TRUE(answer.DumpToSingleSlice(&bytes).ok());
  // HealthCheckResponse{status: SERVING}
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.begin()), bytes.size()), "\x08\x01");
}

}  // namespace
}  // namespace hb::executor
