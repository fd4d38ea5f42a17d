// Makes a Service of its definition: the driver, and around it the local checks and the start
// timeout. The one place that knows the drivers; it adds no behaviour of its own.
#ifndef HB_EXECUTOR_HOST_SERVICE_FACTORY_H_
#define HB_EXECUTOR_HOST_SERVICE_FACTORY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "common/probe/http.h"
#include "executor/host/service/definition.h"
#include "executor/host/service/service.h"

namespace hb::executor {

// `state_dir` is an existing directory, kept over restarts of the executor; `prober` and `loop`
// outlive the service. A service that is running already is found again. InvalidArgument: a name
// that can't name a file
// ("letters, digits, '-', '_', '.'"), no unit, a program that is not absolute, an environment
// variable with
// '=' or NUL in its name.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Service>> MakeService(
    EventLoop* loop, HttpProber* prober, const ServiceDefinition& definition,
    const std::string& state_dir);

}  // namespace hb::executor

#endif  // HB_EXECUTOR_HOST_SERVICE_FACTORY_H_
