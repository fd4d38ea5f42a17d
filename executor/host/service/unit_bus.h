// One systemd unit as seen over D-Bus: a connection to the system bus, the unit's state, its jobs,
// and the calls that start and stop it, all asynchronous. It interprets nothing and remembers no
// wish: that is systemd.h's. Belongs to the event loop's thread.
#ifndef HB_EXECUTOR_HOST_SERVICE_UNIT_BUS_H_
#define HB_EXECUTOR_HOST_SERVICE_UNIT_BUS_H_

#include <systemd/sd-bus.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "executor/host/service/unit_state.h"

namespace hb::executor {

class UnitBus {
 public:
  // Called on the loop, never from within a method of UnitBus.
  class Observer {
   public:
    virtual ~Observer() = default;
    // The unit's state, asked for after the last signal about it; the first one means: connected.
    virtual void OnState(const UnitState& state) = 0;
    virtual void OnJobNew(const std::string& job) = 0;
    // `result`: "done", "canceled", "timeout", "failed", "dependency", "skipped".
    virtual void OnJobRemoved(const std::string& job, const std::string& result) = 0;
    // The connection is gone or never came to be. It is closed; Open() may be called again, at
    // once, too.
    virtual void OnLost(const std::string& reason) = 0;
  };
  // `job` is the job's object path. NotFound: no such unit; FailedPrecondition: refused by systemd.
  using Done = std::function<void(absl::StatusOr<std::string> job)>;

  UnitBus(EventLoop* loop, std::string unit, Observer* observer);
  ~UnitBus();
  UnitBus(const UnitBus&) = delete;
  UnitBus& operator=(const UnitBus&) = delete;

  // Connects and asks for the unit's state. Unavailable: the bus can't be reached (OnLost is not
  // called).
  [[nodiscard]] absl::Status Open();
  // Forgets all calls under way.
  void Close();

  // Mode "replace". `done` is not called when the connection is lost before. Only between the first
  // OnState() and OnLost().
  void StartUnit(Done done) { CallForJob("StartUnit", std::move(done)); }
  void StopUnit(Done done) { CallForJob("StopUnit", std::move(done)); }
  // Clears the record of a failure and the count of starts. A refusal does not matter to the
  // caller.
  void ResetFailed();
  // Sends `signal` to all the unit's processes.
  void Kill(int signal);
  // Asks for the state; OnState() follows.
  void Refresh();

 private:
  struct Call;

  void CallForJob(const char* method, Done done);
  void Match(const char* sender, const char* path, const char* interface, const char* member,
             sd_bus_message_handler_t handler);
  // Reports a call that could not even be sent, or a set-up that was refused.
  void Lose(const std::string& reason);
  void Check(int result, const char* what);
  void Load();
  void ReadState(sd_bus_message* reply);

  static int OnLoaded(sd_bus_message* reply, void* self, sd_bus_error* error);
  static int OnProperties(sd_bus_message* reply, void* self, sd_bus_error* error);
  static int OnChanged(sd_bus_message* signal, void* self, sd_bus_error* error);
  static int OnJobNew(sd_bus_message* signal, void* self, sd_bus_error* error);
  static int OnJobRemoved(sd_bus_message* signal, void* self, sd_bus_error* error);
  static int OnOwnerChanged(sd_bus_message* signal, void* self, sd_bus_error* error);
  static int OnDisconnected(sd_bus_message* signal, void* self, sd_bus_error* error);
  static int OnJobReply(sd_bus_message* reply, void* call, sd_bus_error* error);

  EventLoop* const loop_;
  const std::string unit_;
  Observer* const observer_;
  sd_bus* bus_ = nullptr;
  std::string path_;      // the unit's object; empty until it is loaded
  std::string id_;        // the unit's own name, where unit_ is an alias
  bool asking_ = false;   // for the state
  bool changed_ = false;  // since it was asked for
  EventLoop::Handle loss_;
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_SERVICE_UNIT_BUS_H_
