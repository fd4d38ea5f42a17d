// HttpProber over TLS against `openssl s_server`, with certificates made for the test: which
// authority is trusted, which name is checked and sent, and what is said when one of them is wrong.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/probe/http.h"
#include "tests/host/probe_fixture.h"

namespace hb {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A program with its output to be read; killed and reaped with the object.
class Program {
 public:
  explicit Program(std::vector<std::string> argv) {
    std::array<int, 2> pipe_fds{};
    if (pipe2(pipe_fds.data(), O_CLOEXEC) != 0) std::abort();
    std::vector<char*> args;
    args.reserve(argv.size() + 1);
    for (std::string& arg : argv) args.push_back(arg.data());
    args.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      const int null = open("/dev/null", O_RDWR);
      dup2(null, STDIN_FILENO);
      dup2(pipe_fds[1], STDOUT_FILENO);
      dup2(null, STDERR_FILENO);
      execvp(args[0], args.data());
      _exit(127);
    }
    close(pipe_fds[1]);
    output_ = pipe_fds[0];
  }
  ~Program() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      Wait();
    }
    close(output_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Up to a line that begins so; what follows in it.
  std::string ReadLine(std::string_view beginning) const {
    std::string line;
    char c = 0;
    while (read(output_, &c, 1) == 1) {
      if (c != '\n') {
        line += c;
        continue;
      }
      if (line.rfind(beginning, 0) == 0) return line.substr(beginning.size());
      line.clear();
    }
    return "";
  }
  int Wait() {
    int status = -1;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  int output_ = -1;
};

class ProbeTlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hb-probe-tls-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = new std::string(pattern);
    MakeAuthority("ca");
    MakeAuthority("other-ca");
    MakeCertificate("address", "IP:127.0.0.1", "30");
    MakeCertificate("name", "DNS:www.example.test", "30");
    MakeCertificate("expired", "IP:127.0.0.1", "-1");
  }
  static void TearDownTestSuite() {
    std::filesystem::remove_all(*directory_);
    delete directory_;
    directory_ = nullptr;
  }

  static std::string File(std::string_view name) {
    return absl::StrCat(*directory_, "/", std::string(name));
  }
  static void OpenSsl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "openssl");
    ASSERT_EQ(Program(arguments).Wait(), 0) << arguments[1] << " " << arguments.back();
  }
  static void MakeAuthority(const std::string& name) {
    OpenSsl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "30", "-subj", absl::StrCat("/CN=hb test ", name), "-keyout",
             File(name + ".key"), "-out", File(name + ".crt")});
  }
  static void MakeCertificate(const std::string& name, const std::string& subject_alternative,
                              const std::string& days) {
    std::ofstream(File(name + ".ext")) << "subjectAltName=" << subject_alternative << "\n";
    OpenSsl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
             "/CN=" + name, "-keyout", File(name + ".key"), "-out", File(name + ".csr")});
    OpenSsl({"x509", "-req", "-in", File(name + ".csr"), "-CA", File("ca.crt"), "-CAkey",
             File("ca.key"), "-CAcreateserial", "-days", days, "-extfile", File(name + ".ext"),
             "-out", File(name + ".crt")});
  }

  // A server with this certificate; clients that name www.example.test get `named`'s, if that is
  // given.
  void Serve(const std::string& certificate, const std::string& named = "") {
    std::vector<std::string> argv = {"openssl",
                                     "s_server",
                                     "-www",
                                     "-accept",
                                     "127.0.0.1:0",
                                     "-cert",
                                     File(certificate + ".crt"),
                                     "-key",
                                     File(certificate + ".key")};
    if (!named.empty()) {
      argv.insert(argv.end(), {"-servername", "www.example.test", "-cert2", File(named + ".crt"),
                               "-key2", File(named + ".key")});
    }
    server_ = std::make_unique<Program>(std::move(argv));
    const std::string address = server_->ReadLine("ACCEPT ");
    ASSERT_THAT(address, StartsWith("127.0.0.1:"));
    request_.url = absl::StrCat("https://", address, "/");
    request_.timeout = absl::Seconds(10);
    request_.ca_file = File("ca.crt");
  }

  ProbeResult Fetch() {
    std::optional<ProbeResult> result;
    const HttpProber::FetchHandle handle =
        prober_->Start(request_, [&result](ProbeResult r) { result = std::move(r); });
    EXPECT_TRUE(RunLoopUntil(loop_.get(), [&] { return result.has_value(); }));
    return result.value_or(ProbeResult{});
  }

  static std::string* directory_;
  std::unique_ptr<Program> server_;
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  std::unique_ptr<HttpProber> prober_ = HttpProber::Create(loop_.get()).value();
  HttpRequest request_;
};
std::string* ProbeTlsTest::directory_ = nullptr;

TEST_F(ProbeTlsTest, TrustsTheGivenAuthority) {
  Serve("address");
  request_.expect_body = "s_server";
  const ProbeResult result = Fetch();
  EXPECT_TRUE(result.good) << result.detail;
  EXPECT_EQ(result.detail, "200");
}

TEST_F(ProbeTlsTest, TrustsNoOtherAuthority) {
  Serve("address");
  request_.ca_file = File("other-ca.crt");
  const ProbeResult other = Fetch();
  EXPECT_FALSE(other.good);
  EXPECT_EQ(other.detail, "certificate: unable to get local issuer certificate");
  request_.ca_file = "";  // the system's
  const ProbeResult system = Fetch();
  EXPECT_FALSE(system.good);
  EXPECT_THAT(system.detail, StartsWith("certificate: "));
}

TEST_F(ProbeTlsTest, ChecksNothingWhenToldSo) {
  Serve("name");
  request_.ca_file = File("other-ca.crt");
  request_.verify_tls = false;
  EXPECT_EQ(Fetch().detail, "200");
}

TEST_F(ProbeTlsTest, RefusesACertificateForAnotherName) {
  Serve("name");
  const ProbeResult result = Fetch();
  EXPECT_FALSE(result.good);
  EXPECT_THAT(result.detail, StartsWith("certificate: "));
  EXPECT_THAT(result.detail, HasSubstr("127.0.0.1"));
}

TEST_F(ProbeTlsTest, ChecksTheCertificateAgainstTheHost) {
  Serve("name");
  request_.host = "www.example.test";
  EXPECT_EQ(Fetch().detail, "200");
  request_.host = "www.example.test:8443";
  EXPECT_EQ(Fetch().detail, "200");
  request_.host = "mail.example.test";
  const ProbeResult result = Fetch();
  EXPECT_FALSE(result.good);
  EXPECT_THAT(result.detail, StartsWith("certificate: "));
  EXPECT_THAT(result.detail, HasSubstr("mail.example.test"));
}

TEST_F(ProbeTlsTest, NamesTheHostToTheServer) {
  Serve("address", "name");
  EXPECT_EQ(Fetch().detail, "200");  // no name: the first certificate
  request_.host = "www.example.test";
  EXPECT_EQ(Fetch().detail, "200");  // the second, for which the server had to hear the name
}

TEST_F(ProbeTlsTest, RefusesAnExpiredCertificate) {
  Serve("expired");
  const ProbeResult result = Fetch();
  EXPECT_FALSE(result.good);
  EXPECT_EQ(result.detail, "certificate: certificate has expired");
}

TEST_F(ProbeTlsTest, SaysWhichAuthorityFileIsMissing) {
  Serve("address");
  request_.ca_file = File("no-such.crt");
  const ProbeResult result = Fetch();
  EXPECT_FALSE(result.good);
  EXPECT_THAT(result.detail, StartsWith(absl::StrCat("certificate: CA file ", request_.ca_file)));
}

TEST_F(ProbeTlsTest, FailsOnPlainHttpWhereTlsIsSpoken) {
  Serve("address");
  request_.url.replace(0, 5, "http");
  EXPECT_FALSE(Fetch().good);
}

TEST_F(ProbeTlsTest, TimesOutOnAServerThatHangsInTheHandshake) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(listen(listener, 8), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
  request_.url = absl::StrCat("https://127.0.0.1:", ntohs(address.sin_port), "/");
  request_.timeout = absl::Milliseconds(150);
  EXPECT_EQ(Fetch().detail, "timed out after 150 ms");
  close(listener);
}

}  // namespace
}  // namespace hb
