// The executor's shell in a world without kernel, disk, network and clock: time stands still until
// a test moves it, writes to disk and to the stream end when the test says so (or at once, the
// default).
#ifndef HB_TESTS_UNIT_EXECUTOR_EXECUTOR_FIXTURE_H_
#define HB_TESTS_UNIT_EXECUTOR_EXECUTOR_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "executor/executor.h"
#include "tests/fakes/fake_host.h"
#include "tests/fakes/fake_service.h"

namespace hb::executor {

inline Vip TestVip(const std::string& address = "192.168.0.111/24",
                   const std::string& interface = "eth0") {
  return {IpPrefix::Parse(address).value(), interface};
}

inline Spec WebSpecForRecord() {
  Spec spec;
  spec.cluster = "web";
  spec.revision = 5;
  spec.vips = {TestVip()};
  spec.service = "website";
  return spec;
}

class FakeStore : public Store {
 public:
  void StoreRecord(const std::string& cluster, const Record& record, Done done) override {
    waiting.push_back([this, cluster, record, done = std::move(done)] {
      if (error.ok()) records[cluster] = record;
      done(error);
    });
  }
  void StoreVips(const std::set<Vip>& set, Done done) override {
    waiting.push_back([this, set, done = std::move(done)] {
      if (error.ok()) vips = set;
      done(error);
    });
  }
  std::map<std::string, Record> records;
  std::set<Vip> vips;
  absl::Status error;
  std::deque<std::function<void()>> waiting;
};

class FakeStream : public Stream {
 public:
  bool Idle() const override { return !writing; }
  void Send(const Report& report) override {
    EXPECT_FALSE(writing) << "a second write in flight";
    writing = true;
    sent.push_back(report);
  }
  bool writing = false;
  std::vector<Report> sent;
};

class FakeProber : public IcmpProber {
 public:
  struct Asked {
    std::string address;
    std::function<void(ProbeResult)> done;
  };
  PingHandle Start(const IpAddress& address, Duration /*timeout*/,
                   std::function<void(ProbeResult)> done) override {
    asked.push_back({address.ToString(), std::move(done)});
    return nullptr;
  }
  std::vector<Asked> asked;
};

class FakePeers : public Peers {
 public:
  struct Asked {
    AskPromise question;
    std::function<void(absl::StatusOr<PromiseReply>)> done;
  };
  void Ask(const AskPromise& question, Duration /*within*/,
           std::function<void(absl::StatusOr<PromiseReply>)> done) override {
    asked.push_back({question, std::move(done)});
  }
  std::vector<Asked> asked;
};

class ExecutorTest : public ::testing::Test {
 protected:
  using State = ServiceStatus::State;

  void Make(std::set<Vip> recorded = {}, std::map<std::string, Record> records = {}) {
    MakeOnly(std::move(recorded), std::move(records));
    ASSERT_TRUE(executor_->Start().ok());
    journal_.clear();
  }
  // Not started yet.
  void MakeOnly(std::set<Vip> recorded = {}, std::map<std::string, Record> records = {}) {
    Executor::Setup setup;
    setup.incarnation = 3;
    setup.records = std::move(records);
    store_.vips = recorded;
    setup.recorded_vips = std::move(recorded);
    setup.allow.interfaces = {"eth0", "eth1"};
    setup.allow.vips = {IpPrefix::Parse("192.168.0.0/24").value()};
    setup.allow.firewall_tcp = {80};
    setup.allow.own_address = IpAddress::Parse("192.168.0.1").value();
    auto website = std::make_unique<FakeService>("website", &journal_);
    website_ = website.get();
    setup.services["website"] = std::move(website);
    setup.host = &host_;
    setup.icmp = &prober_;
    setup.store = &store_;
    setup.peers = &peers_;
    setup.now = setup.wait_now = [this] { return now_; };
    setup.wake_at = [this](MonoTime when) { wake_at_ = when; };
    setup.status_changed = [this](const std::string& status) { status_ = status; };
    executor_ = std::make_unique<Executor>(std::move(setup));
  }

  // Ends what is under way, until nothing is.
  void Pump() {
    while ((stream_.writing && stream_flows_) || (!store_.waiting.empty() && disk_works_)) {
      if (!store_.waiting.empty() && disk_works_) {
        auto next = std::move(store_.waiting.front());
        store_.waiting.pop_front();
        next();
      } else {
        stream_.writing = false;
        executor_->StreamIdle();
      }
    }
  }
  // Lets time pass, waking the executor whenever it wants to be woken.
  void Pass(Duration time) {
    const MonoTime end = now_ + time;
    Pump();
    while (wake_at_ <= end) {
      const MonoTime before = std::max(now_, wake_at_);
      stuck_ = before == now_ ? stuck_ + 1 : 0;
      ASSERT_LT(stuck_, 100) << "the executor asks to be woken again and again";
      now_ = before;
      executor_->Wake();
      Pump();
    }
    now_ = end;
  }

  void Open() {
    stream_ = FakeStream();
    executor_->StreamOpened(&stream_, "controller-1");
    Pump();
  }

  static Spec WebSpec() { return WebSpecForRecord(); }
  static Order WebOrder(bool active, uint64_t epoch = 7) {
    Order order;
    order.cluster = "web";
    order.spec_revision = 5;
    order.active = active;
    order.epoch = epoch;
    order.ttl = absl::Seconds(1);
    order.service_running = active;
    order.start_attempt = 1;
    return order;
  }
  // As the controller does, it answers the newest report.
  void Tell(std::vector<Spec> specs, std::vector<Order> orders = {}) {
    Orders message;
    if (!stream_.sent.empty()) message.answers = {3, stream_.sent.back().number};
    message.specs = std::move(specs);
    message.orders = std::move(orders);
    ASSERT_TRUE(executor_->Receive(message).ok());
    Pump();
  }
  void Renew() { Tell({}); }
  // From nothing to holding.
  void TakeOver() {
    Open();
    Tell({WebSpec()}, {WebOrder(true)});
    website_->Become(State::kRunning);
    Pump();
    ASSERT_TRUE(host_.HasVip(TestVip()));
  }
  // The newest that was sent of a cluster; an empty one when nothing was.
  ClusterReport Last(const std::string& cluster = "web") const {
    ClusterReport last;
    for (const Report& report : stream_.sent) {
      for (const ClusterReport& one : report.clusters) {
        if (one.cluster == cluster) last = one;
      }
    }
    return last;
  }

  Journal journal_;
  FakeHost host_{&journal_};
  FakeStore store_;
  FakeProber prober_;
  FakePeers peers_;
  FakeStream stream_;
  FakeService* website_ = nullptr;
  MonoTime now_ = MonoTime::FromNanoseconds(1'000'000'000'000);
  MonoTime wake_at_ = MonoTime::Infinite();
  std::string status_;
  bool stream_flows_ = true;
  bool disk_works_ = true;
  int stuck_ = 0;
  std::unique_ptr<Executor> executor_;
};

}  // namespace hb::executor

#endif  // HB_TESTS_UNIT_EXECUTOR_EXECUTOR_FIXTURE_H_
