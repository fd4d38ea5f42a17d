// Decides for one cluster which node serves it. A pure state machine: an input and the time go in,
// actions come out, in the order in which they are to be performed; the same state, input and time
// give the same actions. It has no clock, thread, socket or file. Each rule carries the sentence
// that explains it; shells log and show those sentences.
//
// What keeps it safe is small: a node is ordered ACTIVE only by Activate(), which is reached only
// when the lease book says that every other node is clear (rule L3) and the new epoch is on disk
// (L4), or by Adopt() of the node that holds already (L5); and not before every member follows this
// controller (L11). Everything else is about choosing well.
//
// `now` is the clock of whoever waits (WaitNow of common/boot_clock.h).
#ifndef HB_CONTROLLER_CORE_DECISION_H_
#define HB_CONTROLLER_CORE_DECISION_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/core/health.h"
#include "controller/core/lease_book.h"
#include "controller/core/model.h"

namespace hb::controller {

// How fit a node is to become active. Later is better.
enum class Fitness {
  kNo,        // it can't be ordered, or could not hold
  kSuspect,   // its service failed when it last ran there
  kPresumed,  // nothing speaks against it
  kProven,    // its service is running and answers
};

enum class MoveCause { kStart, kFailover, kSwitchover, kFailback, kHandover };
const char* ToString(MoveCause cause);
// Prepared before anything is taken away.
bool IsPlanned(MoveCause cause);

// A stream that misses this many heartbeats counts as silent.
inline constexpr int kSilentHeartbeats = 3;

class Decision {
 public:
  // `grants_until`: until when leases of an earlier run of the controller may still be out (L5);
  // `now` or earlier when there can be none.
  Decision(ClusterModel model, const Persistent& stored, MonoTime grants_until, MonoTime now);

  Actions Step(const Input& input, MonoTime now);
  // When Step(TimePassed) is due.
  MonoTime NextDeadline() const { return next_deadline_; }

  // For the shell.
  // The order that stands on the node's stream; absent: none was sent.
  const std::optional<Order>& standing(NodeIndex node) const { return nodes_[node].standing; }
  // Whether a page is expected of the node, and so whether fetching it says anything.
  bool ExpectsPage(NodeIndex node) const { return nodes_[node].page_expected; }

  // For status.
  struct NodeView {
    bool connected = false;
    std::string connection_error;
    ProbeHealth icmp;
    ProbeHealth http;
    Verdict verdict = Verdict::kUnknown;
    std::string reason;
    bool suspect = false;
    std::optional<NodeReport> report;
    MonoTime lease_until;
  };
  NodeView View(NodeIndex i) const;
  std::optional<NodeIndex> active() const { return active_; }
  const Persistent& persistent() const { return stored_; }
  // False: no node may be given its spec now. It would forget which other controller it followed,
  // before it is on disk here that there was one (L11).
  bool MayIntroduce() const { return unfollowed_save_ <= saved_; }
  // No holder works by an older configuration.
  bool terms_confirmed() const { return terms_confirmed_; }
  // Whether it has to be told what the witness answers.
  bool NeedsWitness() const { return Policy() == OnExpiry::kWitness; }
  bool moving() const { return move_.has_value(); }
  // The active node holds, and it and its service are well.
  bool Serving() const;
  // One sentence: what the cluster is doing and why.
  std::string Summary() const;
  const ClusterModel& model() const { return model_; }

 private:
  struct NodeState {
    ProbeHealth icmp;
    ProbeHealth http;
    bool connected = false;
    bool dialled = false;  // a first attempt to connect has had its outcome
    std::string connection_error;
    std::optional<NodeReport> report;  // the newest; survives its stream
    bool reported = false;             // on this stream
    ReportId newest_report;
    MonoTime last_report;
    std::optional<Order> standing;  // on this stream
    // When its newest reports were answered, by number; and until when it follows no other for
    // that, by what it is known to have heard (L11).
    std::deque<std::pair<uint64_t, MonoTime>> answers;
    MonoTime follows_until;
    // Service.
    bool runs_service = false;  // as ordered
    bool page_expected = false;
    MonoTime doubted_at;   // its silence counts from here on only; MonoTime(): from its last report
    MonoTime promised_at;  // when it was seen to have promised again; MonoTime(): never
    bool force_once = false;
    uint64_t start_attempt = 0;
    Duration backoff;
    MonoTime next_attempt;
    MonoTime running_since = MonoTime::Infinite();
    bool suspect = false;
    MonoTime suspect_since;
    // Verdict.
    Verdict verdict = Verdict::kUnknown;
    std::string reason = "Nothing is known yet";
    MonoTime well_since = MonoTime::Infinite();
    MonoTime bad_since;  // first evidence of what made the verdict bad
    // The newest answers to each other node's probes; MonoTime(): none.
    struct Sight {
      MonoTime icmp;
      MonoTime http;
    };
    std::vector<Sight> seen_by;
  };

  enum class Stage { kPreparing, kReleasing, kActivating };
  struct Move {
    MoveCause cause;
    std::optional<NodeIndex> from;
    NodeIndex to;
    Stage stage;
    std::string reason;
    std::optional<uint64_t> command;
    MonoTime since;  // start of the fault, or of the move
    MonoTime give_up_at = MonoTime::Infinite();
    bool release_ordered = false;
    bool epoch_asked = false;
    std::optional<uint64_t> epoch;
    bool page_seen = false;
    // The target has been told the new epoch before it is made active: from then on it renews no
    // promise to the holder, who is out of reach (L6).
    bool seized = false;
    bool forced = false;
  };

  // Inputs (decision.cc).
  void Take(const ProbeSeen& input);
  void Take(const VantageSeen& input);
  void Take(const StreamOpened& input);
  void Take(const StreamClosed& input);
  void Take(const ReportSeen& input);
  void Take(const WitnessSeen& input);
  void Take(const EpochStored& input);
  void Take(const Saved& input);
  void Take(const LoopLate& input);
  void Take(const Command& input);
  void Take(const TimePassed& input);
  // It follows another controller, which may lead others as well: nothing is granted before all
  // follow this one (L11).
  void FollowsAnother(NodeIndex i, const char* what);
  // It says that it follows this controller, and can't have changed since.
  bool Follows(NodeIndex i);
  void NoticeAnswered(NodeState& node, const ReportSeen& input);
  void NoticeReport(NodeIndex i, const NodeReport& report);
  // Until now this controller may have been cut off itself: who is silent is given a chance to
  // speak, and probes that failed say nothing.
  void DoubtSilence();

  // Evidence (decision_evidence.cc).
  void UpdateVerdict(NodeIndex i);
  void ChangeVerdict(NodeIndex i, Verdict verdict, const Evidence& evidence);
  Evidence Gather(NodeIndex i);
  // Another node that is heard has had an answer of its own since this controller's probe began to
  // fail, and lately.
  bool SeenElsewhere(NodeIndex i, ProbeKind kind);
  void ExpectPage(NodeIndex i);
  bool Silent(NodeIndex i) const;
  bool Acted(NodeIndex i) const;  // the executor has acted upon our newest start attempt
  Fitness FitnessOf(NodeIndex i) const;
  std::string WhyUnfit(NodeIndex i) const;
  std::optional<NodeIndex> Best(Fitness at_least, std::optional<NodeIndex> except) const;
  std::optional<NodeIndex> Preferred() const;

  // Start (decision_start.cc).
  void Establish();
  void ConfirmTerms();
  void TryAdopt();
  // When every node is heard, be it after the adoption, nothing of an earlier run is out any more
  // for those that hold nothing.
  void NoticeAllSeen();
  bool AllSeen() const;
  // Who says that it holds; of several, under the highest epoch.
  std::optional<NodeIndex> Holder() const;
  // A holder that shows up only after the wait, while nobody is active yet.
  void AdoptLate();
  void Adopt(NodeIndex i);

  // Moves (decision_move.cc).
  void Consider();
  void ConsiderFailover(NodeIndex a);
  void ConsiderFailback(NodeIndex a);
  void StartMove(MoveCause cause, NodeIndex to, const std::string& reason,
                 std::optional<uint64_t> command, bool forced = false);
  void AdvanceMove();
  void AdvancePreparing();
  void AdvanceReleasing();
  void AdvanceActivating();
  void Activate();
  void FinishMove();
  void AbandonMove(const std::string& why);
  MonoTime ClearAt(NodeIndex i) const;
  // Until when an executor that does not answer is waited for.
  MonoTime WaitForAgent(NodeIndex i) const;
  // Rule L3 for every node but `to`, and `but`, which is still to release.
  bool OthersClear(NodeIndex to, std::optional<NodeIndex> but = std::nullopt);
  // The node's mere silence proves nothing now (L7): the witness has answered nothing that was
  // asked after its last report.
  bool WitnessMissing(NodeIndex i) const;
  // The last holder is one of the cluster's nodes, or there was none.
  bool HolderIsMember() const;
  // The policy that a holder may work by: witness if the present or the confirmed one is.
  OnExpiry Policy() const;
  // The other nodes have promised the silent `holder` to stay away, a moment ago: it lives (L6).
  bool Vouched(NodeIndex holder);
  bool MayBeReplacedBy(NodeIndex to, std::optional<NodeIndex> but = std::nullopt) const;
  bool PromisedLately(NodeIndex i);
  // A node whose promise keeps a holder that is not known here.
  std::optional<NodeIndex> KeptByPromises();
  bool OnlySilentOnesLeft(NodeIndex to, std::optional<NodeIndex> but = std::nullopt) const;
  void HandOver(NodeIndex a);
  void ForceSwitchover(const Command& command);
  void CountMove();

  // Orders (decision.cc).
  void DecideServices();
  bool WantsService(NodeIndex i) const;
  void SendOrders();
  OnLeave WhenLeaving(NodeIndex i) const;
  void RecordHolder(NodeIndex i);
  void SaveState() { actions_.push_back(Save{stored_, ++saves_}); }

  bool IsDrained(NodeIndex i) const;
  void SetDrained(NodeIndex i, bool drained, uint64_t command);
  void SetPinned(std::optional<NodeIndex> i, uint64_t command);
  // Of automatic failback and of a choice between equals: a pinned node comes before all.
  uint64_t Preference(NodeIndex i) const;

  void Say(Severity severity, const std::string& type, std::optional<NodeIndex> node,
           const std::string& reason);
  void Tell(uint64_t command, const std::string& text);
  void Answer(uint64_t command, bool succeeded, const std::string& text);
  void WakeAt(MonoTime when);
  const std::string& Name(NodeIndex i) const { return model_.nodes[i].name; }

  const ClusterModel model_;
  const Duration silence_;  // after so long without a report a stream is silent
  Persistent stored_;       // epoch: of the newest activation
  MonoTime now_;
  MonoTime next_deadline_ = MonoTime::Infinite();
  Actions actions_;
  std::vector<NodeState> nodes_;
  LeaseBook book_;
  bool terms_confirmed_ = false;  // what a holder may work by is the model
  bool adopting_ = true;
  bool said_not_followed_ = false;
  uint64_t saves_ = 0;            // asked for
  uint64_t saved_ = 0;            // of them, the newest that is on disk
  uint64_t unfollowed_save_ = 0;  // the one that says that not all follow
  bool raise_epoch_ = false;  // stored_.epoch is a node's: no order before one above it is on disk
  MonoTime adopt_until_;
  std::optional<NodeIndex> active_;
  std::optional<Move> move_;
  bool witness_seen_ = true;  // until a question stays unanswered
  MonoTime witness_asked_;    // the newest question that was answered
  std::deque<MonoTime> moves_;
  std::string stuck_;  // why nothing is done although something is wrong; said once
  MonoTime next_planned_;
  Duration planned_backoff_;
};

}  // namespace hb::controller

#endif  // HB_CONTROLLER_CORE_DECISION_H_
