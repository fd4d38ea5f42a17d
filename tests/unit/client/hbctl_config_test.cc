// hbctl config check, the real one, on files: what is valid, what is told of it in each format, and
// what is refused. No controller is there, and none is asked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "hbctl_fixture.h"

namespace hb::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class HbctlConfigTest : public HbctlFixture {
 protected:
  std::string Write(const std::string& text) const {
    std::ofstream(directory_ + "/c.yaml") << text;
    return directory_ + "/c.yaml";
  }
  RunResult Check(const std::string& file, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"config", "check", file});
    return Run(more);
  }
};

constexpr char kSound[] = R"(insecure: true
listen: [192.168.0.2:7400]
clusters:
  - name: web
    vips: [{address: 192.168.0.111/24, interface: eth0}]
    nodes:
      - {name: master, address: 192.168.0.1, executor: 192.168.0.1:7401}
      - {name: slave, address: 192.168.0.2, executor: 192.168.0.2:7401}
    service: {name: website}
    lease: {on_expiry: release}
)";
constexpr char kBroken[] = "insecure: true\nclusters:\n  - {name: web, hartbeat: 1s}\nbogus: 1\n";

TEST_F(HbctlConfigTest, SaysWhatTheSampleCosts) {
  const std::string file = HB_SAMPLES "/controller.yaml";
  const RunResult result = Check(file);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, IsEmpty());
  EXPECT_THAT(result.out, StartsWith(file + ": valid\n\nweb   ttl 1 s, on_expiry: witness\n"));
  for (const char* line : {
           "the service dies, its executor reports it  at once + start  1.3 s + start  Reported",
           "the page stops, pings are answered         1.5 s + start    3 s + start    probes.http",
           "the host or its network dies               1.2 s + start    1.3 s + start  Waits for",
           "the executor dies, its host lives          1.2 s + start    1.3 s + start  It serves",
           "the controller dies, all nodes live        -                -              No outage",
           "a standby dies that runs the controller    -                -              No outage",
           "two nodes hold (split brain)               -                until healed   only when",
       }) {
    EXPECT_THAT(result.out, HasSubstr(std::string("\n  ") + line)) << result.out;
  }
  EXPECT_THAT(result.out, Not(HasSubstr("warning")));
  EXPECT_EQ(Check(HB_SAMPLES "/third-host/controller.yaml").exit_code, 0);
}

TEST_F(HbctlConfigTest, WarnsOfWhatIsValidAndHardlyMeant) {
  const RunResult result = Check(Write(kSound));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("never          never two holders"),
                                HasSubstr("\nwarning: cluster web has on_expiry: release"),
                                HasSubstr("use a third host, or on_expiry: witness\n")));
}

TEST_F(HbctlConfigTest, TellsProgramsTheSame) {
  const std::string file = Write(kSound);
  EXPECT_THAT(
      Check(file, {"-o", "json"}).out,
      AllOf(StartsWith("{\"file\":\"" + file +
                       "\",\"kind\":\"controller\",\"valid\":true,"
                       "\"warnings\":[\"cluster web has"),
            HasSubstr(R"("clusters":[{"name":"web","costs":[{"fault":"service_dies",)"),
            HasSubstr(R"("typical":"1.000s","worst":"1.100s","plus_start":true,"then":"Waits)"),
            HasSubstr(R"({"fault":"page_stops","what":"the page stops, pings are answered",)"
                      R"("typical":null,"worst":null,"plus_start":false,)"),
            HasSubstr(R"("split_brain":{"longest":"0.000s","when":"never two holders)")));
  EXPECT_THAT(
      Check(file, {"-o", "yaml"}).out,
      AllOf(StartsWith("---\nfile: \"" + file + "\"\nkind: \"controller\"\nvalid: true\n"),
            HasSubstr("\nclusters:\n  - name: \"web\"\n    costs:\n      - fault: \"service_"
                      "dies\"\n        what:"),
            HasSubstr("\n    split_brain:\n      longest: \"0.000s\"\n")));
}

TEST_F(HbctlConfigTest, ChecksAnExecutorsFileByItsOwnReader) {
  const std::string file = HB_SAMPLES "/executor.yaml";
  EXPECT_EQ(Check(file).out, file + ": valid\n");
  EXPECT_EQ(Check(file, {"-o", "json"}).out,
            "{\"file\":\"" + file + "\",\"kind\":\"executor\",\"valid\":true}\n");
  const RunResult result = Check(Write("node: master\nlisten: nowhere\n"));
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("c.yaml:2:9: listen: "), HasSubstr("allow"),
                                Not(HasSubstr("clusters"))));
}

TEST_F(HbctlConfigTest, TellsAllErrorsWithTheirPlaces) {
  const std::string file = Write(kBroken);
  RunResult result = Check(file);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(result.err, AllOf(StartsWith(file + ":3:5: clusters[0]"),
                                HasSubstr("\n" + file + ":3:17: clusters[0].hartbeat: "),
                                HasSubstr("\n" + file + ":4:1: bogus: "),
                                HasSubstr("\nhbctl: " + file + ": not valid\n")));
  result = Check(file, {"-o", "json"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.out, AllOf(StartsWith("{\"file\":\"" + file +
                                           "\",\"kind\":\"controller\","
                                           "\"valid\":false,\"errors\":[\"" +
                                           file + ":3:"),
                                HasSubstr("bogus")));
  EXPECT_EQ(result.err, "hbctl: " + file + ": not valid\n");
  for (const char* text : {"", "- a\n", "clusters: [\n", "\xff"}) {
    EXPECT_EQ(Check(Write(text)).exit_code, 2) << text;
  }
}

TEST_F(HbctlConfigTest, RefusesWhatCannotBeRead) {
  const RunResult missing = Check(directory_ + "/nowhere.yaml");
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_THAT(missing.err, HasSubstr("/nowhere.yaml: cannot be opened: No such file"));
  EXPECT_EQ(Check(directory_).exit_code, 2);
  EXPECT_EQ(Check("").exit_code, 2);
  EXPECT_THAT(Run({"config"}).err, HasSubstr("subcommand is required"));
  EXPECT_EQ(Run({"config"}).exit_code, 2);
  EXPECT_EQ(Run({"config", "chekc", "x"}).exit_code, 2);
}

TEST_F(HbctlConfigTest, FailsWhenItsOutputCannotBeWritten) {
  const RunResult result =
      RunHbctl({"config", "check", Write(kSound)}, {.output_file = "/dev/full"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("can't write the output"));
}

}  // namespace
}  // namespace hb::client
