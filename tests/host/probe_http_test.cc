// HttpProber against a real server on loopback that answers well, badly, slowly, endlessly or not
// at all. TLS has its own file, probe_tls_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/boot_clock.h"
#include "common/probe/http.h"
#include "tests/host/probe_fixture.h"
#include "tests/host/probe_http_server.h"

namespace hb {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Server = ProbeHttpServer;

constexpr char kOkHead[] = "HTTP/1.1 200 OK\r\n";

class ProbeHttpTest : public ::testing::Test {
 protected:
  HttpRequest Request(std::string_view path) const {
    HttpRequest request;
    request.url = server_.Url(path);
    request.timeout = absl::Seconds(10);  // far beyond what any answer takes
    return request;
  }
  ProbeResult Fetch(const HttpRequest& request) {
    std::optional<ProbeResult> result;
    const HttpProber::FetchHandle handle = prober_->Start(request, [&result](ProbeResult r) {
      EXPECT_FALSE(result.has_value()) << "called twice";
      result = std::move(r);
    });
    EXPECT_FALSE(result.has_value()) << "called from within Start";
    EXPECT_TRUE(RunLoopUntil(loop_.get(), [&] { return result.has_value(); }));
    return result.value_or(ProbeResult{});
  }
  ProbeResult Fetch(std::string_view path) { return Fetch(Request(path)); }

  Server server_;
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  std::unique_ptr<HttpProber> prober_ = HttpProber::Create(loop_.get()).value();
};

TEST_F(ProbeHttpTest, AnAnswerOfGoodStatusIsGood) {
  server_.On("/", Server::Answer(200, "<html>It works!</html>"));
  const MonoTime before = BootNow();
  const ProbeResult result = Fetch("/");
  EXPECT_TRUE(result.good);
  EXPECT_EQ(result.detail, "200");
  EXPECT_GT(result.round_trip, absl::ZeroDuration());
  EXPECT_LE(result.round_trip, BootNow() - before);
}

TEST_F(ProbeHttpTest, JudgesTheStatus) {
  const struct {
    int status;
    const char* expect;
    bool good;
    const char* detail;
  } cases[] = {
      {200, "200-399", true, "200"},
      {204, "200-399", true, "204"},
      {301, "200-399", true, "301"},
      {404, "200-399", false, "404, expected 200-399"},
      {503, "200-399", false, "503, expected 200-399"},
      {503, "200,503", true, "503"},
      {302, "200", false, "302, expected 200"},
      {200, "301-302", false, "200, expected 301-302"},
  };
  for (const auto& c : cases) {
    server_.On("/", Server::Bytes(absl::StrCat("HTTP/1.1 ", c.status,
                                               " X\r\nLocation: /nowhere\r\n"
                                               "Content-Length: 0\r\n\r\n")));
    HttpRequest request = Request("/");
    request.expect_status = HttpStatusSet::Parse(c.expect).value();
    const ProbeResult result = Fetch(request);
    EXPECT_EQ(result.good, c.good) << c.status;
    EXPECT_EQ(result.detail, c.detail);
  }
}

TEST_F(ProbeHttpTest, SaysWhatItIsAndAsksForNothingSpecial) {
  server_.On("/page?x=1", Server::Answer(200, ""));
  EXPECT_TRUE(Fetch("/page?x=1").good);
  const std::vector<std::string> heads = server_.heads();
  ASSERT_EQ(heads.size(), 1U);
  EXPECT_THAT(heads[0], StartsWith("GET /page?x=1 HTTP/1.1\r\n"));
  EXPECT_THAT(heads[0], HasSubstr(absl::StrCat("\r\nHost: 127.0.0.1:", server_.port(), "\r\n")));
  EXPECT_THAT(heads[0], HasSubstr("\r\nUser-Agent: hb/0.1\r\n"));
  EXPECT_THAT(heads[0], Not(HasSubstr("Accept-Encoding")));
}

TEST_F(ProbeHttpTest, LooksForTheBodysText) {
  const std::string filler(1000, '.');
  server_.On("/", Server::Answer(200, absl::StrCat(filler, "It works!", filler)));
  server_.On("/chunked", Server::Bytes(absl::StrCat(kOkHead, "Transfer-Encoding: chunked\r\n\r\n",
                                                    "5\r\n<It w\r\n5\r\norks!\r\n0\r\n\r\n")));
  server_.On("/until-close", Server::Bytes(absl::StrCat(kOkHead, "\r\nIt works!")));
  for (const char* path : {"/", "/chunked", "/until-close"}) {
    HttpRequest request = Request(path);
    request.expect_body = "It works!";
    EXPECT_EQ(Fetch(request).detail, "200") << path;
    request.expect_body = "it works!";
    const ProbeResult result = Fetch(request);
    EXPECT_FALSE(result.good);
    EXPECT_EQ(result.detail, "body lacks \"it works!\"");
  }
}

TEST_F(ProbeHttpTest, ReadsTheFirst256KiBAlone) {
  constexpr size_t kLimit = 256 * 1024;
  const std::string mark = "the mark";
  const struct {
    size_t at;
    bool good;
  } cases[] = {{0, true}, {kLimit - mark.size(), true}, {kLimit - mark.size() + 1, false}};
  for (const auto& c : cases) {
    std::string body(2 * kLimit, '.');
    body.replace(c.at, mark.size(), mark);
    server_.On("/", Server::Answer(200, body));
    HttpRequest request = Request("/");
    request.expect_body = mark;
    const ProbeResult result = Fetch(request);
    EXPECT_EQ(result.good, c.good) << c.at << ": " << result.detail;
  }
}

TEST_F(ProbeHttpTest, EndsAnEndlessBody) {
  server_.On("/length",
             Server::Endless(absl::StrCat(kOkHead, "Content-Length: 99999999999\r\n\r\n"),
                             std::string(8192, 'x')));
  server_.On("/chunked",
             Server::Endless(absl::StrCat(kOkHead, "Transfer-Encoding: chunked\r\n\r\n"),
                             "4\r\nxxxx\r\n"));
  server_.On("/bad", Server::Endless("HTTP/1.1 500 X\r\n\r\n", std::string(8192, 'x')));
  EXPECT_EQ(Fetch("/length").detail, "200");
  EXPECT_EQ(Fetch("/chunked").detail, "200");
  EXPECT_EQ(Fetch("/bad").detail, "500, expected 200-399");
  // The connections are closed, not left to run on.
  EXPECT_TRUE(RunLoopUntil(loop_.get(), [this] {
    loop_->Post([] {});
    return server_.open() == 0;
  }));
}

TEST_F(ProbeHttpTest, FailsOnAnswersThatAreNone) {
  const struct {
    const char* name;
    std::string bytes;
    ::testing::Matcher<std::string> detail;
  } cases[] = {
      {"closed at once", "", "connection closed without an answer"},
      {"garbage", "SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP"},
      {"binary", std::string("\x16\x03\x01\x00\x00\xff\n", 7), "the answer is not HTTP"},
      {"half a head", "HTTP/1.1 200 OK\r\nContent-Le",
       "connection closed in the middle of the answer"},
      {"half a head, even", "HTTP/1.1 200 OK\r\nServer: x\r\n",
       "connection closed in the middle of the answer"},
      {"no more than promised", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
       "connection closed in the middle of the answer"},
      {"short body", absl::StrCat(kOkHead, "Content-Length: 10\r\n\r\nabc"),
       "connection closed in the middle of the answer"},
      {"short chunk", absl::StrCat(kOkHead, "Transfer-Encoding: chunked\r\n\r\n5\r\nab"),
       "connection closed in the middle of the answer"},
      {"bad chunk", absl::StrCat(kOkHead, "Transfer-Encoding: chunked\r\n\r\nzz\r\nab"),
       HasSubstr("chunk")},
      {"negative length", absl::StrCat(kOkHead, "Content-Length: -1\r\n\r\n"),
       HasSubstr("Content-Length")},
  };
  for (const auto& c : cases) {
    server_.On("/", Server::Bytes(c.bytes));
    const ProbeResult result = Fetch("/");
    EXPECT_FALSE(result.good) << c.name;
    EXPECT_THAT(result.detail, c.detail) << c.name;
  }
}

TEST_F(ProbeHttpTest, EndsEndlessHeaders) {
  server_.On("/lines",
             Server::Endless(kOkHead, absl::StrCat("X: ", std::string(4000, 'x'), "\r\n")));
  server_.On("/line", Server::Endless(kOkHead, std::string(8192, 'x')));
  for (const char* path : {"/lines", "/line"}) {
    HttpRequest request = Request(path);
    request.timeout = absl::Seconds(2);
    const ProbeResult result = Fetch(request);
    EXPECT_FALSE(result.good) << path;
    EXPECT_LT(result.round_trip, absl::Seconds(4)) << path;
  }
}

TEST_F(ProbeHttpTest, TimesOutWhereverItHangs) {
  server_.On("/silent", Server::BytesThenHang(""));
  server_.On("/head", Server::BytesThenHang(kOkHead));
  server_.On("/body",
             Server::BytesThenHang(absl::StrCat(kOkHead, "Content-Length: 10\r\n\r\nabc")));
  for (const char* path : {"/silent", "/head", "/body"}) {
    HttpRequest request = Request(path);
    request.timeout = absl::Milliseconds(150);
    const ProbeResult result = Fetch(request);
    EXPECT_FALSE(result.good) << path;
    EXPECT_EQ(result.detail, "timed out after 150 ms") << path;
    EXPECT_GE(result.round_trip, request.timeout) << path;
    EXPECT_LT(result.round_trip, request.timeout + absl::Seconds(2)) << path;
  }
}

TEST_F(ProbeHttpTest, TimesOutOnAConnectionThatIsNotMade) {
  // A listener whose queue is full drops further SYNs, as a firewall would.
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(listen(listener, 0), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
  std::vector<int> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ASSERT_EQ(connect(clients.back(), reinterpret_cast<sockaddr*>(&address), length), -1);
  }
  HttpRequest request;
  request.url = absl::StrCat("http://127.0.0.1:", ntohs(address.sin_port), "/");
  request.timeout = absl::Milliseconds(150);
  const ProbeResult result = Fetch(request);
  EXPECT_EQ(result.detail, "timed out after 150 ms");
  for (const int fd : clients) close(fd);
  close(listener);
}

TEST_F(ProbeHttpTest, AnswersThatCameInTimeCountThoughTheLoopWasLate) {
  // The last one asked, whose answer is the last to be read, has the first deadline.
  constexpr int kMany = 5;
  server_.On("/", Server::Answer(200, ""));
  HttpRequest request = Request("/");
  request.timeout = absl::Seconds(2);
  const MonoTime deadline = BootNow() + request.timeout;
  std::vector<HttpProber::FetchHandle> handles;
  std::vector<std::string> details;
  handles.reserve(kMany);
  for (int i = 0; i < kMany; ++i) {
    request.timeout -= absl::Milliseconds(1);
    handles.push_back(
        prober_->Start(request, [&details](const ProbeResult& r) { details.push_back(r.detail); }));
  }
  // Until all are asked, and no further: then the loop itself is stuck.
  ASSERT_TRUE(RunLoopUntil(loop_.get(), [this] { return server_.heads().size() == kMany; }));
  absl::SleepFor(deadline + absl::Milliseconds(100) - BootNow());
  ASSERT_TRUE(RunLoopUntil(loop_.get(), [&] { return details.size() == kMany; }));
  EXPECT_THAT(details, Each("200"));
}

TEST_F(ProbeHttpTest, SaysWhyItCouldNotConnect) {
  HttpRequest request = Request("/");
  {
    const Server gone;
    request.url = gone.Url("/");
  }
  const ProbeResult result = Fetch(request);
  EXPECT_FALSE(result.good);
  EXPECT_EQ(result.detail, "Connection refused");
}

TEST_F(ProbeHttpTest, RefusesWhatItCannotFetch) {
  const struct {
    const char* url;
    const char* host;
    const char* detail;
  } cases[] = {
      {"ftp://127.0.0.1/", "", "only http:// and https://"},
      {"file:///etc/hostname", "", "only http:// and https://"},
      {"gopher://127.0.0.1/", "", "only http:// and https://"},
      {"", "", "URL ''"},
      {"127.0.0.1/", "", "URL '127.0.0.1/'"},
      {"http://", "", "URL 'http://'"},
      {"http://127.0.0.1:99999/", "", "URL 'http://127.0.0.1:99999/'"},
      {"http://127.0.0.1/", "a\r\nX-Evil: 1", "is not a host name"},
      {"http://127.0.0.1/", "a b", "is not a host name"},
      {"http://127.0.0.1/", "a/b", "is not a host name"},
      {"http://127.0.0.1/", "a:", "is not a host name"},
      {"http://127.0.0.1/", "[::1", "is not a host name"},
  };
  for (const auto& c : cases) {
    HttpRequest request;
    request.url = c.url;
    request.host = c.host;
    const ProbeResult result = Fetch(request);
    EXPECT_FALSE(result.good) << c.url;
    EXPECT_THAT(result.detail, HasSubstr(c.detail));
  }
}

TEST_F(ProbeHttpTest, FollowsRedirectsAsFarAsToldAlone) {
  server_.On("/a", Server::Answer(302, "moved", "Location: /b\r\n"));
  server_.On("/b", Server::Answer(302, "moved", "Location: /c\r\n"));
  server_.On("/c", Server::Answer(200, "here"));
  const struct {
    int redirects;
    const char* detail;
  } cases[] = {{0, "302, expected 200"}, {1, "more than 1 redirect"}, {2, "200"}, {9, "200"}};
  for (const auto& c : cases) {
    HttpRequest request = Request("/a");
    request.redirects = c.redirects;
    request.expect_status = HttpStatusSet::Parse("200").value();
    EXPECT_EQ(Fetch(request).detail, c.detail) << c.redirects;
  }
  HttpRequest request = Request("/a");
  request.redirects = 2;
  request.expect_body = "here";
  EXPECT_EQ(Fetch(request).detail, "200");
  request.expect_body = "moved";
  EXPECT_EQ(Fetch(request).detail, "body lacks \"moved\"");
}

TEST_F(ProbeHttpTest, IsNotRedirectedToFiles) {
  server_.On("/", Server::Answer(302, "", "Location: file:///etc/hostname\r\n"));
  HttpRequest request = Request("/");
  request.redirects = 3;
  const ProbeResult result = Fetch(request);
  EXPECT_FALSE(result.good);
  EXPECT_THAT(result.detail, HasSubstr("file"));
}

TEST_F(ProbeHttpTest, SendsTheHostItIsTold) {
  server_.On("/", Server::Answer(200, ""));
  for (const char* host : {"www.example.test", "www.example.test:8080", "[fd00::1]"}) {
    HttpRequest request = Request("/");
    request.host = host;
    EXPECT_EQ(Fetch(request).detail, "200");
    EXPECT_THAT(server_.heads().back(), HasSubstr(absl::StrCat("\r\nHost: ", host, "\r\n")));
  }
}

TEST_F(ProbeHttpTest, ARedirectToTheHostStaysOnTheAddress) {
  // www.example.test does not resolve: only the URL's address can have answered.
  server_.On("/", Server::Answer(301, "",
                                 absl::StrCat("Location: http://www.example.test:", server_.port(),
                                              "/home\r\n")));
  server_.On("/home", Server::Answer(200, "home"));
  HttpRequest request = Request("/");
  request.host = "www.example.test";
  request.redirects = 1;
  request.expect_body = "home";
  EXPECT_EQ(Fetch(request).detail, "200");
}

TEST_F(ProbeHttpTest, HeedsNoProxyAndNoNetrc) {
  Server proxy;
  const std::filesystem::path home =
      std::filesystem::temp_directory_path() / absl::StrCat("hb-probe-home-", getpid());
  std::filesystem::create_directory(home);
  std::ofstream(home / ".netrc") << "machine 127.0.0.1 login me password secret\n";
  const std::string old_home = getenv("HOME") != nullptr ? getenv("HOME") : "";
  setenv("HOME", home.c_str(), 1);
  const std::vector<const char*> names = {"http_proxy", "https_proxy", "all_proxy",
                                          "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"};
  for (const char* name : names) setenv(name, proxy.Url("").c_str(), 1);
  server_.On("/", Server::Answer(200, ""));
  const ProbeResult result = Fetch("/");
  for (const char* name : names) unsetenv(name);
  setenv("HOME", old_home.c_str(), 1);
  std::filesystem::remove_all(home);
  EXPECT_EQ(result.detail, "200");
  EXPECT_EQ(proxy.connections(), 0);
  EXPECT_THAT(server_.heads().at(0), Not(HasSubstr("Authorization")));
}

TEST_F(ProbeHttpTest, ConnectsAnewEachTime) {
  server_.On("/", Server::BytesThenHang(absl::StrCat(kOkHead, "Content-Length: 0\r\n\r\n")));
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(Fetch("/").detail, "200");
    EXPECT_EQ(server_.connections(), i);
    // And keeps none open, though the server would.
    EXPECT_TRUE(RunLoopUntil(loop_.get(), [this] {
      loop_->Post([] {});
      return server_.open() == 0;
    }));
  }
}

TEST_F(ProbeHttpTest, ACancelledFetchDoesNotCallBack) {
  server_.On("/", Server::Answer(200, ""));
  server_.On("/hang", Server::BytesThenHang(""));
  int called = 0;
  const auto count = [&called](const ProbeResult&) { ++called; };
  HttpProber::FetchHandle at_once = prober_->Start(Request("/"), count);
  at_once.reset();
  HttpRequest bad;
  bad.url = "ftp://127.0.0.1/";
  HttpProber::FetchHandle refused = prober_->Start(bad, count);
  refused.reset();
  HttpRequest hanging = Request("/hang");
  hanging.timeout = absl::Seconds(1);
  HttpProber::FetchHandle under_way = prober_->Start(hanging, count);
  ASSERT_TRUE(RunLoopUntil(loop_.get(), [this] { return server_.connections() > 0; }));
  under_way.reset();
  RunLoopFor(loop_.get(), absl::Milliseconds(1100));
  EXPECT_EQ(called, 0);
  EXPECT_EQ(Fetch("/").detail, "200");
}

TEST_F(ProbeHttpTest, TheCallbackMayDestroyItsHandleAndStartAnother) {
  server_.On("/", Server::Answer(200, ""));
  constexpr int kChain = 20;
  int fetched = 0;
  HttpProber::FetchHandle handle;
  std::function<void(ProbeResult)> next = [&](const ProbeResult& result) {
    EXPECT_EQ(result.detail, "200");
    handle.reset();
    if (++fetched < kChain) handle = prober_->Start(Request("/"), next);
  };
  handle = prober_->Start(Request("/"), next);
  EXPECT_TRUE(RunLoopUntil(loop_.get(), [&] { return fetched == kChain; }));
}

TEST_F(ProbeHttpTest, ACallbackMayCancelTheOthersAndTheProber) {
  server_.On("/", Server::Answer(200, ""));
  std::vector<HttpProber::FetchHandle> handles;
  int called = 0;
  handles.reserve(10);
  for (int i = 0; i < 10; ++i) {
    handles.push_back(prober_->Start(Request("/"), [&](const ProbeResult&) {
      ++called;
      handles.clear();
      prober_.reset();
    }));
  }
  EXPECT_TRUE(RunLoopUntil(loop_.get(), [&] { return called > 0; }));
  RunLoopFor(loop_.get(), absl::Milliseconds(50));
  EXPECT_EQ(called, 1);
}

TEST_F(ProbeHttpTest, RunsManyFetchesBesideEachOther) {
  constexpr int kMany = 200;
  server_.On("/good", Server::Answer(200, std::string(10'000, 'x')));
  server_.On("/bad", Server::Answer(500, ""));
  server_.On("/hang", Server::BytesThenHang(""));
  const struct {
    const char* path;
    const char* detail;
  } kinds[] = {
      {"/good", "200"}, {"/bad", "500, expected 200-399"}, {"/hang", "timed out after 3 s"}};
  std::vector<HttpProber::FetchHandle> handles;
  std::vector<std::string> details(kMany);
  int finished = 0;
  const MonoTime before = BootNow();
  for (int i = 0; i < kMany; ++i) {
    HttpRequest request = Request(kinds[i % 3].path);
    request.timeout = absl::Seconds(3);
    handles.push_back(prober_->Start(request, [&, i](const ProbeResult& result) {
      details[i] = result.detail;
      ++finished;
    }));
  }
  ASSERT_TRUE(RunLoopUntil(loop_.get(), [&] { return finished == kMany; }));
  EXPECT_LT(BootNow() - before, absl::Seconds(6));
  for (int i = 0; i < kMany; ++i) EXPECT_EQ(details[i], kinds[i % 3].detail) << i;
}

}  // namespace
}  // namespace hb
