// A lab: a LAN of hosts as network namespaces on one bridge, with faults to inject. Nothing of the
// machine's own network is touched, so any number of labs live side by side. Start reading here;
// then host.h (what happens on a host) and meter.h (what a client on the LAN sees).
//
//   host      address        what for
//   master    192.168.0.1    a node
//   slave     192.168.0.2    a node
//   watch     192.168.0.3    a third host for the controller (only with third_host)
//   client    192.168.0.100  where the meter asks from
//   gateway   192.168.0.254  the default route of all others; answers ping
//
// Each has eth0 (MAC 02:68:62:00:00:<last octet>), IPv6 fd00:68:62::<last octet, in decimal
// digits>/64, private /etc, /var, /run, /proc and /sys/fs/bpf, and sees only its own processes.
// master and slave have a ready Apache configuration: argv kApacheArgv serves a page that names the
// host, also as X-Served-By. The VIP is given to nobody: that is hb's task.
#ifndef HB_TESTS_LAB_LAB_H_
#define HB_TESTS_LAB_LAB_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ip_address.h"
#include "tests/lab/host.h"
#include "tests/lab/proc.h"

namespace hb::lab {

inline constexpr char kVip[] = "192.168.0.111";

// {"/usr/sbin/apache2", "-DFOREGROUND", "-f", "/etc/hb-lab/apache2.conf"}
std::vector<std::string> ApacheArgv();

struct LabOptions {
  // Carried by the network namespaces ("<name>-master") and the lab's directory. Letters, digits,
  // '-', '_'. Empty: "hblab-<pid>", with a number behind it for the second lab of a process and so
  // on.
  std::string name = {};
  bool third_host = false;  // with `watch`
  // False: the lab ends with the Lab object, and with this process however that ends. True: it
  // stays until Remove(), from whatever process.
  bool keep = false;
  // Labs have their directories (outputs, pid files) in here. Empty: $HB_LAB_DIR, or else
  // /run/hb-lab.
  std::string root_directory = {};
};

// Not thread-safe; hosts may be used from several threads, one each. All verbs are idempotent and
// return when they have taken effect; an unknown host is NotFound.
class Lab {
 public:
  // Takes away whatever carries the same name, then builds the lab: about 0.2 s. Needs root. On
  // failure nothing is left behind.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Lab>> Up(const LabOptions& options);
  // A handle on a lab that another process keeps. NotFound when there is none.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Lab>> Attach(
      const std::string& name, const std::string& root_directory = "");
  // Ends whatever carries the name: processes, namespaces, directory. Ok when there is nothing.
  [[nodiscard]] static absl::Status Remove(const std::string& name,
                                           const std::string& root_directory = "");

  // Takes the lab down unless it is kept or was attached to.
  ~Lab();
  // The same with the errors told. The Lab and its Hosts are of no use afterwards.
  [[nodiscard]] absl::Status Down();
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  const std::string& name() const { return name_; }
  const std::string& directory() const { return directory_; }

  // Null when the lab has no such host.
  Host* host(std::string_view name) const;
  Host& master() const { return *host("master"); }
  Host& slave() const { return *host("slave"); }
  Host& client() const { return *host("client"); }
  Host& gateway() const { return *host("gateway"); }
  // Where the bridge is.
  Host& lan() const { return *lan_; }
  // "client", "gateway", "master", "slave" and, if there, "watch".
  std::vector<std::string> host_names() const;
  // The host's name; the MAC itself when it is none of the lab's.
  std::string HostOfMac(std::string_view mac) const;

  // Between the two hosts nothing passes any more, ARP included, without any notice to either
  // (packets are dropped on the bridge). Everybody else sees both as before.
  [[nodiscard]] absl::Status Cut(std::string_view a, std::string_view b);
  // Only what a sends to b is dropped.
  [[nodiscard]] absl::Status Drop(std::string_view from, std::string_view to);
  // Only the TCP segments among what a sends to b, whose source or destination port it is.
  [[nodiscard]] absl::Status DropTcp(std::string_view from, std::string_view to, uint16_t port);
  // Undoes Cut and Drop between the two.
  [[nodiscard]] absl::Status Heal(std::string_view a, std::string_view b);
  // Undoes DropTcp.
  [[nodiscard]] absl::Status HealTcp(std::string_view from, std::string_view to, uint16_t port);
  // Cut from every other host, with the carrier up.
  [[nodiscard]] absl::Status Isolate(std::string_view name);
  // The bridge's side of the host's cable goes down: the host loses its carrier.
  [[nodiscard]] absl::Status PullCable(std::string_view name);
  [[nodiscard]] absl::Status PlugCable(std::string_view name);
  // As though the power failed: the cable first, so that nothing more leaves the host, then every
  // process.
  [[nodiscard]] absl::Status PowerOff(std::string_view name);
  // Comes back as after a boot: /run/hb empty, no VIP, packet filter or tc program, the cable in.
  [[nodiscard]] absl::Status PowerOn(std::string_view name);
  // Everything dropped passes again, every cable is in.
  [[nodiscard]] absl::Status HealAll();
  // "dropped: master -> slave" (or "... -> slave tcp 7401") for each drop that is in force, and
  // "cable pulled: slave".
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> Faults();

  // The last lines of every daemon's output, for the message of a test that failed.
  std::string Outputs(size_t bytes_each = 4000) const;

 private:
  Lab(std::string name, std::string directory, bool owner);
  static absl::Status SweepDeadLabs(const std::string& root_directory);
  absl::Status Build(const LabOptions& options);
  absl::Status StartHosts(const LabOptions& options);
  absl::Status Wire();
  absl::Status PrepareNode(Host& node);
  absl::Status Save() const;
  absl::Status CheckHosts(std::initializer_list<std::string_view> names) const;
  absl::Status ChangeDrops(const std::vector<std::pair<std::string, std::string>>& pairs, bool add);
  absl::Status ChangeElements(const std::string& set, const std::vector<std::string>& elements,
                              bool add);
  absl::Status ChangeTcpDrop(std::string_view from, std::string_view to, uint16_t port, bool add);
  absl::Status SetCable(std::string_view name, bool plugged);

  const std::string name_;
  const std::string directory_;
  bool owner_;
  UniqueFd lifeline_read_;
  UniqueFd lifeline_write_;
  std::unique_ptr<Host> lan_;
  std::map<std::string, std::unique_ptr<Host>, std::less<>> hosts_;
};

}  // namespace hb::lab

#endif  // HB_TESTS_LAB_LAB_H_
