// Feeds both config readers (common/config) any text. What is refused is refused line by line, each
// with a place in the file and in valid UTF-8; what is taken can be written out again, defaults and
// all, and is then read as the same; and whoever works by it takes it without another complaint:
// the executor its settings, and each executor off the wire the specs that a controller makes of
// its config.
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/config/config_kind.h"
#include "common/config/controller_config.h"
#include "common/config/executor_config.h"
#include "common/config/lease_costs.h"
#include "controller/setup.h"
#include "executor/settings.h"
#include "executor/wire.h"
#include "tests/fuzz/byte_source.h"
#include "tests/fuzz/utf8.h"
#include "tests/fuzz/yaml_writer.h"

namespace hb {
namespace {

using fuzz::Check;

constexpr std::string_view kFile = "/etc/hb/c.yaml";

// "FILE:LINE:COLUMN: WHAT"; its line.
size_t LineOf(std::string_view error) {
  Check(error.starts_with(kFile), absl::StrCat("no file's name: ", std::string(error)));
  const std::vector<std::string> parts =
      absl::StrSplit(std::string(error.substr(kFile.size())), absl::MaxSplits(':', 3));
  size_t line = 0;
  size_t column = 0;
  Check(parts.size() == 4 && parts[0].empty() && absl::SimpleAtoi(parts[1], &line) &&
            absl::SimpleAtoi(parts[2], &column) && line > 0 && column > 0,
        absl::StrCat("no place in the file: ", std::string(error)));
  Check(parts[3].size() > 1 && parts[3][0] == ' ', "an error says nothing");
  return line;
}

void CheckRefusal(std::string_view text, const absl::Status& status) {
  Check(absl::IsInvalidArgument(status), "a refusal of another kind");
  const std::string message(status.message());
  Check(fuzz::IsUtf8(message), "an error is not UTF-8");
  const std::vector<std::string> errors = absl::StrSplit(message, '\n');
  Check(errors.size() <= 101, "too many errors are told");
  const size_t lines = 1 + static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  for (const std::string& error : errors) {
    // A lone CR ends a line for YAML.
    const bool has_cr = text.find('\r') != std::string_view::npos;
    Check(LineOf(error) <= lines + 1 || has_cr, "an error stands behind the file's end");
  }
}

template <typename Config>
void CheckWrittenOut(const Config& config,
                     absl::StatusOr<Config> (*parse)(std::string_view, const std::string&)) {
  const std::string text = fuzz::ToYaml(config);
  const absl::StatusOr<Config> again = parse(text, std::string(kFile));
  Check(again.ok(), absl::StrCat("what was taken is refused once it is written out: ",
                                 std::string(again.status().message()), "\n", text));
  Check(google::protobuf::util::MessageDifferencer::Equals(config, *again),
        absl::StrCat("what was taken is read as something else:\n", text));
}

void CheckSpecs(const v1::ClusterConfig& cluster) {
  for (size_t i = 0; i < static_cast<size_t>(cluster.nodes_size()); ++i) {
    v1::Orders orders;
    *orders.add_specs() = controller::MakeSpec(cluster, i, std::nullopt);
    const absl::StatusOr<executor::Orders> taken = executor::OrdersFromWire(orders);
    Check(taken.ok(), absl::StrCat("an executor refuses the spec of a good config: ",
                                   std::string(taken.status().message())));
    (void)controller::MakeIcmpOptions(cluster, i);
    (void)controller::MakeHttpOptions(cluster, i);
  }
  const controller::ClusterModel model = controller::MakeModel(cluster);
  Check(model.nodes.size() >= 2 && model.ttl <= kMaxTtl && model.heartbeat * 3 <= model.ttl,
        "a model out of range");
  Check(Costs(cluster).size() == 6, "the costs of six faults");
  Check(!SplitBrainOf(cluster).when.empty(), "when two hold the address is not said");
}

void TryController(std::string_view text) {
  const absl::StatusOr<v1::ControllerConfig> config =
      ParseControllerConfig(text, std::string(kFile));
  if (!config.ok()) return CheckRefusal(text, config.status());
  CheckWrittenOut(*config, ParseControllerConfig);
  for (const v1::ClusterConfig& cluster : config->clusters()) CheckSpecs(cluster);
  (void)Warnings(*config);
}

void TryExecutor(std::string_view text) {
  const absl::StatusOr<v1::ExecutorConfig> config = ParseExecutorConfig(text, std::string(kFile));
  if (!config.ok()) return CheckRefusal(text, config.status());
  CheckWrittenOut(*config, ParseExecutorConfig);
  const absl::StatusOr<executor::Settings> settings = executor::ReadSettings(*config);
  Check(settings.ok(), std::string(settings.status().message()));
}

}  // namespace
}  // namespace hb

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)hb::KindOfConfig(text);
  hb::TryController(text);
  hb::TryExecutor(text);
  return 0;
}
