// The messages of hb.v1.Peer in the core's words, and back; the second part of wire.cc.
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/config/config_values.h"
#include "common/config/proto_duration.h"
#include "executor/wire.h"

namespace hb::executor {
namespace {

absl::Status Bad(const std::string& field, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("promise.", field, ": ", what));
}

}  // namespace

v1::PromiseRequest PromiseRequestToWire(const AskPromise& question, const std::string& from) {
  v1::PromiseRequest wire;
  wire.set_protocol_version(kProtocolVersion);
  wire.set_cluster(question.cluster);
  wire.set_from(from);
  wire.set_to(question.peer.name);
  wire.set_epoch(question.epoch);
  for (const IpAddress& vip : question.vips) wire.add_vips(vip.ToString());
  *wire.mutable_duration() = ToProtoDuration(question.d);
  return wire;
}

absl::StatusOr<PromiseRequest> PromiseRequestFromWire(const v1::PromiseRequest& wire,
                                                      const std::string& node) {
  if (wire.protocol_version() != kProtocolVersion) {
    return absl::FailedPreconditionError(absl::StrCat("this executor speaks protocol version ",
                                                      kProtocolVersion, ", not ",
                                                      wire.protocol_version()));
  }
  if (wire.to() != node) {
    return absl::FailedPreconditionError(
        absl::StrCat("this is node ", node, ", not ", absl::CHexEscape(wire.to().substr(0, 80)),
                     ": check nodes[].executor in controller.yaml"));
  }
  PromiseRequest request;
  if (absl::Status status = CheckName(wire.cluster()); !status.ok()) {
    return Bad("cluster", std::string(status.message()));
  }
  request.cluster = wire.cluster();
  if (absl::Status status = CheckName(wire.from()); !status.ok()) {
    return Bad("from", std::string(status.message()));
  }
  request.from = wire.from();
  if (wire.epoch() == 0 || wire.epoch() > kMaxEpoch) {
    return Bad("epoch", absl::StrCat(wire.epoch(), " is not within 1 to ", kMaxEpoch));
  }
  request.epoch = wire.epoch();
  if (wire.vips_size() < 1 || wire.vips_size() > kMaxVips) {
    return Bad("vips", absl::StrCat(wire.vips_size(), " of them; 1 to ", kMaxVips, " are allowed"));
  }
  for (const std::string& text : wire.vips()) {
    absl::StatusOr<IpAddress> vip = ParseHostAddress(text);
    if (!vip.ok()) return Bad("vips", std::string(vip.status().message()));
    request.vips.push_back(*vip);
  }
  const google::protobuf::Duration& d = wire.duration();
  if (d.seconds() < 0 || d.seconds() > absl::ToInt64Seconds(kMaxTtl) || d.nanos() < 0 ||
      d.nanos() >= 1'000'000'000) {
    return Bad("duration", "it is out of range");
  }
  request.d = FromProtoDuration(d);
  if (request.d <= absl::ZeroDuration() || request.d > kMaxTtl) {
    return Bad("duration", "it is out of range");
  }
  return request;
}

void AnswerToWire(const AnswerPromise& answer, v1::PromiseReply* wire) {
  wire->set_given(answer.given);
  wire->set_highest_epoch(answer.highest_epoch);
  wire->set_holding(answer.holding);
  wire->set_refusal(answer.refusal);
}

PromiseReply PromiseReplyFromWire(const v1::PromiseReply& wire, const AskPromise& question) {
  PromiseReply reply;
  reply.given = wire.given();
  reply.epoch = question.epoch;
  reply.d = question.d;
  reply.highest_epoch = wire.highest_epoch();
  reply.holding = wire.holding();
  reply.refusal = absl::CHexEscape(wire.refusal().substr(0, 200));
  return reply;
}

}  // namespace hb::executor
