// What the safety tests share (design §4): a lab with hb in it, the faults by hb's own words, and
// the two questions that every one of them asks the client's meter: did two ever hold the VIP, and
// how long did nobody. Each measurement is printed as one line ("MEASURED ...") and recorded as
// properties of the test, so that a table can be made of them.
#ifndef HB_TESTS_LAB_SAFETY_FIXTURE_H_
#define HB_TESTS_LAB_SAFETY_FIXTURE_H_

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/time.h"
#include "tests/lab/deployment.h"
#include "tests/lab/lab.h"
#include "tests/lab/meter.h"

namespace hb::lab {

// In a test of SafetyTest.
#define ASSERT_OK(expression)                                     \
  do {                                                            \
    const absl::Status& status_ = (expression);                   \
    ASSERT_TRUE(status_.ok()) << status_ << "\n" << Everything(); \
  } while (false)

// No limit of this length judges speed; it catches a hang.
inline constexpr Duration kLong = absl::Seconds(40);
// What a machine that has other things to do may add to any bound.
inline constexpr Duration kSlack = absl::Seconds(5);
// For StatusSays: every node of the first cluster is connected and well.
inline constexpr char kAllHealthy[] =
    R"([.clusters[0].nodes[] | .connected and .verdict == "NODE_VERDICT_HEALTHY"] | all)";

struct Place {
  bool third_host = false;  // where the controller is: on the slave, or on `watch`
  std::string on_expiry = "witness";
};
void PrintTo(const Place& place, std::ostream* out);
// "ControllerOnSlave_witness"
std::string PlaceName(const ::testing::TestParamInfo<Place>& info);
// Every policy with the controller on the slave and on the third host; or the policies that never
// allow two holders; or every policy with it on the third host.
std::vector<Place> EveryPlace();
std::vector<Place> StrictPlaces();
std::vector<Place> ThirdHostPlaces();
// What CI runs, unless a test says otherwise; fewer under AddressSanitizer.
std::vector<Place> PlacesInCi();
// The second list where HB_LAB_MATRIX is set (matrix.sh), else the first.
std::vector<Place> Places(std::vector<Place> in_ci, std::vector<Place> in_matrix);

struct SafetyOptions {
  Duration ttl = absl::Seconds(1);  // heartbeat: a fifth of it
  // After 0.5 s of good health: longer than the meter needs to tell a move there and back from two
  // holders.
  bool auto_failback = true;
  bool watch_host = false;  // a third host also where the controller is on the slave
  bool fake_clocks = false;
  std::vector<std::pair<std::string, std::string>> edits = {};  // further ones, see deployment.h
};

class SafetyTest : public ::testing::TestWithParam<Place> {
 protected:
  // The lab with hb installed; nothing runs.
  absl::Status Install(const SafetyOptions& options = {});
  // Install, then the daemons and the meter; returns once the master serves and both nodes are
  // healthy and known to be.
  absl::Status Up(const SafetyOptions& options = {});
  absl::Status StartAll();
  absl::Status StartMeter();
  // What Install makes of the options and the test's place.
  DeploymentOptions HbOptions() const;

  // Daemons. `node`: "master" or "slave".
  absl::StatusOr<Process*> Executor(std::string_view node) const;
  absl::StatusOr<Process*> Controller() const;
  absl::Status KillExecutor(std::string_view node) const;
  absl::Status KillController() const;
  absl::Status RestartExecutor(std::string_view node);  // kill -9, then at once
  absl::Status RestartController();
  // SIGTERM; returns once it has ended, with status 0.
  absl::Status TermExecutor(std::string_view node) const;
  // A third node on the third host, ready to serve: its executor runs.
  absl::Status StartThirdNode();
  // The first `from` in the controller's config, which must be there, becomes `to`.
  absl::Status EditConfig(const std::string& from, const std::string& to) const;
  // Several of them, one after the other, then Reload.
  using Changes = std::vector<std::pair<std::string, std::string>>;
  absl::Status ChangeConfig(const Changes& changes) const;
  // EditConfig's file is read anew.
  absl::Status Reload() const;
  // hbctl, which must end with status 0.
  absl::Status Ctl(const std::vector<std::string>& arguments) const;

  // Cuts `node` off from all that decide who holds (both nodes, the controller's host and the
  // gateway), but not from the client, who goes on asking it: only so is it seen that it does not
  // answer any more.
  absl::Status CutOffFromAllButClient(std::string_view node) const;
  absl::Status CutFrom(std::string_view node, std::initializer_list<std::string_view> others) const;
  // One way only, likewise: what `node` sends to them, or what they send to it.
  absl::Status DropWhatItSends(std::string_view node) const;
  absl::Status DropWhatItGets(std::string_view node) const;

  // What a jq expression says of `hbctl status -o json`; false also when there is no answer.
  bool StatusSays(const std::string& jq) const;
  absl::Status AwaitStatus(const std::string& jq, Duration limit = kLong) const;
  // Until the page comes from the node, and a moment longer.
  absl::Status AwaitServedBy(std::string_view node) const;
  // Until the event log or a daemon's output has the text.
  absl::Status AwaitText(const std::string& text, Duration limit = kLong) const;
  std::string AllText() const;
  // Whether `node` serves the VIP to a neighbour that still has the VIP's old MAC, the node's own:
  // to such a one, too, the gate must be closed.
  bool ServesStaleNeighbour(std::string_view node) const;

  // The report since `mark` without what is still under way; printed and recorded as `what`.
  MeterReport Measure(MonoTime mark, const std::string& what);
  // 0 ms in which two MACs answered ARP or two nodes served a page.
  void ExpectNeverTwo(const MeterReport& report) const;
  // The client did not notice anything: no failed request, no ARP request without an answer (but
  // for what the noise of the machine explains), and the holder is who it was.
  void ExpectNothingLost(const MeterReport& report) const;
  // Never two, and nobody for at most `bound`.
  void ExpectOutageWithin(const MeterReport& report, Duration bound) const;

  // How long a move that nobody planned may take: the wait for the last lease, three pings that
  // fail (the last after its timeout), a service to start.
  Duration TakeoverBound() const;
  Duration ttl() const { return options_.ttl; }
  bool third_host() const { return GetParam().third_host; }
  const std::string& policy() const { return GetParam().on_expiry; }
  std::string Everything() const;

  SafetyOptions options_;
  std::unique_ptr<Lab> lab_;
  std::unique_ptr<Deployment> hb_;
  std::unique_ptr<Meter> meter_;

 private:
  void Expect(const std::vector<std::string>& breaches) const;
  static std::vector<std::string> TwoHolders(const MeterReport& report);
  std::vector<std::string> Deciders(std::string_view but) const;
};

}  // namespace hb::lab

#endif  // HB_TESTS_LAB_SAFETY_FIXTURE_H_
