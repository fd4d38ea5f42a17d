// Feeds the controller's decision (controller/core) a cluster, stored state and any sequence of
// inputs at any times, reports that no sound executor would send included. After every step it
// holds what was said against the rules that must hold whatever comes: what is ordered is on disk
// first, epochs never fall, one ACTIVE order stands at most, nobody is made active before every
// grant to the others has run out or its release is proven (L3, by a lease book of its own), a
// paused cluster moves to nobody, every command is answered once, the next deadline lies ahead.
// Whether it chooses well is not its question.
#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "controller/core/decision.h"
#include "tests/fuzz/byte_source.h"
#include "tests/fuzz/decision_text.h"

namespace hb::controller {
namespace {

using fuzz::ByteSource;
using fuzz::Check;

static_assert(std::variant_size_v<Input> == 11, "feed the new input, too (Act)");

constexpr int kMaxSteps = 4000;
constexpr int kStepsPerView = 8;
// A deadline that is due may bring the next, but not for ever.
constexpr int kMaxStepsAtOnce = 16;

constexpr std::array<Duration, 20> kWaits = {
    absl::ZeroDuration(),     absl::Nanoseconds(1),    absl::Milliseconds(1),
    absl::Milliseconds(20),   absl::Milliseconds(50),  absl::Milliseconds(100),
    absl::Milliseconds(200),  absl::Milliseconds(300), absl::Milliseconds(600),
    absl::Milliseconds(601),  absl::Seconds(1),        absl::Milliseconds(1100),
    absl::Milliseconds(2500), absl::Seconds(5),        absl::Seconds(15),
    absl::Seconds(61),        absl::Seconds(66),       absl::Seconds(90),
    absl::Minutes(11),        absl::Hours(30)};

// Within the ranges of config.proto.
ClusterModel ReadModel(ByteSource& bytes) {
  constexpr std::array<Duration, 4> kHeartbeats = {absl::Milliseconds(200), absl::Milliseconds(10),
                                                   absl::Milliseconds(50), absl::Seconds(1)};
  constexpr std::array<Duration, 4> kTtls = {absl::Seconds(1), absl::Milliseconds(30),
                                             absl::Seconds(5), absl::Seconds(60)};
  constexpr std::array<Duration, 3> kAfter = {absl::Seconds(5), absl::ZeroDuration(),
                                              absl::Hours(24)};
  ClusterModel model;
  model.name = "web";
  const size_t nodes = 2 + bytes.Below(4);
  for (size_t i = 0; i < nodes; ++i) {
    constexpr std::array<uint32_t, 4> kPriorities = {100, 50, 0, 1000};
    model.nodes.push_back({std::string(1, static_cast<char>('a' + i)), bytes.Pick(kPriorities)});
  }
  model.service = "website";
  model.service_label = "apache service";
  const uint8_t flags = bytes.Byte();
  model.standby_runs_service = (flags & 1) != 0;
  model.auto_failback = (flags & 2) == 0;
  if ((flags & 4) == 0) model.http = ClusterModel::Damping{2, 2};
  if ((flags & 8) != 0) model.icmp = {1, 1};
  model.on_expiry = static_cast<OnExpiry>(bytes.Below(3));
  model.ttl = bytes.Pick(kTtls);
  model.heartbeat = std::min(bytes.Pick(kHeartbeats), model.ttl / 3);
  model.witness_interval = std::min(absl::Milliseconds(200), model.ttl / 2);
  model.failback_after = bytes.Pick(kAfter);
  model.flap_max = 1 + static_cast<int>(bytes.Below(8));
  return model;
}

Persistent ReadPersistent(ByteSource& bytes, const ClusterModel& model) {
  Persistent stored;
  const uint8_t flags = bytes.Byte();
  stored.paused = (flags & 1) != 0;
  stored.placed = (flags & 2) != 0;
  stored.flapping = (flags & 4) != 0;
  stored.established = (flags & 8) == 0;
  stored.epoch = std::min(bytes.Number(), kMaxEpoch);
  const size_t holder = bytes.Below(model.nodes.size() + 2);
  if (holder < model.nodes.size()) stored.holder = model.nodes[holder].name;
  if (holder == model.nodes.size()) stored.holder = "gone";
  stored.terms_policy = static_cast<OnExpiry>(bytes.Below(3));
  const uint8_t drained = bytes.Byte();
  for (size_t i = 0; i < model.nodes.size(); ++i) {
    if ((drained >> i & 1) != 0) stored.drained.push_back(model.nodes[i].name);
  }
  const size_t pinned = drained >> 5;
  if (pinned > 0 && pinned <= model.nodes.size()) stored.pinned = model.nodes[pinned - 1].name;
  const uint8_t members = bytes.Byte();
  for (size_t i = 0; i < model.nodes.size(); ++i) {
    if ((members >> i & 1) != 0) stored.terms_members.push_back(model.nodes[i].name);
  }
  return stored;
}

Persistent WithoutEpoch(Persistent state) {
  state.epoch = 0;
  return state;
}

class DecisionRun {
 public:
  explicit DecisionRun(ByteSource bytes)
      : bytes_(bytes),
        model_(ReadModel(bytes_)),
        stored_(ReadPersistent(bytes_, model_)),
        grants_until_(now_ + bytes_.Pick(kWaits)),
        decision_(model_, stored_, grants_until_, now_),
        saved_(WithoutEpoch(decision_.persistent())),
        nodes_(model_.nodes.size()) {
    saved_established_ = stored_.established;
    on_disk_.insert(stored_.epoch);
    disk_epoch_ = last_epoch_ = stored_.epoch;
  }

  void Run() {
    Step(TimePassed{});
    while (!bytes_.empty() && steps_ < kMaxSteps) Act();
  }

 private:
  // What is known of a node without asking the decision.
  struct Member {
    bool connected = false;
    bool reported = false;             // on this stream
    NodeReport report;                 // as it would report next
    std::optional<NodeReport> newest;  // as it has reported
    ReportId id{1, 0};
    MonoTime heard;
    std::optional<Order> standing;  // on this stream
    uint64_t newest_epoch = 0;      // of all orders to it
    MonoTime lease_end;             // of all grants to it
    ReportId newest_answered;
    bool force_asked = false;
  };

  // ---- what may come ----

  void Act() {
    const uint8_t what = bytes_.Byte();
    const NodeIndex i = (what >> 5) % nodes_.size();
    switch (what & 31) {
      case 0:
      case 1:
        now_ = now_ + bytes_.Pick(kWaits);
        return Settle();
      case 2:
        if (decision_.NextDeadline() != MonoTime::Infinite()) {
          now_ = std::max(now_, decision_.NextDeadline());
        }
        return Settle();
      case 3:
        return Close(i, true);
      case 4:
        return Probe(i, ProbeKind::kIcmp, true);
      case 5:
        return Probe(i, ProbeKind::kIcmp, false);
      case 6:
        return Probe(i, ProbeKind::kHttp, true);
      case 7:
        return Probe(i, ProbeKind::kHttp, false);
      case 8:
        return Open(i);
      case 9:
        for (NodeIndex n = 0; n < nodes_.size(); ++n) {
          if (!nodes_[n].connected) Open(n);
        }
        return;
      case 10:
        return Close(i, false);
      case 11:
        return Report(i, false);
      case 12:
      case 13:
        return Report(i, true);
      case 14:
        Obey(i);
        return Report(i, true);
      case 15:
      case 16:
        for (NodeIndex n = 0; n < nodes_.size(); ++n) {
          Obey(n);
          Report(n, true);
        }
        return;
      case 17:  // a heartbeat goes by
        now_ = now_ + model_.heartbeat;
        for (NodeIndex n = 0; n < nodes_.size(); ++n) Report(n, false);
        return;
      case 18:
        return Change(nodes_[i]);
      case 19: {
        const uint8_t what_of = bytes_.Byte();
        const auto kind = (what_of & 1) != 0 ? ProbeKind::kHttp : ProbeKind::kIcmp;
        return Step(VantageSeen{i, (what_of >> 5) % nodes_.size(), kind, (what_of & 2) == 0});
      }
      case 20:
      case 21:
        return AnswerDisk();
      case 22:
        return Step(WitnessSeen{true, now_ - bytes_.Pick(kWaits)});
      case 23:
        return Step(WitnessSeen{false, now_ - bytes_.Pick(kWaits)});
      case 24:
        return BeLate(bytes_.Pick(kWaits));
      case 25:
      case 26:
        return Ask(Command::Kind::kSwitchover, i, bytes_.Byte());
      case 27:
        return Ask(Command::Kind::kFailback, i, 0);
      case 28:
        return Ask(decision_.persistent().paused ? Command::Kind::kResume : Command::Kind::kPause,
                   i, 0);
      case 29: {
        constexpr std::array<Command::Kind, 5> kKinds = {
            Command::Kind::kAck, Command::Kind::kDrain, Command::Kind::kUndrain,
            Command::Kind::kPin, Command::Kind::kUnpin};
        return Ask(bytes_.Pick(kKinds), i, 0);
      }
      case 30:  // a new incarnation
        Close(i, false);
        nodes_[i].id = {nodes_[i].id.incarnation + 1, 0};
        nodes_[i].report.void_before = nodes_[i].id;
        nodes_[i].report.holding = nodes_[i].report.vips_present = false;
        return;
      default:
        nodes_[i].report.service = ServiceState::kFailed;
        return Report(i, true);
    }
  }

  void Probe(NodeIndex i, ProbeKind kind, bool good) { Step(ProbeSeen{i, kind, good, "probe"}); }

  void Open(NodeIndex i) {
    nodes_[i].connected = true;
    nodes_[i].reported = false;
    nodes_[i].standing.reset();
    Step(StreamOpened{i});
  }

  void Close(NodeIndex i, bool follows_another) {
    nodes_[i].connected = nodes_[i].reported = false;
    nodes_[i].standing.reset();
    Step(StreamClosed{i, "connection reset", follows_another});
  }

  // What a sound executor would make of its orders.
  void Obey(NodeIndex i) {
    Member& node = nodes_[i];
    NodeReport& report = node.report;
    report.knows_spec = report.follows = report.spec_stored = true;
    report.followed_other = false;
    if (!node.standing) return;
    const Order& order = *node.standing;
    report.highest_epoch = std::max(report.highest_epoch, order.epoch);
    if (order.active) {
      report.epoch = order.epoch;
    } else if (report.holding || report.void_before == ReportId{}) {
      report.void_before = {node.id.incarnation, node.id.number + 1};
    }
    report.holding = report.vips_present = order.active;
    report.service = order.service_running ? ServiceState::kRunning : ServiceState::kStopped;
    report.start_attempt = std::max(report.start_attempt, order.start_attempt);
  }

  void Change(Member& node) {
    NodeReport& report = node.report;
    switch (bytes_.Below(16)) {
      case 0:
        report.knows_spec = !report.knows_spec;
        return;
      case 1:
        report.holding = !report.holding;
        return;
      case 2:
        report.vips_present = !report.vips_present;
        return;
      case 3:
        report.epoch = bytes_.Number();
        return;
      case 4:  // the shell lets none through that is larger
        report.highest_epoch = std::min(bytes_.Number(), kMaxEpoch);
        return;
      case 5:
        report.void_before = {node.id.incarnation, bytes_.Number()};
        return;
      case 6:
        report.service = static_cast<ServiceState>(bytes_.Below(7));
        return;
      case 7:
        report.start_attempt = bytes_.Number();
        return;
      case 8:
        report.obstacles.assign(report.obstacles.empty() ? 1 : 0, "eth0 is down");
        return;
      case 9:
        report.follows = !report.follows;
        return;
      case 10:
        report.followed_other = !report.followed_other;
        return;
      case 11:
        report.spec_stored = !report.spec_stored;
        return;
      case 12:
        report.bound = !report.bound;
        return;
      case 13:
        report.promises += bytes_.Byte();
        return;
      case 14:
        report.leaving = !report.leaving;
        return;
      default:
        report.conflicts += bytes_.Byte();
        report.conflict = "somebody claims it";
        return;
    }
  }

  // The first of a stream says everything: the shell sees to it.
  void Report(NodeIndex i, bool changed) {
    Member& node = nodes_[i];
    if (!node.connected) return;
    ++node.id.number;
    ReportSeen seen{i, node.id, std::nullopt};
    if (changed || !node.reported) seen.report = node.newest = node.report;
    node.reported = true;
    node.heard = now_;
    // The shell answers, and that renews what stands.
    if (node.standing && node.standing->active) Granted(node);
    Step(seen);
  }

  // What was not heard meanwhile counts as heard now.
  void BeLate(Duration by) {
    for (Member& node : nodes_) {
      const Duration before = now_ - by - node.heard;
      if (before <= model_.heartbeat * kSilentHeartbeats + absl::Nanoseconds(1)) node.heard = now_;
    }
    Step(LoopLate{by});
  }

  // The disk answers the oldest question, as controller/store does.
  void AnswerDisk() {
    if (!to_save_.empty()) {
      const Save save = to_save_.front();
      to_save_.pop_front();
      saved_established_ = save.state.established;
      return Step(Saved{save.number});
    }
    if (asked_.empty()) return;
    const uint64_t at_least = asked_.front();
    asked_.pop_front();
    const uint64_t wall_clock = bytes_.Flag() ? bytes_.Number() % kMaxEpoch : 0;
    disk_epoch_ = std::max({disk_epoch_ + 1, at_least, wall_clock});
    on_disk_.insert(disk_epoch_);
    Step(EpochStored{disk_epoch_});
  }

  void Ask(Command::Kind kind, NodeIndex i, uint8_t how) {
    Command command{++newest_command_, kind, std::nullopt, false, "root"};
    command.force = (how & 1) != 0;
    if ((how & 2) == 0) command.to = i;
    if (command.force) {
      for (NodeIndex n = 0; n < nodes_.size(); ++n) {
        if (!command.to || *command.to == n) nodes_[n].force_asked = true;
      }
    }
    open_commands_.insert(command.id);
    Step(command);
  }

  // Steps until what is due is done.
  void Settle() {
    Step(TimePassed{});
    for (int i = 0; decision_.NextDeadline() <= now_; ++i) {
      Check(i < kMaxStepsAtOnce, "a deadline that is due again and again");
      Step(TimePassed{});
    }
  }

  // ---- what must hold ----

  void Step(const Input& input) {
    ++steps_;
    paused_before_ = decision_.persistent().paused;
    const Actions actions = decision_.Step(input, now_);
    Trace(input, actions);
    Check(actions.size() <= 16 + 16 * nodes_.size(), "too many actions in one step");
    const bool all_free = std::all_of(nodes_.begin(), nodes_.end(), [this](const Member& node) {
      return node.reported && !node.newest->holding &&
             now_ - node.heard <= model_.heartbeat * kSilentHeartbeats;
    });
    if (all_free) grants_until_ = MonoTime();
    for (const Action& action : actions) std::visit([this](const auto& a) { Judge(a); }, action);
    JudgeState();
  }

  void Trace(const Input& input, const Actions& actions) const {
    if (!fuzz::Tracing()) return;
    fuzz::Say(absl::StrCat(ToString(now_), " ", ToText(input)));
    for (const Action& action : actions) fuzz::Say(absl::StrCat("    ", ToText(action)));
  }

  void Granted(Member& node) {
    node.lease_end = std::max(node.lease_end, now_ + WithClockMargin(model_.ttl));
    node.newest_answered = std::max(node.newest_answered, node.id);
  }

  void Judge(const SendOrder& send) {
    Check(send.node < nodes_.size(), "an order to nobody");
    Member& node = nodes_[send.node];
    const Order& order = send.order;
    Check(node.connected && node.reported, "an order to a node that has not reported");
    Check(on_disk_.count(order.epoch) != 0 && order.epoch != 0,
          "L4: an order carries an epoch that is not on disk");
    Check(order.epoch >= node.newest_epoch, "L4: the epoch of a node's orders falls");
    Order stands = order;
    stands.force = false;
    Check(order.force || node.standing != stands, "an order that stands is sent again");
    Check(!order.force || (order.active && node.force_asked),
          "a forced order that nobody has asked for");
    node.newest_epoch = order.epoch;
    node.standing = stands;
    if (!order.active) return;
    Check(saved_.established, "L11: an ACTIVE order before every node follows");
    Check(saved_.holder == model_.nodes[send.node].name,
          "an ACTIVE order before its holder is saved");
    if (holder_ != send.node && adopted_ != send.node && !order.force) {
      for (NodeIndex i = 0; i < nodes_.size(); ++i) {
        Check(i == send.node || Clear(nodes_[i]),
              "L3: made active while another node's lease may run");
      }
    }
    if (order.force) node.force_asked = false;
    if (adopted_ != send.node) adopted_.reset();
    holder_ = send.node;
    Granted(node);
  }

  bool Clear(const Member& node) const {
    if (now_ >= std::max(node.lease_end, grants_until_)) return true;
    if (!node.newest || node.newest->holding) return false;
    return node.newest->void_before > node.newest_answered;
  }

  void Judge(const ReserveEpoch& reserve) {
    Check(reserve.at_least > 0, "an epoch of zero is asked for");
    asked_.push_back(reserve.at_least);
  }
  void Judge(const Save& save) {
    saved_ = WithoutEpoch(save.state);
    to_save_.push_back(save);
  }
  void Judge(const ProbeNow& probe) { Check(probe.node < nodes_.size(), "a probe of nobody"); }
  void Judge(const Event& event) {
    Check(!event.reason.empty(), "an event without a reason");
    Check(!event.node || *event.node < nodes_.size(), "an event of nobody");
    if (event.type == "adopted") adopted_ = event.node;
    const bool move = event.type == "failover" || event.type == "switchover" ||
                      event.type == "failback" || event.type == "handover";
    const bool paused = paused_before_ && decision_.persistent().paused;
    Check(!(paused && move), "L10: a paused cluster begins to move");
    Check(!(paused && event.type == "start" && model_.nodes[*event.node].name != saved_.holder),
          "L10: a paused cluster makes another node active");
  }
  void Judge(const Progress& progress) {
    Check(open_commands_.count(progress.command) != 0,
          "progress of a command that is answered already");
    if (progress.done) open_commands_.erase(progress.command);
  }

  void JudgeState() {
    const Persistent& state = decision_.persistent();
    Check(WithoutEpoch(state) == saved_, "what has changed is not saved");
    Check(state.established || !saved_established_ || !decision_.MayIntroduce(),
          "L11: a node is led that would forget whom it has followed, and so would the store");
    Check(state.epoch >= last_epoch_, "L4: the epoch falls");
    last_epoch_ = state.epoch;
    Check(open_commands_.size() <= 1, "more than one command waits");
    Check(open_commands_.empty() || decision_.moving(), "a command waits for no move");
    int active = 0;
    for (NodeIndex i = 0; i < nodes_.size(); ++i) {
      Check(decision_.standing(i) == nodes_[i].standing, "what stands is not what was sent");
      if (nodes_[i].standing && nodes_[i].standing->active) ++active;
    }
    Check(active <= 1, "two ACTIVE orders stand");
    Check(!decision_.active() || *decision_.active() < nodes_.size(), "nobody is active");
    Check(state.epoch != 0 || !decision_.active() || !asked_.empty(),
          "a node is active, but there is no epoch and none was asked for");
    Check(!decision_.Serving() || decision_.active(), "nobody serves");
    // They say much, and take their time for it.
    if (steps_ % kStepsPerView == 0) JudgeViews();
  }

  void JudgeViews() const {
    Check(!decision_.Summary().empty(), "no summary");
    for (NodeIndex i = 0; i < nodes_.size(); ++i) {
      const Decision::NodeView view = decision_.View(i);
      Check(!view.reason.empty(), "a verdict without a reason");
      Check(view.connected == nodes_[i].connected, "a stream that is not");
    }
  }

  ByteSource bytes_;
  MonoTime now_ = MonoTime() + absl::Hours(100);
  const ClusterModel model_;
  const Persistent stored_;
  MonoTime grants_until_;  // of an earlier run; MonoTime(): all were seen at once, and none held
  Decision decision_;
  Persistent saved_;  // epoch apart
  std::vector<Member> nodes_;
  int steps_ = 0;
  bool paused_before_ = false;
  std::set<uint64_t> on_disk_;
  uint64_t disk_epoch_ = 0;
  uint64_t last_epoch_ = 0;
  std::deque<uint64_t> asked_;        // of the disk
  std::deque<Save> to_save_;          // likewise
  bool saved_established_ = false;    // on disk
  std::optional<NodeIndex> holder_;   // who was made active last
  std::optional<NodeIndex> adopted_;  // holds by its own word
  uint64_t newest_command_ = 0;
  std::set<uint64_t> open_commands_;
};

}  // namespace
}  // namespace hb::controller

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hb::controller::DecisionRun(hb::fuzz::ByteSource(data, size)).Run();
  return 0;
}
