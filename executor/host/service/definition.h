// What a service is, as plain values: LocalServiceConfig of protos/hb/v1/config.proto without
// protobuf. The config reader fills it (ranges and defaults are its business); MakeService
// (factory.h) brings it to life.
#ifndef HB_EXECUTOR_HOST_SERVICE_DEFINITION_H_
#define HB_EXECUTOR_HOST_SERVICE_DEFINITION_H_

#include <signal.h>

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "common/time.h"

namespace hb::executor {

struct SystemdUnit {
  std::string unit;  // "apache2.service"
};

struct ProcessDefinition {
  std::vector<std::string> argv;                   // the program, absolute, and its arguments
  std::map<std::string, std::string> environment;  // added to PATH and LANG=C
  std::string output;                              // a file; empty: the executor's own output
  int stop_signal = SIGTERM;
};

struct CheckDefinition {
  std::string http;  // must answer 200-399
  Duration interval = absl::Seconds(1);
  Duration timeout = absl::Seconds(1);
  int fall = 2;  // failures in a row
};

struct ServiceDefinition {
  std::string name;  // names the state file, too
  std::variant<SystemdUnit, ProcessDefinition> run;
  std::vector<CheckDefinition> checks;
  Duration start_timeout = absl::Seconds(30);
  Duration stop_timeout = absl::Seconds(10);
};

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_SERVICE_DEFINITION_H_
