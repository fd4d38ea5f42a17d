// One cluster at work: its decision, its probes and witness, and the timer that the decision asked
// for. It feeds inputs to the core and hands the actions on; how they are done is its owner's
// business. Loop's thread.
#ifndef HB_CONTROLLER_CLUSTER_H_
#define HB_CONTROLLER_CLUSTER_H_

#include <memory>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "common/probe/http.h"
#include "common/probe/icmp.h"
#include "controller/core/decision.h"
#include "controller/probe/node_probes.h"
#include "controller/probe/witness.h"
#include "hb/v1/config.pb.h"

namespace hb::controller {

class Cluster : public std::enable_shared_from_this<Cluster> {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void Order(Cluster& cluster, NodeIndex node, const controller::Order& order) = 0;
    // Answered by cluster.Step(EpochStored{}) once it is on disk.
    virtual void ReserveEpoch(Cluster& cluster, uint64_t at_least) = 0;
    virtual void SaveOverrides(Cluster& cluster, const Save& save) = 0;
    virtual void Report(Cluster& cluster, const Event& event) = 0;
    virtual void Report(Cluster& cluster, const Progress& progress) = 0;
    // The orders of one step are complete; and anything may have changed.
    virtual void StepDone(Cluster& cluster) = 0;
  };

  Cluster(EventLoop* loop, IcmpProber* icmp, HttpProber* http, const v1::ClusterConfig& config,
          const Persistent& stored, MonoTime grants_until, Owner* owner);

  void Step(const Input& input);
  // Begins probing and deciding; the owner is called from here on.
  void Start();

  const std::string& name() const { return decision_.model().name; }
  const v1::ClusterConfig& config() const { return config_; }
  const Decision& decision() const { return decision_; }
  const NodeProbes& probes(NodeIndex node) const { return *probes_[node]; }

 private:
  void StepOnce(const Input& input, MonoTime now);
  void Perform(const Action& action);
  void Arm();

  EventLoop* const loop_;
  IcmpProber* const icmp_;
  HttpProber* const http_;
  const v1::ClusterConfig config_;
  Owner* const owner_;
  Decision decision_;
  std::vector<std::unique_ptr<NodeProbes>> probes_;
  std::unique_ptr<Witness> witness_;
  MonoTime armed_for_ = MonoTime::Infinite();
  Duration lead_ = absl::InfiniteDuration();  // of the boot clock, over the one that waits
  EventLoop::Handle timer_;
};

}  // namespace hb::controller

#endif  // HB_CONTROLLER_CLUSTER_H_
