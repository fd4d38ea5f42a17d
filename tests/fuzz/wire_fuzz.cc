// Feeds every reader of what comes over the network (executor/wire, controller/setup.h) any
// message, as bytes or as text. What an executor takes is in range, its core takes it without harm
// and its disk gives it back unchanged; what a controller takes of a report is in range; what is
// written for the wire, with any bytes of the kernel and of services in it, is read at the other
// end as it was meant.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/setup.h"
#include "executor/record.h"
#include "executor/wire.h"
#include "hb/v1/executor.pb.h"
#include "tests/fuzz/byte_source.h"
#include "tests/fuzz/read_message.h"
#include "tests/fuzz/utf8.h"

namespace hb::executor {
namespace {

using fuzz::ByteSource;
using fuzz::Check;
using fuzz::ReadMessage;

constexpr char kNode[] = "a";

void CheckRefusal(const absl::Status& status) {
  Check(absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status),
        "a refusal of another kind");
  Check(!status.message().empty() && fuzz::IsUtf8(std::string(status.message())),
        "a refusal that can't be sent");
}

void CheckSpec(const Spec& spec) {
  Check(spec.revision != 0 && !spec.vips.empty() && spec.vips.size() <= kMaxVips &&
            spec.peers.size() <= kMaxPeers,
        "a spec out of range");
  const Record record{1, kMaxTtl, "one", kFollowedForLeast, spec};
  const std::string line = RecordToLine(spec.cluster, record);
  const absl::StatusOr<std::pair<std::string, Record>> read = RecordFromLine(line);
  Check(read.ok() && read->first == spec.cluster && read->second == record,
        absl::StrCat("the disk gives another spec back: ", line));
}

void TryOrders(ByteSource& bytes) {
  v1::Orders wire;
  if (!ReadMessage(bytes, &wire)) return;
  const absl::StatusOr<Orders> orders = OrdersFromWire(wire);
  if (!orders.ok()) return CheckRefusal(orders.status());
  for (const Spec& spec : orders->specs) CheckSpec(spec);
  for (const Order& order : orders->orders) {
    Check(order.epoch >= 1 && order.epoch <= kMaxEpoch && order.spec_revision != 0,
          "an order out of range");
    Check(!order.active || (order.ttl > absl::ZeroDuration() && order.ttl <= kMaxTtl),
          "a ttl out of range");
  }
  // The core takes it, twice: first what is new, then what has been stored.
  MonoTime now = MonoTime() + absl::Hours(1);
  Node node(wire.answers().incarnation(), {});
  node.SetWaitClock(now);
  (void)node.Start({}, now);
  node.StreamOpened("one");
  for (int i = 0; i < 2; ++i) {
    (void)node.Compose(now);
    for (const Act& act : node.Obey(*orders, now)) {
      if (const auto* write = std::get_if<PersistRecord>(&act)) {
        (void)node.Stored(write->cluster, write->record, now);
      }
    }
  }
  const Report report = node.Compose(now);
  v1::ExecutorMessage answer;
  Check(answer.ParseFromString(ReportToWire(report).SerializeAsString()),
        "a report that nobody can read");
}

void TryHello(ByteSource& bytes) {
  v1::ControllerHello wire;
  if (!ReadMessage(bytes, &wire)) return;
  const absl::StatusOr<Hello> hello = HelloFromWire(wire, kNode);
  if (!hello.ok()) return CheckRefusal(hello.status());
  const Record record{1, {}, hello->controller_id, {}};
  const auto read = RecordFromLine(RecordToLine("web", record));
  Check(read.ok() && read->second == record, "the disk gives another identity back");
  Check(fuzz::IsUtf8(hello->software_version), "a version that can't be sent");
}

void TryPromise(ByteSource& bytes) {
  v1::PromiseRequest wire;
  if (!ReadMessage(bytes, &wire)) return;
  const absl::StatusOr<PromiseRequest> request = PromiseRequestFromWire(wire, kNode);
  if (!request.ok()) return CheckRefusal(request.status());
  Check(request->epoch >= 1 && request->epoch <= kMaxEpoch && !request->vips.empty() &&
            request->d > absl::ZeroDuration() && request->d <= kMaxTtl,
        "a promise out of range");
  const AskPromise question{
      request->cluster, {kNode, "192.0.2.1:1"}, request->epoch, request->vips, request->d};
  const absl::StatusOr<PromiseRequest> again =
      PromiseRequestFromWire(PromiseRequestToWire(question, request->from), kNode);
  Check(again.ok() && again->cluster == request->cluster && again->from == request->from &&
            again->epoch == request->epoch && again->vips == request->vips &&
            again->d == request->d,
        "a question is read as another");
}

void TryReply(ByteSource& bytes) {
  v1::PromiseReply wire;
  if (!ReadMessage(bytes, &wire)) return;
  const AskPromise question{"web", {kNode, "192.0.2.1:1"}, 7, {IpAddress()}, absl::Seconds(1)};
  const PromiseReply reply = PromiseReplyFromWire(wire, question);
  Check(reply.epoch == 7 && reply.d == absl::Seconds(1), "a reply to another question");
  Check(fuzz::IsUtf8(reply.refusal), "a refusal that can't be logged");
  v1::PromiseReply answer;
  AnswerToWire({1, reply.given, reply.highest_epoch, reply.holding, reply.refusal}, &answer);
  const PromiseReply again = PromiseReplyFromWire(answer, question);
  Check(again.given == reply.given && again.highest_epoch == reply.highest_epoch &&
            again.holding == reply.holding,
        "an answer is read as another");
}

void CheckNodeReport(const controller::NodeReport& report) {
  Check(report.highest_epoch <= kMaxEpoch, "an epoch out of range");
  for (const std::string& obstacle : report.obstacles) Check(!obstacle.empty(), "no obstacle");
}

void TryReport(ByteSource& bytes) {
  v1::ExecutorMessage wire;
  if (!ReadMessage(bytes, &wire)) return;
  for (const v1::ClusterReport& cluster : wire.report().clusters()) {
    CheckNodeReport(controller::ReadReport(cluster, cluster.spec_revision()));
  }
}

// A report of the core with anything in it that comes from the kernel or a service.
void WriteReport(ByteSource& bytes) {
  Report report;
  report.number = bytes.Number();
  ClusterReport cluster;
  cluster.cluster = "web";
  cluster.spec_revision = bytes.Number();
  cluster.holding = bytes.Flag();
  cluster.epoch = bytes.Number();
  cluster.highest_epoch = std::min(bytes.Number(), kMaxEpoch);
  cluster.void_before = {bytes.Number(), bytes.Number()};
  cluster.seen.service = {static_cast<ServiceStatus::State>(bytes.Below(6)), bytes.Text(255)};
  cluster.seen.start_attempted = bytes.Number();
  cluster.vips = {"192.0.2.1/24", "192.0.2.2/24"};
  for (size_t i = bytes.Below(4); i > 0; --i) cluster.seen.vip_present.push_back(bytes.Flag());
  cluster.promises = bytes.Number();
  cluster.conflicts = bytes.Number();
  cluster.bound = bytes.Flag();
  cluster.refusal = bytes.Text(255);
  for (size_t i = bytes.Below(40); i > 0; --i) cluster.seen.obstacles.push_back(bytes.Text(32));
  report.clusters.push_back(cluster);
  v1::ExecutorMessage message;
  Check(message.ParseFromString(ReportToWire(report).SerializeAsString()),
        "a report that nobody can read");
  Check(message.report().number() == report.number && message.report().clusters_size() == 1,
        "a report is read as another");
  const controller::NodeReport read =
      controller::ReadReport(message.report().clusters(0), cluster.spec_revision);
  const std::vector<bool>& present = cluster.seen.vip_present;
  const bool both = present.size() >= 2 && present[0] && present[1];
  Check(read.knows_spec && read.holding == cluster.holding && read.epoch == cluster.epoch &&
            read.highest_epoch == cluster.highest_epoch &&
            read.void_before == cluster.void_before && read.promises == cluster.promises &&
            read.conflicts == cluster.conflicts && read.bound == cluster.bound &&
            read.start_attempt == cluster.seen.start_attempted && read.vips_present == both &&
            read.service != controller::ServiceState::kUnknown,
        "a report is read as another");
  // More obstacles than are told are still obstacles.
  Check(read.obstacles.empty() == (cluster.seen.obstacles.empty() && cluster.refusal.empty()),
        "an obstacle gets lost on the way");
}

}  // namespace
}  // namespace hb::executor

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hb::executor;
  hb::fuzz::ByteSource bytes(data, size);
  switch (bytes.Below(6)) {
    case 0:
      TryOrders(bytes);
      break;
    case 1:
      TryHello(bytes);
      break;
    case 2:
      TryPromise(bytes);
      break;
    case 3:
      TryReply(bytes);
      break;
    case 4:
      TryReport(bytes);
      break;
    default:
      WriteReport(bytes);
      break;
  }
  return 0;
}
