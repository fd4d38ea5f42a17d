// One pass over all nodes, then one over all VIPs and witnesses, with the addresses seen so far in
// maps.
#include "common/config/controller_relations.h"

#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/config/config_values.h"

namespace hb {
namespace {

class Relations {
 public:
  explicit Relations(ConfigReport* report) : report_(report) {}

  void AddNodes(const hb::v1::ClusterConfig& cluster, const std::string& path);
  void AddVips(const hb::v1::ClusterConfig& cluster, const std::string& path);
  void CheckExecutors(const hb::v1::ClusterConfig& cluster, const std::string& path);
  void CheckWitness(const hb::v1::ClusterConfig& cluster, const std::string& path);

 private:
  // A value and where it stood first.
  struct Seen {
    std::string value;
    std::string path;
  };

  bool Sound(const std::string& path, const std::string& value) const {
    return !value.empty() && !report_->Failed(path);
  }
  std::string Place(const Seen& seen) const {
    return absl::StrCat(seen.path, ", line ", report_->Line(seen.path));
  }
  // One name has one `what`, and one `what` has one name.
  void Pair(const std::string& name, const std::string& value, const char* what,
            const std::string& path, std::map<std::string, Seen>* by_name,
            std::map<std::string, Seen>* by_value);

  ConfigReport* const report_;
  std::map<std::string, Seen> address_of_;   // a node's name to its address
  std::map<std::string, Seen> executor_of_;  // ... and to its executor
  std::map<std::string, Seen> node_at_;      // a node's address to its name
  std::map<std::string, Seen> executor_at_;  // an executor to its node's name
  std::map<IpAddress, Seen> vips_;           // to the cluster's name
};

void Relations::Pair(const std::string& name, const std::string& value, const char* what,
                     const std::string& path, std::map<std::string, Seen>* by_name,
                     std::map<std::string, Seen>* by_value) {
  const auto [named, new_name] = by_name->emplace(name, Seen{value, path});
  if (!new_name && named->second.value != value) {
    report_->Refuse(path,
                    absl::StrCat("node ", name, " has the ", what, " ", named->second.value, " in ",
                                 Place(named->second), "; a node has the same in every cluster"));
    return;
  }
  const auto [held, new_value] = by_value->emplace(value, Seen{name, path});
  if (!new_value && held->second.value != name) {
    report_->Refuse(path, absl::StrCat(value, " is the ", what, " of node ", held->second.value,
                                       " (", Place(held->second), "); each node has its own"));
  }
}

void Relations::AddNodes(const hb::v1::ClusterConfig& cluster, const std::string& path) {
  std::map<std::string, std::string> names;
  for (int i = 0; i < cluster.nodes_size(); ++i) {
    const hb::v1::NodeConfig& node = cluster.nodes(i);
    const std::string node_path = ItemPath(FieldPath(path, "nodes"), static_cast<size_t>(i));
    const std::string name_path = FieldPath(node_path, "name");
    if (!Sound(name_path, node.name())) continue;
    const auto [first, is_new] = names.emplace(node.name(), name_path);
    if (!is_new) {
      report_->Refuse(
          name_path,
          absl::StrCat("node ", node.name(), " stands in the cluster twice (",
                       Place({"", first->second}), "); give this one another name or remove it"));
      continue;
    }
    const std::string address_path = FieldPath(node_path, "address");
    if (Sound(address_path, node.address())) {
      Pair(node.name(), node.address(), "address", address_path, &address_of_, &node_at_);
    }
    const std::string executor_path = FieldPath(node_path, "executor");
    if (Sound(executor_path, node.executor())) {
      Pair(node.name(), node.executor(), "executor", executor_path, &executor_of_, &executor_at_);
    }
  }
}

void Relations::AddVips(const hb::v1::ClusterConfig& cluster, const std::string& path) {
  for (int i = 0; i < cluster.vips_size(); ++i) {
    const std::string vip_path =
        FieldPath(ItemPath(FieldPath(path, "vips"), static_cast<size_t>(i)), "address");
    if (!Sound(vip_path, cluster.vips(i).address())) continue;
    const absl::StatusOr<IpPrefix> vip = IpPrefix::Parse(cluster.vips(i).address());
    if (!vip.ok()) continue;
    const auto [first, is_new] = vips_.emplace(vip->address, Seen{cluster.name(), vip_path});
    if (!is_new) {
      report_->Refuse(
          vip_path,
          absl::StrCat(vip->address.ToString(), " is a VIP already (", Place(first->second),
                       "); a VIP belongs to one cluster, and stands there once"));
      continue;
    }
    const auto node = node_at_.find(vip->address.ToString());
    if (node != node_at_.end()) {
      report_->Refuse(
          vip_path,
          absl::StrCat(vip->address.ToString(), " is node ", node->second.value, "'s own address (",
                       Place(node->second), "); a VIP must be an address that no node owns"));
    }
  }
}

void Relations::CheckExecutors(const hb::v1::ClusterConfig& cluster, const std::string& path) {
  for (int i = 0; i < cluster.nodes_size(); ++i) {
    const std::string executor_path =
        FieldPath(ItemPath(FieldPath(path, "nodes"), static_cast<size_t>(i)), "executor");
    const absl::StatusOr<Endpoint> executor = ParseEndpoint(cluster.nodes(i).executor());
    if (!executor.ok() || report_->Failed(executor_path)) continue;
    const auto vip = vips_.find(executor->address);
    if (vip == vips_.end() || report_->Failed(vip->second.path)) continue;
    report_->Refuse(executor_path,
                    absl::StrCat(executor->address.ToString(), " is a VIP (", Place(vip->second),
                                 "), which moves; name an address that the node keeps"));
  }
}

void Relations::CheckWitness(const hb::v1::ClusterConfig& cluster, const std::string& path) {
  const std::string witness_path = FieldPath(FieldPath(path, "witness"), "address");
  if (cluster.witness().address() == "gateway" || report_->Failed(witness_path)) return;
  const absl::StatusOr<IpAddress> witness = IpAddress::Parse(cluster.witness().address());
  if (!witness.ok()) return;
  const auto refuse = [&](const std::string& why) {
    report_->Refuse(witness_path,
                    absl::StrCat(witness->ToString(), " is ", why,
                                 "; name an address outside the cluster, or gateway"));
  };
  const auto vip = vips_.find(*witness);
  if (vip != vips_.end()) return refuse(absl::StrCat("a VIP (", Place(vip->second), ")"));
  for (int i = 0; i < cluster.nodes_size(); ++i) {
    const hb::v1::NodeConfig& node = cluster.nodes(i);
    const absl::StatusOr<Endpoint> executor = ParseEndpoint(node.executor());
    if (node.address() == witness->ToString() || (executor.ok() && executor->address == *witness)) {
      return refuse(absl::StrCat("node ", node.name(), "'s own address"));
    }
  }
}

}  // namespace

void CheckRelations(const hb::v1::ControllerConfig& config, ConfigReport* report) {
  Relations relations(report);
  std::map<std::string, std::string> names;
  const auto each = [&](auto method) {
    for (int i = 0; i < config.clusters_size(); ++i) {
      (relations.*method)(config.clusters(i), ItemPath("clusters", static_cast<size_t>(i)));
    }
  };
  for (int i = 0; i < config.clusters_size(); ++i) {
    const std::string path = FieldPath(ItemPath("clusters", static_cast<size_t>(i)), "name");
    const std::string& name = config.clusters(i).name();
    if (name.empty() || report->Failed(path)) continue;
    const auto [first, is_new] = names.emplace(name, path);
    if (!is_new) {
      report->Refuse(path, absl::StrCat("cluster ", name, " stands in the file twice (",
                                        first->second, ", line ", report->Line(first->second),
                                        "); give this one another name"));
    }
  }
  each(&Relations::AddNodes);
  each(&Relations::AddVips);
  each(&Relations::CheckExecutors);
  each(&Relations::CheckWitness);
}

}  // namespace hb
