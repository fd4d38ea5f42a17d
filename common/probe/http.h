// Fetches a page to learn whether a site works: libcurl's multi interface driven by the event loop,
// so that any number of fetches run beside each other without a thread. A fresh connection each
// time, no proxy, no netrc, redirects not followed unless told.
#ifndef HB_COMMON_PROBE_HTTP_H_
#define HB_COMMON_PROBE_HTTP_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "common/probe/result.h"
#include "common/time.h"

namespace hb {

// HTTP status codes that count as good: "200", "200-399", "200,301-302".
class HttpStatusSet {
 public:
  // InvalidArgument: not of that form, or a code outside 100 to 599.
  [[nodiscard]] static absl::StatusOr<HttpStatusSet> Parse(std::string_view text);
  bool Contains(long status) const;
  // As Parse() reads it: "200-399".
  std::string ToString() const;

 private:
  std::vector<std::pair<long, long>> ranges_{{200, 399}};
};

struct HttpRequest {
  std::string url;                      // http:// or https://
  Duration timeout = absl::Seconds(1);  // for all of it: connect, TLS, redirects, body
  HttpStatusSet expect_status;
  std::string expect_body;  // must stand in the first 256 KiB; empty: not looked for
  std::string host;         // Host header and SNI name; empty: the URL's own
  bool verify_tls = true;
  std::string ca_file;  // empty: the system's
  int redirects = 0;    // how many are followed
};

class HttpProber {
 public:
  // A fetch that is under way; destroying it cancels it, and its callback is not called.
  class Fetch;
  struct FetchDeleter {
    void operator()(Fetch* fetch) const;
  };
  using FetchHandle = std::unique_ptr<Fetch, FetchDeleter>;

  [[nodiscard]] static absl::StatusOr<std::unique_ptr<HttpProber>> Create(EventLoop* loop);
  virtual ~HttpProber() = default;

  // `done` is called once on the loop, never from within Start, at the latest `timeout` (and a few
  // ms) later. It may destroy the handle and may start another fetch.
  [[nodiscard]] virtual FetchHandle Start(const HttpRequest& request,
                                          std::function<void(ProbeResult)> done) = 0;
};

}  // namespace hb

#endif  // HB_COMMON_PROBE_HTTP_H_
