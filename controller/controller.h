// The controller's shell: all clusters, one stream to each node, the store. It carries reports to
// the cores and orders to the nodes; it decides nothing. Everything belongs to the loop's thread,
// but what the worker does with store and event log.
#ifndef HB_CONTROLLER_CONTROLLER_H_
#define HB_CONTROLLER_CONTROLLER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "common/probe/http.h"
#include "common/probe/icmp.h"
#include "controller/cluster.h"
#include "controller/core/terms.h"
#include "controller/event_log.h"
#include "controller/executor_link.h"
#include "controller/store/store.h"
#include "controller/worker.h"
#include "hb/v1/config.pb.h"

namespace hb::controller {

class Controller : public Cluster::Owner {
 public:
  // `store` is used by the worker's thread alone from here on.
  Controller(EventLoop* loop, std::unique_ptr<IcmpProber> icmp, std::unique_ptr<HttpProber> http,
             std::unique_ptr<Store> store, std::string event_log);
  ~Controller() override;

  // Takes a configuration into force: at start, and again at each reload. Clusters that did not
  // change are not touched; a changed one is taken up anew through adoption, its holder
  // undisturbed; a removed one is forgotten by its nodes. On failure nothing has changed.
  [[nodiscard]] absl::Status Configure(const v1::ControllerConfig& config);
  void ReopenEventLog();

  // Operators' commands. `done` hears every step, the last with Progress::done.
  using ProgressListener = std::function<void(const Progress&)>;
  // NotFound: no such cluster, or no such node in it. `command`'s id and `to` are given here.
  [[nodiscard]] absl::Status Command(const std::string& cluster_name, controller::Command command,
                                     const std::string& to, ProgressListener listener);

  // Events. `listener` hears each new one until it returns false; past ones come from the store.
  using EventListener = std::function<bool(const StoredEvent&)>;
  void AddEventListener(EventListener listener);
  using EventsListed = std::function<void(absl::StatusOr<std::vector<StoredEvent>>)>;
  void ListEvents(const std::string& cluster, absl::Time since, int limit,
                  const EventsListed& done);
  // Called after anything that status shows may have changed, until it returns false.
  void AddChangeListener(std::function<bool()> listener);

  const std::string& id() const { return id_; }
  MonoTime started() const { return started_; }
  const std::vector<std::shared_ptr<Cluster>>& clusters() const { return clusters_; }
  Cluster* Find(const std::string& name) const;

  // Cluster::Owner
  void Order(Cluster& cluster, NodeIndex node_index, const controller::Order& order) override;
  void ReserveEpoch(Cluster& cluster, uint64_t at_least) override;
  void SaveOverrides(Cluster& cluster, const Save& save) override;
  void Report(Cluster& cluster, const Event& event) override;
  void Report(Cluster& cluster, const Progress& progress) override;
  void StepDone(Cluster& cluster) override;

 private:
  // One host that runs an executor, in however many clusters.
  struct Node {
    std::string name;
    std::string executor;  // ADDRESS:PORT
    IpAddress address;
    std::unique_ptr<ExecutorLink> link;
    // Of the present stream.
    uint64_t incarnation = 0;
    bool reported = false;
    ReportId newest;
    std::map<std::string, v1::ClusterSpec> specs;  // by cluster, as sent
    std::map<std::string, controller::Order> pending;
    std::set<std::string> strange;                   // clusters that it knows and is no member of
    std::set<std::string> forget;                    // of those, what it is to be told to forget
    std::map<std::string, uint64_t> told_to_forget;  // by cluster, in answer to which report
    bool introduce = false;                          // specs and heartbeat are due
    std::string last_error;                          // said once
  };
  struct Membership {
    Cluster* cluster;
    NodeIndex index;
  };

  void OnOpened(Node& node, const v1::ExecutorHello& hello);
  void OnReport(Node& node, const v1::Report& report);
  void OnClosed(Node& node, const StreamClosed& how);  // `how` without a node
  void MakeSpecs(Node& node);
  void Flush(Node& node, bool answer);
  std::vector<Membership> MembershipsOf(const std::string& node) const;
  // Of the store and of what runs.
  absl::StatusOr<KnownClusters> Known();
  // A removed cluster whose last holder has forgotten it is over.
  void NoticeForgotten(Node& node, const v1::Report& report);
  void SyncNodes(const v1::ControllerConfig& config);
  void Dial(Node& node, Duration silence);

  EventLoop* const loop_;
  const std::unique_ptr<IcmpProber> icmp_;
  const std::unique_ptr<HttpProber> http_;
  const std::unique_ptr<Store> store_;
  const std::string id_;
  const MonoTime started_;
  EventLog event_log_;
  // What is asked for by a cluster that a reload has replaced meanwhile, is not answered any more.
  std::vector<std::shared_ptr<Cluster>> clusters_;
  // Clusters that are configured no more, with the id of the last holder, who has not confirmed yet
  // that it has forgotten them.
  std::map<std::string, std::string> removed_;
  std::map<std::string, std::unique_ptr<Node>> nodes_;
  bool handling_report_ = false;
  uint64_t next_command_ = 1;
  struct OpenCommand {
    std::string cluster;
    ProgressListener listener;
  };
  std::map<uint64_t, OpenCommand> commands_;
  std::vector<EventListener> event_listeners_;
  std::vector<std::function<bool()>> change_listeners_;
  std::map<std::string, EventLoop::Handle> reserve_retries_;
  std::map<std::string, EventLoop::Handle> save_retries_;
  std::shared_ptr<Poster> poster_;
  Worker worker_;  // last: its thread uses store_ and event_log_
};

}  // namespace hb::controller

#endif  // HB_CONTROLLER_CONTROLLER_H_
