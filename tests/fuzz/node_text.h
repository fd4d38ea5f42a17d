// What the executor's core is told and does, as lines for whoever looks into a finding
// (HB_FUZZ_TRACE).
#ifndef HB_TESTS_FUZZ_NODE_TEXT_H_
#define HB_TESTS_FUZZ_NODE_TEXT_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "executor/core/node.h"

namespace hb::executor {

inline std::string ToText(const Orders& orders) {
  std::string text =
      absl::StrCat("orders answering ", orders.answers.incarnation, ".", orders.answers.number);
  for (const Spec& spec : orders.specs) {
    absl::StrAppend(&text, "; spec ", spec.cluster, " revision ", spec.revision);
    for (const Vip& vip : spec.vips) absl::StrAppend(&text, " ", vip.address.ToString());
  }
  for (const Order& order : orders.orders) {
    absl::StrAppend(&text, "; ", order.cluster, order.active ? " ACTIVE" : " standby", " epoch ",
                    order.epoch, " revision ", order.spec_revision, " ttl ",
                    absl::FormatDuration(order.ttl), order.force ? " force" : "");
  }
  for (const std::string& name : orders.forget) absl::StrAppend(&text, "; forget ", name);
  return text;
}

inline std::string ToText(const Act& act, MonoTime now) {
  if (const auto* persist = std::get_if<PersistRecord>(&act)) {
    return absl::StrCat("persist ", persist->cluster, " epoch ", persist->record.epoch, " promise ",
                        absl::FormatDuration(persist->record.longest_promise));
  }
  if (const auto* gate = std::get_if<SetGate>(&act)) {
    return absl::StrCat("gate ", gate->cluster, " ", gate->vip.ToString(), " epoch ",
                        gate->lease.epoch, " for ", absl::FormatDuration(gate->lease.until - now));
  }
  if (const auto* add = std::get_if<AddVip>(&act)) {
    return absl::StrCat("add ", add->cluster, " ", add->vip.ToString());
  }
  if (const auto* remove = std::get_if<RemoveVip>(&act)) {
    return absl::StrCat("remove ", remove->cluster, " ", remove->vip.ToString(), ": ",
                        remove->reason);
  }
  if (const auto* start = std::get_if<StartService>(&act)) {
    return absl::StrCat("start ", start->cluster, " ", start->service, " #", start->attempt);
  }
  if (const auto* stop = std::get_if<StopService>(&act)) {
    return absl::StrCat("stop ", stop->cluster, " ", stop->service, ": ", stop->reason);
  }
  if (const auto* ask = std::get_if<AskPromise>(&act)) {
    return absl::StrCat("ask ", ask->peer.name, " for ", ask->cluster, " epoch ", ask->epoch);
  }
  if (const auto* answer = std::get_if<AnswerPromise>(&act)) {
    return absl::StrCat("answer #", answer->request,
                        answer->given ? " given" : " refused: ", answer->refusal);
  }
  if (const auto* note = std::get_if<Note>(&act)) {
    return absl::StrCat("note ", note->cluster, " ", note->text);
  }
  static constexpr std::array<const char*, std::variant_size_v<Act>> kNames = {
      "", "", "", "", "announce", "", "", "firewall", "witness", "", "", ""};
  return kNames[act.index()];
}

}  // namespace hb::executor

#endif  // HB_TESTS_FUZZ_NODE_TEXT_H_
