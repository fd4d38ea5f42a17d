// What goes into a decision and comes out of it as lines, for who looks into a finding of
// decision_fuzz (HB_FUZZ_TRACE=1).
#ifndef HB_TESTS_FUZZ_DECISION_TEXT_H_
#define HB_TESTS_FUZZ_DECISION_TEXT_H_

#include <array>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "controller/core/model.h"

namespace hb::controller {

inline std::string ToText(const Input& input) {
  static constexpr std::array<const char*, std::variant_size_v<Input>> kNames = {
      "probe",        "vantage", "opened",    "closed",  "report", "witness",
      "epoch stored", "saved",   "loop late", "command", "time"};
  std::string text = kNames[input.index()];
  if (const auto* probe = std::get_if<ProbeSeen>(&input)) {
    absl::StrAppend(&text, " ", probe->node, probe->kind == ProbeKind::kIcmp ? " icmp" : " http",
                    probe->good ? " good" : " bad");
  } else if (const auto* seen = std::get_if<VantageSeen>(&input)) {
    absl::StrAppend(&text, " ", seen->observer, " of ", seen->node);
  } else if (const auto* opened = std::get_if<StreamOpened>(&input)) {
    absl::StrAppend(&text, " ", opened->node);
  } else if (const auto* closed = std::get_if<StreamClosed>(&input)) {
    absl::StrAppend(&text, " ", closed->node);
  } else if (const auto* stored = std::get_if<EpochStored>(&input)) {
    absl::StrAppend(&text, " ", stored->epoch);
  } else if (const auto* command = std::get_if<Command>(&input)) {
    absl::StrAppend(&text, " ", command->id, " kind ", static_cast<int>(command->kind), " to ",
                    command->to ? absl::StrCat(*command->to) : "-", command->force ? " force" : "");
  } else if (const auto* report = std::get_if<ReportSeen>(&input)) {
    absl::StrAppend(&text, " ", report->node, " ", report->id.incarnation, ".", report->id.number);
    if (!report->report) return text + " unchanged";
    const NodeReport& r = *report->report;
    absl::StrAppend(&text, " knows_spec ", r.knows_spec, " holding ", r.holding, " vips ",
                    r.vips_present, " epoch ", r.epoch, " highest ", r.highest_epoch, " void ",
                    r.void_before.incarnation, ".", r.void_before.number, " service ",
                    static_cast<int>(r.service), " attempt ", r.start_attempt, " follows ",
                    r.follows, " other ", r.followed_other, " bound ", r.bound, " promises ",
                    r.promises, " leaving ", r.leaving, " obstacles ", r.obstacles.size());
  }
  return text;
}

inline std::string ToText(const Action& action) {
  if (const auto* send = std::get_if<SendOrder>(&action)) {
    const Order& order = send->order;
    return absl::StrCat("order ", send->node, order.active ? " ACTIVE" : " standby", " epoch ",
                        order.epoch, " running ", order.service_running, " attempt ",
                        order.start_attempt, " force ", order.force);
  }
  if (const auto* reserve = std::get_if<ReserveEpoch>(&action)) {
    return absl::StrCat("reserve epoch ", reserve->at_least);
  }
  if (const auto* save = std::get_if<Save>(&action)) {
    return absl::StrCat("save holder ", save->state.holder, " paused ", save->state.paused);
  }
  if (const auto* probe = std::get_if<ProbeNow>(&action))
    return absl::StrCat("probe ", probe->node);
  if (const auto* event = std::get_if<Event>(&action)) {
    return absl::StrCat("event ", event->type, ": ", event->reason, " (", event->detail, ")");
  }
  const auto& progress = std::get<Progress>(action);
  return absl::StrCat("progress ", progress.command, ": ", progress.text);
}

}  // namespace hb::controller

#endif  // HB_TESTS_FUZZ_DECISION_TEXT_H_
