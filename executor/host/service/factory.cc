// See factory.h.
#include "executor/host/service/factory.h"

#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "executor/host/service/checked_service.h"
#include "executor/host/service/process.h"
#include "executor/host/service/systemd.h"

namespace hb::executor {
namespace {

constexpr size_t kLongestName = 63;

absl::Status Refuse(const ServiceDefinition& definition, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("service \"", definition.name, "\": ", std::string(why)));
}

bool IsName(std::string_view name) {
  if (name.empty() || name.size() > kLongestName || name[0] == '.') return false;
  for (const char c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != '.') {
      return false;
    }
  }
  return true;
}

absl::Status CheckProcess(const ServiceDefinition& definition, const ProcessDefinition& process) {
  if (process.argv.empty()) return Refuse(definition, "no program");
  if (process.argv[0].empty() || process.argv[0][0] != '/') {
    return Refuse(definition,
                  absl::StrCat("the program \"", process.argv[0], "\" is not an absolute path"));
  }
  for (const std::string& argument : process.argv) {
    if (argument.find('\0') != std::string::npos) return Refuse(definition, "NUL in an argument");
  }
  for (const auto& [name, value] : process.environment) {
    if (name.empty() || name.find_first_of(std::string_view("=\0", 2)) != std::string::npos ||
        value.find('\0') != std::string::npos) {
      return Refuse(definition, absl::StrCat("\"", name, "\" can't be an environment variable"));
    }
  }
  if (!process.output.empty() && process.output[0] != '/') {
    return Refuse(definition,
                  absl::StrCat("the output \"", process.output, "\" is not an absolute path"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Service>> MakeService(EventLoop* loop, HttpProber* prober,
                                                     const ServiceDefinition& definition,
                                                     const std::string& state_dir) {
  if (!IsName(definition.name)) {
    return Refuse(definition,
                  "a name has letters, digits, '-', '_' and '.', at most 63, '.' not first");
  }
  std::unique_ptr<Service> driver;
  if (const auto* process = std::get_if<ProcessDefinition>(&definition.run)) {
    if (absl::Status status = CheckProcess(definition, *process); !status.ok()) return status;
    driver = std::make_unique<ProcessService>(loop, definition.name, *process,
                                              definition.stop_timeout, state_dir);
  } else {
    const std::string& unit = std::get<SystemdUnit>(definition.run).unit;
    if (unit.empty()) return Refuse(definition, "no unit");
    driver = std::make_unique<SystemdService>(loop, unit, definition.stop_timeout);
  }
  return std::make_unique<CheckedService>(loop, prober, std::move(driver), definition.checks,
                                          definition.start_timeout);
}

}  // namespace hb::executor
