// A Host without a kernel: holds addresses and links as values, writes every act into a journal
// that it may share with other fakes (so that order across them can be judged), and fails an act
// when told to.
#ifndef HB_TESTS_FAKES_FAKE_HOST_H_
#define HB_TESTS_FAKES_FAKE_HOST_H_

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "executor/host/host.h"

namespace hb::executor {

using Journal = std::vector<std::string>;

class FakeHost : public Host {
 public:
  // `journal` must outlive it.
  explicit FakeHost(Journal* journal) : journal_(journal) { SetLink("eth0", true, true, true); }

  absl::Status AddVip(const Vip& vip, Duration valid_for) override {
    if (!add_error.ok()) return Write("add failed " + vip.ToString()), add_error;
    Write((vips.insert(vip).second ? "add " : "extend ") + vip.ToString());
    valid_for_[vip] = valid_for;
    return absl::OkStatus();
  }
  absl::Status RemoveVip(const Vip& vip) override {
    if (!remove_error.ok()) return Write("remove failed " + vip.ToString()), remove_error;
    if (vips.erase(vip) > 0) Write("remove " + vip.ToString());
    return absl::OkStatus();
  }
  bool HasVip(const Vip& vip) const override { return vips.contains(vip); }
  LinkState Link(const std::string& interface) const override {
    const auto it = links_.find(interface);
    return it == links_.end() ? LinkState{} : it->second;
  }
  absl::Status Announce(const Vip& vip) override {
    Write("announce " + vip.ToString());
    return absl::OkStatus();
  }
  absl::Status SetGate(const IpAddress& vip, const GateLease& lease) override {
    if (!gate_error.ok()) return Write("gate failed " + vip.ToString()), gate_error;
    const bool was_closed = !gates.contains(vip) || gates[vip].until == MonoTime();
    const bool closes = lease.until == MonoTime();
    if (!gates.contains(vip)) Write("guard " + vip.ToString());
    if (closes && !was_closed) Write("close " + vip.ToString());
    if (!closes && was_closed) Write("open " + vip.ToString());
    gates[vip] = lease;
    return absl::OkStatus();
  }
  absl::StatusOr<GateLease> ReadGate(const IpAddress& vip) const override {
    const auto it = gates.find(vip);
    if (it == gates.end()) return absl::NotFoundError("no entry");
    return it->second;
  }
  absl::Status RemoveGate(const IpAddress& vip) override {
    if (gates.erase(vip) > 0) Write("unguard " + vip.ToString());
    return absl::OkStatus();
  }
  std::map<IpAddress, GateLease> Gates() const override { return gates; }
  std::vector<std::string> CheckGate() override { return gate_obstacles; }
  void WatchConflicts(const std::set<Vip>& watched_vips,
                      std::function<void(const Conflict&)> seen) override {
    watched = watched_vips;
    conflict_seen = std::move(seen);
  }
  // The caller of FinishFirewall says how it ended.
  void ApplyFirewall(const FirewallRules& rules, std::function<void(absl::Status)> done) override {
    Write(rules.empty() ? "firewall none" : "firewall rules");
    firewall = rules;
    firewall_done_ = std::move(done);
  }
  absl::StatusOr<IpAddress> DefaultGateway() const override { return gateway; }
  void OnChange(std::function<void()> changed) override { changed_ = std::move(changed); }

  // What a test does to it.
  void SetLink(const std::string& name, bool exists, bool admin_up, bool carrier) {
    links_[name] = {.exists = exists,
                    .admin_up = admin_up,
                    .carrier = carrier,
                    .index = 2,
                    .mac = {2, 0, 0, 0, 0, 1}};
  }
  void Changed() { changed_(); }
  bool FirewallWaits() const { return firewall_done_ != nullptr; }
  void FinishFirewall(const absl::Status& outcome) {
    std::exchange(firewall_done_, nullptr)(outcome);
  }
  Duration valid_for(const Vip& vip) const { return valid_for_.at(vip); }

  std::set<Vip> vips;
  FirewallRules firewall;
  absl::StatusOr<IpAddress> gateway = absl::NotFoundError("no default route");
  absl::Status add_error;
  absl::Status remove_error;
  std::map<IpAddress, GateLease> gates;
  std::vector<std::string> gate_obstacles;
  absl::Status gate_error;
  std::set<Vip> watched;
  std::function<void(const Conflict&)> conflict_seen;

 private:
  void Write(std::string line) { journal_->push_back(std::move(line)); }

  Journal* const journal_;
  std::map<std::string, LinkState> links_;
  std::map<Vip, Duration> valid_for_;
  std::function<void(absl::Status)> firewall_done_;
  std::function<void()> changed_;
};

}  // namespace hb::executor

#endif  // HB_TESTS_FAKES_FAKE_HOST_H_
