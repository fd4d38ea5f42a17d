#include "controller/cluster.h"

#include <algorithm>
#include <utility>

#include "common/boot_clock.h"
#include "controller/setup.h"

namespace hb::controller {
namespace {

// A step that comes later than this after its time finds the evidence too old to be acted upon
// (TILT).
Duration LateBudget(const ClusterModel& model) {
  return std::max(model.heartbeat, absl::Milliseconds(50));
}

}  // namespace

Cluster::Cluster(EventLoop* loop, IcmpProber* icmp, HttpProber* http,
                 const v1::ClusterConfig& config, const Persistent& stored, MonoTime grants_until,
                 Owner* owner)
    : loop_(loop),
      icmp_(icmp),
      http_(http),
      config_(config),
      owner_(owner),
      decision_(MakeModel(config), stored, grants_until, WaitNow()) {}

void Cluster::Start() {
  for (NodeIndex i = 0; i < decision_.model().nodes.size(); ++i) {
    NodeProbes::Listener listener;
    listener.icmp = [this, i](const ProbeResult& result) {
      Step(ProbeSeen{i, ProbeKind::kIcmp, result.good, result.detail});
    };
    listener.http = [this, i](const ProbeResult& result) {
      Step(ProbeSeen{i, ProbeKind::kHttp, result.good, result.detail});
    };
    probes_.push_back(std::make_unique<NodeProbes>(loop_, icmp_, http_, MakeIcmpOptions(config_, i),
                                                   MakeHttpOptions(config_, i),
                                                   std::move(listener)));
  }
  if (decision_.NeedsWitness()) {
    // A holder that works by an older configuration asks what that named: most often the gateway.
    const bool named = config_.witness().has_address();
    const Duration interval =
        named ? decision_.model().witness_interval : decision_.model().heartbeat;
    witness_ =
        std::make_unique<Witness>(loop_, icmp_, named ? config_.witness().address() : "gateway",
                                  interval, [this, interval](bool good) {
                                    Step(WitnessSeen{good, WaitNow() - interval});
                                  });
  }
  Step(TimePassed{});
}

void Cluster::Step(const Input& input) {
  const MonoTime now = WaitNow();
  Duration late = armed_for_ == MonoTime::Infinite() ? Duration() : now - armed_for_;
  // A host that was suspended has not waited: its other clock knows of it.
  const Duration lead = BootNow() - now;
  late = std::max(late, lead - std::exchange(lead_, lead));
  if (late > LateBudget(decision_.model())) StepOnce(LoopLate{late}, now);
  StepOnce(input, now);
}

void Cluster::StepOnce(const Input& input, MonoTime now) {
  const Actions actions = decision_.Step(input, now);
  for (const Action& action : actions) Perform(action);
  for (NodeIndex i = 0; i < probes_.size(); ++i) {
    probes_[i]->ExpectPage(decision_.ExpectsPage(i));
  }
  Arm();
  owner_->StepDone(*this);
}

void Cluster::Arm() {
  armed_for_ = decision_.NextDeadline();
  // The decision waits by a clock that may be behind the loop's: then it is asked again.
  const MonoTime when = armed_for_ == MonoTime::Infinite()
                            ? armed_for_
                            : BootNow() + std::max(armed_for_ - WaitNow(), absl::ZeroDuration());
  timer_ = loop_->At(when, [this] { Step(TimePassed{}); });
}

void Cluster::Perform(const Action& action) {
  if (const auto* send = std::get_if<SendOrder>(&action)) {
    owner_->Order(*this, send->node, send->order);
  } else if (const auto* reserve = std::get_if<controller::ReserveEpoch>(&action)) {
    owner_->ReserveEpoch(*this, reserve->at_least);
  } else if (const auto* save = std::get_if<Save>(&action)) {
    owner_->SaveOverrides(*this, *save);
  } else if (const auto* event = std::get_if<Event>(&action)) {
    owner_->Report(*this, *event);
  } else if (const auto* progress = std::get_if<Progress>(&action)) {
    owner_->Report(*this, *progress);
  } else if (const auto* probe = std::get_if<ProbeNow>(&action)) {
    if (probe->node < probes_.size()) {
      probes_[probe->node]->ExpectPage(decision_.ExpectsPage(probe->node));
      probes_[probe->node]->FetchNow();
    }
  }
}

}  // namespace hb::controller
