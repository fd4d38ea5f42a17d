// Feeds any text to what reads a single value: addresses, networks, endpoints, URLs, status sets,
// names, signals, process records. What is taken is what it says it is: its
// canonical form is read as the same, and where two places judge the same text (the config reader
// and whoever works by it) the second takes what the first has taken.
#include <curl/curl.h>
#include <signal.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/config/config_values.h"
#include "common/ip_address.h"
#include "common/probe/http.h"
#include "executor/host/service/process_record.h"
#include "executor/host/service/signal_name.h"
#include "tests/fuzz/byte_source.h"

namespace hb {
namespace {

using fuzz::Check;

template <typename T>
void CheckRefusal(const absl::StatusOr<T>& value) {
  Check(
      value.ok() || (absl::IsInvalidArgument(value.status()) && !value.status().message().empty()),
      "a refusal that says nothing");
}
void CheckRefusal(const absl::Status& status) {
  Check(status.ok() || (absl::IsInvalidArgument(status) && !status.message().empty()),
        "a refusal that says nothing");
}

void TryAddress(const std::string& text) {
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
  CheckRefusal(address);
  if (address.ok()) {
    const absl::StatusOr<IpAddress> again = IpAddress::Parse(address->ToString());
    Check(again.ok() && *again == *address, "an address's text is another address");
    (void)address->ToUrlHost();
    (void)IsLoopback(*address);
  }
  const absl::StatusOr<IpAddress> host = ParseHostAddress(text);
  CheckRefusal(host);
  Check(!host.ok() || (address.ok() && *host == *address), "a host's address is no address");
}

void TryPrefix(const std::string& text) {
  const absl::StatusOr<IpPrefix> prefix = IpPrefix::Parse(text);
  CheckRefusal(prefix);
  if (prefix.ok()) {
    const absl::StatusOr<IpPrefix> again = IpPrefix::Parse(prefix->ToString());
    Check(again.ok() && *again == *prefix, "a prefix's text is another prefix");
    Check(prefix->length >= 0 && prefix->length <= prefix->address.bits(), "no prefix's length");
    Check(prefix->Contains(prefix->address), "a network without its own address");
  }
  for (const absl::StatusOr<IpPrefix>& strict : {ParseVip(text), ParseNetwork(text)}) {
    CheckRefusal(strict);
    if (!strict.ok()) continue;
    Check(prefix.ok() && *strict == *prefix, "two readers of a prefix differ");
  }
}

void TryEndpoint(const std::string& text) {
  const absl::StatusOr<Endpoint> endpoint = ParseEndpoint(text);
  CheckRefusal(endpoint);
  if (!endpoint.ok()) return;
  const absl::StatusOr<Endpoint> again = ParseEndpoint(endpoint->ToString());
  Check(again.ok() && again->address == endpoint->address && again->port == endpoint->port,
        "an endpoint's text is another endpoint");
  Check(endpoint->port != 0, "port 0");
}

void TryStatuses(const std::string& text) {
  const absl::StatusOr<HttpStatusSet> set = HttpStatusSet::Parse(text);
  CheckRefusal(set);
  const absl::Status judged = CheckHttpStatuses(text);
  CheckRefusal(judged);
  Check(set.ok() == judged.ok(), "two readers of HTTP statuses differ");
  if (!set.ok()) return;
  const absl::StatusOr<HttpStatusSet> again = HttpStatusSet::Parse(set->ToString());
  Check(again.ok(), "a status set's text is none");
  bool any = false;
  for (long status = 0; status < 700; ++status) {
    Check(again->Contains(status) == set->Contains(status), "a status set's text is another set");
    any = any || set->Contains(status);
    Check(!set->Contains(status) || (status >= 100 && status <= 599), "no HTTP status");
  }
  Check(any, "no status is good");
}

void TryUrl(const std::string& text) {
  for (const bool placeholder : {false, true}) {
    const absl::Status status = CheckHttpUrl(text, placeholder);
    CheckRefusal(status);
    if (!status.ok()) continue;
    // libcurl is who will fetch it.
    const std::string url = absl::StrReplaceAll(text, {{"{address}", "192.0.2.1"}});
    CURLU* parsed = curl_url();
    const CURLUcode code = curl_url_set(parsed, CURLUPART_URL, url.c_str(), 0);
    curl_url_cleanup(parsed);
    Check(code == CURLUE_OK, absl::StrCat("libcurl takes no such URL: ", url));
  }
  CheckRefusal(CheckHttpHost(text));
}

void TryName(const std::string& text) {
  const absl::Status name = CheckName(text);
  CheckRefusal(name);
  Check(!name.ok() || (!text.empty() && text.size() <= 63 && text[0] != '.' && text[0] != '-' &&
                       text.find_first_of("/ =@,\n") == std::string::npos),
        "a name that can't be written to the state directory");
  const absl::Status interface = CheckInterface(text);
  CheckRefusal(interface);
  Check(!interface.ok() || (!text.empty() && text.size() < 16 &&
                            text.find_first_of("/ \n\t") == std::string::npos),
        "an interface's name that can't be written to the state directory");
  const absl::Status path = CheckPath(text);
  CheckRefusal(path);
  Check(!path.ok() || (text[0] == '/' && text.find('\n') == std::string::npos), "no path");
  CheckRefusal(CheckUnit(text));
}

void TrySignal(const std::string& text) {
  const absl::Status judged = CheckStopSignal(text);
  CheckRefusal(judged);
  const absl::StatusOr<int> signal = executor::ParseSignalName(text);
  if (!judged.ok()) return;
  Check(signal.ok() && *signal > 0 && *signal != SIGKILL, "a stop signal that is none");
  Check(executor::SignalName(*signal) == text, "a signal's name is another's");
}

void TryProcess(const std::string& text) {
  const absl::StatusOr<executor::ProcessRecord> record = executor::ProcessRecord::Parse(text);
  CheckRefusal(record);
  if (record.ok()) {
    Check(record->pid > 1, "a record of everybody");
    Check(record->Format() == text, "a process record that hb has not written is taken");
  }
  CheckRefusal(executor::ParseProcessStat(text));
}

}  // namespace
}  // namespace hb

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0:
      hb::TryAddress(text);
      break;
    case 1:
      hb::TryPrefix(text);
      break;
    case 2:
      hb::TryEndpoint(text);
      break;
    case 3:
      hb::TryStatuses(text);
      break;
    case 4:
      hb::TryUrl(text);
      break;
    case 5:
      hb::TryName(text);
      break;
    case 6:
      hb::TrySignal(text);
      break;
    default:
      hb::TryProcess(text);
      break;
  }
  return 0;
}
