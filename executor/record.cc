// See record.h. A line that is written is read back to the same record, and no other line is taken;
// a record without a spec has none of the spec's keys.
#include "executor/record.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace hb::executor {
namespace {

const char* PolicyName(OnExpiry policy) {
  switch (policy) {
    case OnExpiry::kRelease:
      return "release";
    case OnExpiry::kWitness:
      return "witness";
    case OnExpiry::kHold:
      return "hold";
  }
  return "";
}

absl::Status Bad(const std::string& key, const std::string& value) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", key, "=", value, "\" is not as hb writes it"));
}

// "LEFT@RIGHT", both sides not empty.
bool Halves(const std::string& value, std::string* left, std::string* right) {
  const size_t at = value.find('@');
  if (at == 0 || at == std::string::npos || at + 1 == value.size()) return false;
  *left = value.substr(0, at);
  *right = value.substr(at + 1);
  return true;
}

bool ReadDuration(const std::string& value, Duration* out) {
  int64_t nanoseconds = 0;
  if (!absl::SimpleAtoi(value, &nanoseconds) || nanoseconds < 0) return false;
  *out = absl::Nanoseconds(nanoseconds);
  return true;
}

bool ReadAddress(const std::string& value, IpAddress* out) {
  absl::StatusOr<IpAddress> address = IpAddress::Parse(value);
  if (address.ok()) *out = *address;
  return address.ok();
}

bool ReadPolicy(const std::string& value, OnExpiry* out) {
  for (const OnExpiry policy : {OnExpiry::kRelease, OnExpiry::kWitness, OnExpiry::kHold}) {
    if (value != PolicyName(policy)) continue;
    *out = policy;
    return true;
  }
  return false;
}

bool ReadVip(const std::string& value, Spec* spec) {
  std::string address;
  std::string interface;
  if (!Halves(value, &address, &interface)) return false;
  absl::StatusOr<IpPrefix> prefix = IpPrefix::Parse(address);
  if (!prefix.ok()) return false;
  spec->vips.push_back({*prefix, interface});
  return true;
}

bool ReadFirewall(const std::string& key, const std::string& value, Spec* spec) {
  if (!spec->firewall) spec->firewall.emplace();
  if (key == "own") return ReadAddress(value, &spec->firewall->own_address);
  if (key == "icmp") {
    spec->firewall->restrict_icmp_echo = true;
    return value == "peers";
  }
  if (key == "source") {
    absl::StatusOr<IpPrefix> source = IpPrefix::Parse(value);
    if (source.ok()) spec->firewall->sources.push_back(*source);
    return source.ok();
  }
  uint32_t port = 0;
  if (!absl::SimpleAtoi(value, &port) || port == 0 || port > UINT16_MAX) return false;
  spec->firewall->restrict_tcp.push_back(static_cast<uint16_t>(port));
  return true;
}

// False: malformed, or no key of a spec.
bool ReadSpecKey(const std::string& key, const std::string& value, Spec* spec) {
  if (key == "revision") return absl::SimpleAtoi(value, &spec->revision) && spec->revision != 0;
  if (key == "service") {
    spec->service = value;
    return !value.empty();
  }
  if (key == "on_expiry") return ReadPolicy(value, &spec->on_expiry);
  if (key == "witness") {
    spec->witness = value;
    return !value.empty();
  }
  if (key == "witness_interval_ns") return ReadDuration(value, &spec->witness_interval);
  if (key == "vip") return ReadVip(value, spec);
  if (key == "peer") {
    Peer peer;
    if (!Halves(value, &peer.name, &peer.executor)) return false;
    spec->peers.push_back(peer);
    return true;
  }
  const bool firewall = key == "own" || key == "icmp" || key == "source" || key == "tcp";
  return firewall && ReadFirewall(key, value, spec);
}

void AppendSpec(const Spec& spec, std::string* line) {
  absl::StrAppend(line, " revision=", spec.revision, " service=", spec.service,
                  " on_expiry=", PolicyName(spec.on_expiry));
  if (!spec.witness.empty()) {
    absl::StrAppend(line, " witness=", spec.witness,
                    " witness_interval_ns=", absl::ToInt64Nanoseconds(spec.witness_interval));
  }
  for (const Vip& vip : spec.vips) {
    absl::StrAppend(line, " vip=", vip.address.ToString(), "@", vip.interface);
  }
  for (const Peer& peer : spec.peers) {
    absl::StrAppend(line, " peer=", peer.name, "@", peer.executor);
  }
  if (!spec.firewall) return;
  absl::StrAppend(line, " own=", spec.firewall->own_address.ToString());
  if (spec.firewall->restrict_icmp_echo) absl::StrAppend(line, " icmp=peers");
  for (const IpPrefix& source : spec.firewall->sources) {
    absl::StrAppend(line, " source=", source.ToString());
  }
  for (const uint16_t port : spec.firewall->restrict_tcp) absl::StrAppend(line, " tcp=", port);
}

}  // namespace

std::string RecordToLine(const std::string& cluster, const Record& record) {
  std::string line = absl::StrCat(cluster, " epoch=", record.epoch);
  if (record.longest_promise > absl::ZeroDuration()) {
    absl::StrAppend(&line, " promise_ns=", absl::ToInt64Nanoseconds(record.longest_promise));
  }
  if (!record.controller.empty()) absl::StrAppend(&line, " controller=", record.controller);
  if (record.followed_for > absl::ZeroDuration()) {
    absl::StrAppend(&line, " followed_ns=", absl::ToInt64Nanoseconds(record.followed_for));
  }
  if (record.spec) AppendSpec(*record.spec, &line);
  return line;
}

absl::StatusOr<std::pair<std::string, Record>> RecordFromLine(const std::string& line) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  Record record;
  Spec spec;
  spec.cluster = words[0];
  bool has_epoch = false;
  bool has_spec = false;
  if (spec.cluster.empty() || spec.cluster.find('=') != std::string::npos) {
    return absl::InvalidArgumentError("it does not begin with a cluster's name");
  }
  for (size_t i = 1; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    if (equals == std::string::npos) return Bad(words[i], "");
    const std::string key = words[i].substr(0, equals);
    const std::string value = words[i].substr(equals + 1);
    bool good = true;
    if (key == "epoch") {
      has_epoch = true;
      good = absl::SimpleAtoi(value, &record.epoch);
    } else if (key == "promise_ns") {
      good = ReadDuration(value, &record.longest_promise) && record.longest_promise <= kMaxTtl;
    } else if (key == "controller") {
      record.controller = value;
      good = !value.empty();
    } else if (key == "followed_ns") {
      good = ReadDuration(value, &record.followed_for) && record.followed_for <= kMaxTtl;
    } else {
      has_spec = true;
      good = ReadSpecKey(key, value, &spec);
    }
    if (!good) return Bad(key, value);
  }
  if (!has_epoch) return absl::InvalidArgumentError("it has no epoch");
  if (has_spec) {
    if (spec.revision == 0 || spec.vips.empty() || spec.service.empty()) {
      return absl::InvalidArgumentError("its spec has no revision, VIP or service");
    }
    // Without a pause between its questions a witness would be asked for ever.
    const bool asks = !spec.witness.empty() && spec.witness_interval > absl::ZeroDuration();
    if ((spec.on_expiry == OnExpiry::kWitness) != asks) {
      return absl::InvalidArgumentError("its witness and its policy do not fit");
    }
    record.spec = std::move(spec);
  }
  // A key that is there twice, or a number with a sign, has been edited.
  if (RecordToLine(words[0], record) != line) {
    return absl::InvalidArgumentError("it is not as hb writes it");
  }
  return std::make_pair(words[0], std::move(record));
}

}  // namespace hb::executor
