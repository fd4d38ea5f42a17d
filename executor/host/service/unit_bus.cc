// See unit_bus.h. Every signal about the unit leads to one GetAll of all its properties, a snapshot
// that is consistent in itself; a snapshot that a later signal has overtaken is dropped and asked
// for again.
#include "executor/host/service/unit_bus.h"

#include <cerrno>
#include <cstring>
#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"

namespace hb::executor {
namespace {

constexpr char kService[] = "org.freedesktop.systemd1";
constexpr char kManagerPath[] = "/org/freedesktop/systemd1";
constexpr char kManager[] = "org.freedesktop.systemd1.Manager";
constexpr char kProperties[] = "org.freedesktop.DBus.Properties";

// Reads one of the variant's kinds that are wanted here, or skips it. Negative: malformed.
int ReadVariant(sd_bus_message* message, std::string* text, int* number) {
  const char* contents = nullptr;
  char type = 0;
  int result = sd_bus_message_peek_type(message, &type, &contents);
  if (result < 0) return result;
  const std::string_view signature = contents == nullptr ? "" : contents;
  if (text != nullptr && signature == "s") {
    const char* value = nullptr;
    result = sd_bus_message_read(message, "v", "s", &value);
    if (result >= 0) *text = value;
    return result;
  }
  if (number != nullptr && signature == "i") return sd_bus_message_read(message, "v", "i", number);
  return sd_bus_message_skip(message, "v");
}

// The message's error as a status; Ok when it is none.
absl::Status ErrorOf(sd_bus_message* reply) {
  const sd_bus_error* error = sd_bus_message_get_error(reply);
  if (error == nullptr) return absl::OkStatus();
  const std::string message = error->message == nullptr ? error->name : error->message;
  if (sd_bus_error_has_name(error, "org.freedesktop.systemd1.NoSuchUnit") != 0) {
    return absl::NotFoundError(message);
  }
  if (sd_bus_error_get_errno(error) == ETIMEDOUT || sd_bus_error_get_errno(error) == ECONNRESET ||
      sd_bus_error_get_errno(error) == ENOTCONN ||
      sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) != 0) {
    return absl::UnavailableError(message);  // nobody has answered
  }
  return absl::FailedPreconditionError(message);
}

}  // namespace

// A StartUnit or StopUnit under way; owned by its slot.
struct UnitBus::Call {
  UnitBus* bus;
  Done done;
};

UnitBus::UnitBus(EventLoop* loop, std::string unit, Observer* observer)
    : loop_(loop), unit_(std::move(unit)), observer_(observer) {}

UnitBus::~UnitBus() { Close(); }

void UnitBus::Close() {
  loss_.Cancel();
  if (bus_ == nullptr) return;
  sd_bus_detach_event(bus_);
  bus_ = sd_bus_close_unref(bus_);
  path_.clear();
  id_.clear();
  asking_ = false;
  changed_ = false;
}

absl::Status UnitBus::Open() {
  Close();
  if (const int result = sd_bus_open_system_with_description(&bus_, "hb-executor"); result < 0) {
    bus_ = nullptr;
    return absl::UnavailableError(absl::StrCat("the system bus: ", std::strerror(-result)));
  }
  if (const int result = sd_bus_attach_event(bus_, loop_->raw(), SD_EVENT_PRIORITY_NORMAL);
      result < 0) {
    Close();
    return absl::UnavailableError(absl::StrCat("sd_bus_attach_event: ", std::strerror(-result)));
  }
  Match("org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
        "Disconnected", OnDisconnected);
  Match("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged",
        OnOwnerChanged);
  Match(kService, kManagerPath, kManager, "JobNew", OnJobNew);
  Match(kService, kManagerPath, kManager, "JobRemoved", OnJobRemoved);
  // After a daemon-reload a unit may be there, gone or masked without a signal of its own.
  Match(kService, kManagerPath, kManager, "Reloading", OnChanged);
  Match(kService, kManagerPath, kManager, "UnitFilesChanged", OnChanged);
  Load();
  return absl::OkStatus();
}

void UnitBus::Load() {
  // A second subscription of one client is refused, which is as good.
  Check(sd_bus_call_method_async(bus_, nullptr, kService, kManagerPath, kManager, "Subscribe",
                                 nullptr, nullptr, ""),
        "Subscribe");
  if (bus_ == nullptr) return;
  Check(sd_bus_call_method_async(bus_, nullptr, kService, kManagerPath, kManager, "LoadUnit",
                                 OnLoaded, this, "s", unit_.c_str()),
        "LoadUnit");
}

void UnitBus::Match(const char* sender, const char* path, const char* interface, const char* member,
                    sd_bus_message_handler_t handler) {
  if (bus_ == nullptr) return;
  Check(sd_bus_match_signal_async(bus_, nullptr, sender, path, interface, member, handler, nullptr,
                                  this),
        member);
}

void UnitBus::Check(int result, const char* what) {
  if (result < 0) Lose(absl::StrCat(what, ": ", std::strerror(-result)));
}

void UnitBus::Lose(const std::string& reason) {
  if (loss_.active()) return;
  // Not from within the method that noticed it.
  loss_ = loop_->After(absl::ZeroDuration(), [this, reason] {
    Close();
    observer_->OnLost(reason);
  });
}

int UnitBus::OnLoaded(sd_bus_message* reply, void* self, sd_bus_error* /*error*/) {
  auto* const bus = static_cast<UnitBus*>(self);
  if (const absl::Status status = ErrorOf(reply); !status.ok()) {
    bus->Lose(std::string(status.message()));
    return 0;
  }
  const char* path = nullptr;
  if (const int result = sd_bus_message_read(reply, "o", &path); result < 0) {
    bus->Check(result, "LoadUnit");
    return 0;
  }
  if (bus->path_ != path) {
    bus->path_ = path;
    bus->Match(kService, path, kProperties, "PropertiesChanged", OnChanged);
  }
  // Or systemd would forget the unit, and how it ended, as soon as it is at rest. Refused for a
  // unit that does not exist.
  bus->Check(sd_bus_call_method_async(bus->bus_, nullptr, kService, kManagerPath, kManager,
                                      "RefUnit", nullptr, nullptr, "s", bus->unit_.c_str()),
             "RefUnit");
  bus->Refresh();
  return 0;
}

void UnitBus::Refresh() {
  if (bus_ == nullptr || path_.empty()) return;
  if (asking_) {
    changed_ = true;
    return;
  }
  asking_ = true;
  changed_ = false;
  Check(sd_bus_call_method_async(bus_, nullptr, kService, path_.c_str(), kProperties, "GetAll",
                                 OnProperties, this, "s", ""),
        "GetAll");
}

int UnitBus::OnProperties(sd_bus_message* reply, void* self, sd_bus_error* /*error*/) {
  auto* const bus = static_cast<UnitBus*>(self);
  bus->asking_ = false;
  if (const absl::Status status = ErrorOf(reply); !status.ok()) {
    bus->Lose(std::string(status.message()));
  } else if (bus->changed_) {
    bus->Refresh();
  } else {
    bus->ReadState(reply);
  }
  return 0;
}

void UnitBus::ReadState(sd_bus_message* reply) {
  UnitState state;
  const std::map<std::string_view, std::string*> texts = {
      {"Id", &id_},
      {"LoadState", &state.load_state},
      {"ActiveState", &state.active_state},
      {"SubState", &state.sub_state},
      {"Result", &state.result},
  };
  const std::map<std::string_view, int*> numbers = {
      {"ExecMainCode", &state.exit_code},
      {"ExecMainStatus", &state.exit_status},
  };
  int result = sd_bus_message_enter_container(reply, SD_BUS_TYPE_ARRAY, "{sv}");
  while (result >= 0 && (result = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
    const char* name = nullptr;
    result = sd_bus_message_read(reply, "s", &name);
    if (result < 0) break;
    const auto text = texts.find(name);
    const auto number = numbers.find(name);
    result = ReadVariant(reply, text == texts.end() ? nullptr : text->second,
                         number == numbers.end() ? nullptr : number->second);
    if (result >= 0) result = sd_bus_message_exit_container(reply);
  }
  if (result < 0) {
    Check(result, "GetAll");
    return;
  }
  observer_->OnState(state);
}

int UnitBus::OnChanged(sd_bus_message* /*signal*/, void* self, sd_bus_error* /*error*/) {
  static_cast<UnitBus*>(self)->Refresh();
  return 0;
}

int UnitBus::OnJobNew(sd_bus_message* signal, void* self, sd_bus_error* /*error*/) {
  auto* const bus = static_cast<UnitBus*>(self);
  const char* job = nullptr;
  const char* unit = nullptr;
  if (sd_bus_message_read(signal, "uos", nullptr, &job, &unit) < 0) return 0;
  if (unit == bus->unit_ || unit == bus->id_) bus->observer_->OnJobNew(job);
  return 0;
}

int UnitBus::OnJobRemoved(sd_bus_message* signal, void* self, sd_bus_error* /*error*/) {
  auto* const bus = static_cast<UnitBus*>(self);
  const char* job = nullptr;
  const char* unit = nullptr;
  const char* result = nullptr;
  if (sd_bus_message_read(signal, "uoss", nullptr, &job, &unit, &result) < 0) return 0;
  if (unit == bus->unit_ || unit == bus->id_) bus->observer_->OnJobRemoved(job, result);
  return 0;
}

// systemd has left the bus (re-executing itself), or is back and knows nothing of our subscription.
int UnitBus::OnOwnerChanged(sd_bus_message* signal, void* self, sd_bus_error* /*error*/) {
  const char* name = nullptr;
  const char* owner = nullptr;
  if (sd_bus_message_read(signal, "sss", &name, nullptr, &owner) < 0) return 0;
  if (std::string_view(name) == kService && owner[0] != '\0') {
    auto* const bus = static_cast<UnitBus*>(self);
    bus->asking_ = false;
    bus->Load();
  }
  return 0;
}

int UnitBus::OnDisconnected(sd_bus_message* /*signal*/, void* self, sd_bus_error* /*error*/) {
  static_cast<UnitBus*>(self)->Lose("the system bus closed the connection");
  return 0;
}

void UnitBus::CallForJob(const char* method, Done done) {
  if (bus_ == nullptr) return;
  auto call = std::make_unique<Call>(Call{this, std::move(done)});
  sd_bus_slot* slot = nullptr;
  const int result =
      sd_bus_call_method_async(bus_, &slot, kService, kManagerPath, kManager, method, OnJobReply,
                               call.get(), "ss", unit_.c_str(), "replace");
  if (result < 0) {
    Check(result, method);
    return;
  }
  // The bus keeps the slot, and the slot the call.
  sd_bus_slot_set_destroy_callback(slot, [](void* owned) { delete static_cast<Call*>(owned); });
  static_cast<void>(call.release());
  sd_bus_slot_set_floating(slot, 1);
  sd_bus_slot_unref(slot);
}

int UnitBus::OnJobReply(sd_bus_message* reply, void* call, sd_bus_error* /*error*/) {
  const Done done = static_cast<Call*>(call)->done;
  UnitBus* const bus = static_cast<Call*>(call)->bus;
  if (const absl::Status status = ErrorOf(reply); absl::IsUnavailable(status)) {
    bus->Lose(std::string(status.message()));
    return 0;
  } else if (!status.ok()) {
    done(status);
    return 0;
  }
  const char* job = nullptr;
  if (const int result = sd_bus_message_read(reply, "o", &job); result < 0) {
    bus->Check(result, "job");
    return 0;
  }
  done(std::string(job));
  return 0;
}

void UnitBus::ResetFailed() {
  if (bus_ == nullptr) return;
  Check(sd_bus_call_method_async(bus_, nullptr, kService, kManagerPath, kManager, "ResetFailedUnit",
                                 nullptr, nullptr, "s", unit_.c_str()),
        "ResetFailedUnit");
}

void UnitBus::Kill(int signal) {
  if (bus_ == nullptr) return;
  Check(
      sd_bus_call_method_async(bus_, nullptr, kService, kManagerPath, kManager, "KillUnit", nullptr,
                               nullptr, "ssi", unit_.c_str(), "all", static_cast<int32_t>(signal)),
      "KillUnit");
}

}  // namespace hb::executor
