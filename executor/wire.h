// The wire's messages (protos/hb/v1/executor.proto) in the core's words, and back. Whatever comes
// from the wire is judged here: sizes, ranges, forms of names and addresses. It trusts nothing and
// knows no state.
#ifndef HB_EXECUTOR_WIRE_H_
#define HB_EXECUTOR_WIRE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "executor/core/node.h"
#include "hb/v1/executor.pb.h"

namespace hb::executor {

inline constexpr uint32_t kProtocolVersion = 1;
inline constexpr int kMaxSpecsAMessage = 64;  // and orders, and clusters to be forgotten
inline constexpr int kMaxVips = 16;
inline constexpr int kMaxPeers = 15;
inline constexpr int kMaxFirewallSources = 64;
inline constexpr int kMaxFirewallPorts = 64;

struct Hello {
  std::string controller_id;
  std::string software_version;
};

// FailedPrecondition: another protocol version, or the node that is meant is not `node`.
// InvalidArgument: the identity is missing or malformed.
[[nodiscard]] absl::StatusOr<Hello> HelloFromWire(const v1::ControllerHello& hello,
                                                  const std::string& node);
v1::ExecutorMessage HelloToWire(const std::string& node, uint64_t incarnation,
                                const std::string& software_version);

// InvalidArgument names the field and its value.
[[nodiscard]] absl::StatusOr<Orders> OrdersFromWire(const v1::Orders& wire);

v1::ExecutorMessage ReportToWire(const Report& report);

// Promises between executors. `from`: this node, `node`: the one that is asked.
v1::PromiseRequest PromiseRequestToWire(const AskPromise& question, const std::string& from);
// FailedPrecondition: another protocol version, or another node is meant. InvalidArgument names the
// field.
[[nodiscard]] absl::StatusOr<PromiseRequest> PromiseRequestFromWire(const v1::PromiseRequest& wire,
                                                                    const std::string& node);
void AnswerToWire(const AnswerPromise& answer, v1::PromiseReply* wire);
PromiseReply PromiseReplyFromWire(const v1::PromiseReply& wire, const AskPromise& question);

}  // namespace hb::executor

#endif  // HB_EXECUTOR_WIRE_H_
