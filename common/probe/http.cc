// HttpProber on libcurl's multi socket interface: curl says which descriptors and which timer it
// wants watched, the event loop watches them and tells curl what happened. Curl's own callbacks
// only note things down; the caller's callback runs when curl has returned. Nothing outside the
// request decides how a page is fetched: no proxy variables, no netrc, no cached connection, TLS
// session or name of an earlier fetch.
#include "common/probe/http.h"

#include <curl/curl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/boot_clock.h"

namespace hb {
namespace {

constexpr size_t kMaxBody = 256 * 1024;
constexpr char kBrokenOff[] = "connection closed in the middle of the answer";

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Easy = std::unique_ptr<CURL, EasyDeleter>;
using List = std::unique_ptr<curl_slist, ListDeleter>;
using Url = std::unique_ptr<CURLU, UrlDeleter>;

// The multi handle and what it has the loop watch. Shared by the prober and its fetches, so that a
// fetch may outlive the prober.
class CurlLoop : public std::enable_shared_from_this<CurlLoop> {
 public:
  explicit CurlLoop(EventLoop* loop) : loop_(loop), multi_(curl_multi_init()) {}
  ~CurlLoop() {
    if (multi_ != nullptr) curl_multi_cleanup(multi_);
  }
  CurlLoop(const CurlLoop&) = delete;
  CurlLoop& operator=(const CurlLoop&) = delete;

  [[nodiscard]] absl::Status Init();
  EventLoop* loop() const { return loop_; }
  CURLM* multi() const { return multi_; }

 private:
  static int OnSocket(CURL* easy, curl_socket_t fd, int what, void* self, void* per_socket);
  static int OnTimer(CURLM* multi, long timeout_ms, void* self);
  // Tells curl what happened, then ends the fetches that this completed.
  void Drive(curl_socket_t fd, int events);

  EventLoop* const loop_;
  CURLM* const multi_;
  EventLoop::Handle timer_;
  std::unordered_map<curl_socket_t, EventLoop::Handle> watches_;
};

}  // namespace

class HttpProber::Fetch {
 public:
  Fetch(std::shared_ptr<CurlLoop> curl, const HttpRequest& request,
        std::function<void(ProbeResult)> done)
      : curl_(std::move(curl)), request_(request), done_(std::move(done)), started_(BootNow()) {}
  ~Fetch() { Detach(); }
  Fetch(const Fetch&) = delete;
  Fetch& operator=(const Fetch&) = delete;

  // Begins; a request that can't even begin ends at the loop's next turn.
  void Begin();
  // Curl is done with it. May destroy this object.
  void OnDone(CURLcode code) { Finish(Judge(code)); }

 private:
  [[nodiscard]] absl::Status Configure();
  [[nodiscard]] absl::Status SetTarget();
  ProbeResult Judge(CURLcode code) const;
  std::string Explain(CURLcode code) const;
  // Takes it away from curl and closes its connection.
  void Detach();
  void Finish(ProbeResult result);
  static size_t OnHeader(char* data, size_t size, size_t count, void* self);
  static size_t OnBody(char* data, size_t size, size_t count, void* self);

  const std::shared_ptr<CurlLoop> curl_;
  const HttpRequest request_;
  std::function<void(ProbeResult)> done_;
  const MonoTime started_;
  EventLoop::Handle deadline_;
  List headers_;
  List connect_to_;
  std::array<char, CURL_ERROR_SIZE> error_{};
  std::string body_;
  bool body_full_ = false;
  bool head_complete_ = false;
  Easy easy_;  // last: it points at the above
};

namespace {

absl::Status CurlLoop::Init() {
  if (multi_ == nullptr) return absl::UnavailableError("curl_multi_init: out of memory");
  for (const CURLMcode code : {curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, OnSocket),
                               curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this),
                               curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, OnTimer),
                               curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this)}) {
    if (code != CURLM_OK) {
      return absl::InternalError(absl::StrCat("curl_multi_setopt: ", curl_multi_strerror(code)));
    }
  }
  return absl::OkStatus();
}

int CurlLoop::OnSocket(CURL* /*easy*/, curl_socket_t fd, int what, void* self,
                       void* /*per_socket*/) {
  auto* me = static_cast<CurlLoop*>(self);
  me->watches_.erase(fd);  // before another watch of it: the kernel takes a descriptor once
  if (what == CURL_POLL_REMOVE || what == CURL_POLL_NONE) return 0;
  uint32_t events = 0;
  if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) events |= EPOLLIN;
  if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) events |= EPOLLOUT;
  me->watches_[fd] = me->loop_->WatchFd(fd, events, [me, fd](uint32_t revents) {
    int seen = 0;
    if ((revents & (EPOLLIN | EPOLLHUP)) != 0) seen |= CURL_CSELECT_IN;
    if ((revents & EPOLLOUT) != 0) seen |= CURL_CSELECT_OUT;
    if ((revents & EPOLLERR) != 0) seen |= CURL_CSELECT_ERR;
    me->Drive(fd, seen);
  });
  return 0;
}

int CurlLoop::OnTimer(CURLM* /*multi*/, long timeout_ms, void* self) {
  auto* me = static_cast<CurlLoop*>(self);
  me->timer_.Cancel();
  if (timeout_ms >= 0) {
    me->timer_ = me->loop_->After(absl::Milliseconds(timeout_ms),
                                  [me] { me->Drive(CURL_SOCKET_TIMEOUT, 0); });
  }
  return 0;
}

void CurlLoop::Drive(curl_socket_t fd, int events) {
  const std::shared_ptr<CurlLoop> keep = shared_from_this();
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    HttpProber::Fetch* fetch = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &fetch);
    fetch->OnDone(code);
  }
}

// "name", "name:port", "[v6]" or "[v6]:port", split; nothing that could break out of a header line.
struct HostAndPort {
  std::string name;
  std::string port;
};
std::optional<HostAndPort> SplitHost(std::string_view host) {
  const bool bracketed = !host.empty() && host.front() == '[';
  const size_t colon = host.find(':', bracketed ? host.find(']') : 0);
  const std::string_view name = host.substr(0, colon);
  const std::string_view port =
      colon == std::string_view::npos ? std::string_view() : host.substr(colon + 1);
  if (name.empty() || (bracketed && name.back() != ']')) return std::nullopt;
  for (const char c : name) {
    const bool good = absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' ||
                      c == '_' || (bracketed && (c == ':' || c == '[' || c == ']'));
    if (!good) return std::nullopt;
  }
  for (const char c : port) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return std::nullopt;
  }
  if (colon != std::string_view::npos && port.empty()) return std::nullopt;
  return HostAndPort{std::string(name), std::string(port)};
}

absl::StatusOr<std::string> UrlPart(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (const CURLUcode code = curl_url_get(url, part, &text, 0); code != CURLUE_OK) {
    return absl::InvalidArgumentError(curl_url_strerror(code));
  }
  std::string result = text;
  curl_free(text);
  return result;
}

// Shortened, so that a long text does not fill a log line.
std::string Quoted(std::string_view text) {
  constexpr size_t kShown = 80;
  if (text.size() <= kShown) return absl::StrCat("\"", std::string(text), "\"");
  return absl::StrCat("\"", std::string(text.substr(0, kShown)), "…\"");
}

}  // namespace

void HttpProber::Fetch::Begin() {
  EventLoop* loop = curl_->loop();
  absl::Status status = Configure();
  if (status.ok()) {
    if (const CURLMcode code = curl_multi_add_handle(curl_->multi(), easy_.get());
        code != CURLM_OK) {
      status = absl::InternalError(absl::StrCat("curl: ", curl_multi_strerror(code)));
    }
  }
  if (!status.ok()) {
    easy_.reset();
    deadline_ = loop->After(absl::ZeroDuration(), [this, text = std::string(status.message())] {
      Finish({false, text, absl::ZeroDuration()});
    });
    return;
  }
  deadline_ = loop->At(started_ + request_.timeout, [this] {
    Finish({false, absl::StrCat("timed out after ", HumanDuration(request_.timeout)),
            BootNow() - started_});
  });
}

absl::Status HttpProber::Fetch::Configure() {
  easy_.reset(curl_easy_init());
  if (easy_ == nullptr) return absl::UnavailableError("curl_easy_init: out of memory");
  if (absl::Status status = SetTarget(); !status.ok()) return status;
  CURL* e = easy_.get();
  const long verify = request_.verify_tls ? 1 : 0;
  const long redirects = std::max(request_.redirects, 0);
  bool ok = true;
  const auto check = [&ok](CURLcode code) { ok = ok && code == CURLE_OK; };
  check(curl_easy_setopt(e, CURLOPT_PRIVATE, this));
  check(curl_easy_setopt(e, CURLOPT_ERRORBUFFER, error_.data()));
  check(curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, OnHeader));
  check(curl_easy_setopt(e, CURLOPT_HEADERDATA, this));
  check(curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, OnBody));
  check(curl_easy_setopt(e, CURLOPT_WRITEDATA, this));
  check(curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L));
  // A name server that does not answer must not hold up the loop when the fetch is given up.
  check(curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L));
  check(curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 0L));
  check(curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L));
  check(curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L));
  check(curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 0L));
  check(curl_easy_setopt(e, CURLOPT_PROXY, ""));
  check(curl_easy_setopt(e, CURLOPT_NETRC, long{CURL_NETRC_IGNORED}));
  check(curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https"));
  check(curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https"));
  check(curl_easy_setopt(e, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1}));
  check(curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, redirects > 0 ? 1L : 0L));
  check(curl_easy_setopt(e, CURLOPT_MAXREDIRS, redirects));
  check(curl_easy_setopt(e, CURLOPT_USERAGENT, "hb/0.1"));
  check(curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, verify));
  check(curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, verify * 2));
  if (!request_.ca_file.empty()) {
    check(curl_easy_setopt(e, CURLOPT_CAINFO, request_.ca_file.c_str()));
    check(curl_easy_setopt(e, CURLOPT_CAPATH, nullptr));
  }
  return ok ? absl::OkStatus() : absl::InternalError("curl refused an option");
}

// The URL, with `host` in place of its own host where one is asked for: curl then takes it for SNI,
// for the certificate and for redirects to itself, while the connection goes to the address that
// the URL names.
absl::Status HttpProber::Fetch::SetTarget() {
  const Url url(curl_url());
  if (url == nullptr) return absl::UnavailableError("curl_url: out of memory");
  const auto bad = [this](const absl::AlphaNum& why) {
    return absl::InvalidArgumentError(absl::StrCat("URL '", request_.url, "': ", why));
  };
  if (const CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, request_.url.c_str(), 0);
      code != CURLUE_OK) {
    return bad(curl_url_strerror(code));
  }
  const absl::StatusOr<std::string> scheme = UrlPart(url.get(), CURLUPART_SCHEME);
  if (!scheme.ok() || (*scheme != "http" && *scheme != "https")) {
    return bad("only http:// and https:// can be fetched");
  }
  if (!request_.host.empty()) {
    const std::optional<HostAndPort> host = SplitHost(request_.host);
    if (!host) return bad(absl::StrCat("host '", request_.host, "' is not a host name"));
    const absl::StatusOr<std::string> address = UrlPart(url.get(), CURLUPART_HOST);
    if (!address.ok()) return bad(address.status().message());
    if (const CURLUcode code = curl_url_set(url.get(), CURLUPART_HOST, host->name.c_str(), 0);
        code != CURLUE_OK) {
      return bad(curl_url_strerror(code));
    }
    headers_.reset(curl_slist_append(nullptr, absl::StrCat("Host: ", request_.host).c_str()));
    connect_to_.reset(
        curl_slist_append(nullptr, absl::StrCat(host->name, "::", *address, ":").c_str()));
    if (headers_ == nullptr || connect_to_ == nullptr) {
      return absl::UnavailableError("curl_slist_append: out of memory");
    }
  }
  const absl::StatusOr<std::string> text = UrlPart(url.get(), CURLUPART_URL);
  if (!text.ok()) return bad(text.status().message());
  if (curl_easy_setopt(easy_.get(), CURLOPT_URL, text->c_str()) != CURLE_OK ||
      curl_easy_setopt(easy_.get(), CURLOPT_HTTPHEADER, headers_.get()) != CURLE_OK ||
      curl_easy_setopt(easy_.get(), CURLOPT_CONNECT_TO, connect_to_.get()) != CURLE_OK) {
    return bad("curl refused it");
  }
  return absl::OkStatus();
}

// Curl is content with a head that breaks off after its first line; a page is not.
size_t HttpProber::Fetch::OnHeader(char* data, size_t size, size_t count, void* self) {
  auto* me = static_cast<Fetch*>(self);
  const std::string_view line(data, size * count);
  if (line.substr(0, 5) == "HTTP/") me->head_complete_ = false;
  if (line == "\r\n" || line == "\n") me->head_complete_ = true;
  return size * count;
}

size_t HttpProber::Fetch::OnBody(char* data, size_t size, size_t count, void* self) {
  auto* me = static_cast<Fetch*>(self);
  const size_t take = std::min(size * count, kMaxBody - me->body_.size());
  me->body_.append(data, take);
  me->body_full_ = me->body_.size() == kMaxBody;
  // Less than all ends the transfer.
  return me->body_full_ ? CURL_WRITEFUNC_ERROR : size * count;
}

ProbeResult HttpProber::Fetch::Judge(CURLcode code) const {
  const Duration took = BootNow() - started_;
  const bool ended_by_us = code == CURLE_WRITE_ERROR && body_full_;
  if (code != CURLE_OK && !ended_by_us) return {false, Explain(code), took};
  if (!head_complete_) return {false, kBrokenOff, took};
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  if (!request_.expect_status.Contains(status)) {
    return {false, absl::StrCat(status, ", expected ", request_.expect_status.ToString()), took};
  }
  if (body_.find(request_.expect_body) == std::string::npos) {
    return {false, absl::StrCat("body lacks ", Quoted(request_.expect_body)), took};
  }
  return {true, absl::StrCat(status), took};
}

std::string HttpProber::Fetch::Explain(CURLcode code) const {
  const std::string_view given(error_.data());
  std::string text(given.empty() ? std::string_view(curl_easy_strerror(code)) : given);
  long error = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &error);
  switch (code) {
    case CURLE_COULDNT_CONNECT:
      return error != 0 ? std::strerror(static_cast<int>(error)) : text;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return absl::StrCat("connection lost: ",
                          error != 0 ? std::strerror(static_cast<int>(error)) : text);
    case CURLE_GOT_NOTHING:
      return "connection closed without an answer";
    case CURLE_PARTIAL_FILE:
      return kBrokenOff;
    case CURLE_UNSUPPORTED_PROTOCOL:
      if (text.find("HTTP/0.9") != std::string::npos) return "the answer is not HTTP";
      return text;
    case CURLE_WEIRD_SERVER_REPLY:
      return absl::StrCat("the answer is not HTTP: ", text);
    case CURLE_TOO_MANY_REDIRECTS:
      return absl::StrCat("more than ", request_.redirects,
                          request_.redirects == 1 ? " redirect" : " redirects");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return absl::StrCat("certificate: ",
                          std::string(absl::StripPrefix(
                              absl::StripPrefix(text, "SSL certificate problem: "), "SSL: ")));
    case CURLE_SSL_CACERT_BADFILE:
      return absl::StrCat("certificate: CA file ", request_.ca_file, ": ", text);
    case CURLE_SSL_CONNECT_ERROR:
      return absl::StrCat("TLS: ", text);
    default:
      return text;
  }
}

void HttpProber::Fetch::Detach() {
  deadline_.Cancel();
  if (easy_ == nullptr) return;
  curl_multi_remove_handle(curl_->multi(), easy_.get());
  easy_.reset();
}

void HttpProber::Fetch::Finish(ProbeResult result) {
  Detach();
  const std::function<void(ProbeResult)> done = std::move(done_);
  done(std::move(result));  // may have destroyed this object
}

void HttpProber::FetchDeleter::operator()(Fetch* fetch) const { delete fetch; }

namespace {

class CurlHttpProber final : public HttpProber {
 public:
  explicit CurlHttpProber(std::shared_ptr<CurlLoop> curl) : curl_(std::move(curl)) {}

  FetchHandle Start(const HttpRequest& request, std::function<void(ProbeResult)> done) override {
    FetchHandle fetch(new Fetch(curl_, request, std::move(done)));
    fetch->Begin();
    return fetch;
  }

 private:
  const std::shared_ptr<CurlLoop> curl_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpProber>> HttpProber::Create(EventLoop* loop) {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (global != CURLE_OK) {
    return absl::UnavailableError(absl::StrCat("curl_global_init: ", curl_easy_strerror(global)));
  }
  auto curl = std::make_shared<CurlLoop>(loop);
  if (const absl::Status status = curl->Init(); !status.ok()) return status;
  return std::make_unique<CurlHttpProber>(std::move(curl));
}

}  // namespace hb
