// The arithmetic that judges hb, on tables of requests: one letter a request, 10 ms apart.
#include "tests/lab/meter_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hb::lab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

MonoTime At(double ms) { return MonoTime::FromNanoseconds(static_cast<int64_t>(ms * 1e6)); }

Duration Ms(double ms) { return absl::Nanoseconds(static_cast<int64_t>(ms * 1e6)); }

// 'a', 'b', 'c': answered 1 ms later by that node. '2': by both a and b. '.': failed. '?': no
// answer yet. 'A', 'B': answered 40 ms later.
std::vector<Request> Requests(std::string_view letters) {
  std::vector<Request> requests;
  for (const char letter : letters) {
    Request request;
    request.sent = At(10.0 * static_cast<double>(requests.size()));
    const auto answer = [&](double after_ms, char node) {
      request.answers.push_back({.at = request.sent + Ms(after_ms), .node = std::string(1, node)});
    };
    switch (letter) {
      case '2':
        answer(1, 'a');
        answer(2, 'b');
        break;
      case '.':
        request.failed = true;
        break;
      case '?':
        break;
      case 'A':
      case 'B':
        answer(40, static_cast<char>(letter - 'A' + 'a'));
        break;
      default:
        answer(1, letter);
    }
    requests.push_back(std::move(request));
  }
  return requests;
}

SeriesReport SummarizeLetters(std::string_view letters) {
  ReportOptions options;
  options.until = At(10.0 * static_cast<double>(letters.size()));
  return Summarize(Requests(letters), options);
}

struct OutageRow {
  const char* name;
  const char* letters;
  double outage_ms;
  double start_ms;
  bool ongoing;
  int64_t outages;
  double gap_ms;
};

TEST(MeterReportTest, MeasuresOutages) {
  const OutageRow rows[] = {
      {"none", "aaaaaaaaaa", 0, 0, false, 0, 10},
      {"one request lost", "aaa.aaa", 10, 30, false, 1, 20},
      {"from the first that failed to the first answered", "aa....bb", 40, 20, false, 1, 50},
      {"the longest of two", "a..a...a", 30, 40, false, 2, 40},
      {"from the start", "...aaa", 30, 0, false, 1, 31},
      {"until the end", "aaa...", 30, 30, true, 1, 39},
      {"never answered", ".....", 50, 0, true, 1, 50},
      {"late answers are no outage but a gap", "aaAAAAAaaaaaaaa", 0, 0, false, 0, 49},
      {"young requests are undecided", "aaaaaaa????????", 0, 0, false, 0, 89},
      {"old ones are not: the first four waited for 100 ms", "a?????????????", 130, 10, true, 1,
       139},
      {"a request overtaken by an answered one", "aaaa?aaaaaaaaaaaaaaa", 10, 40, false, 1, 20},
      {"nothing asked", "", 0, 0, false, 0, 0},
  };
  for (const OutageRow& row : rows) {
    const SeriesReport report = SummarizeLetters(row.letters);
    EXPECT_EQ(report.outage.length, Ms(row.outage_ms)) << row.name;
    EXPECT_EQ(report.outage.start, At(row.start_ms)) << row.name;
    EXPECT_EQ(report.outage.ongoing, row.ongoing) << row.name;
    EXPECT_EQ(report.outages, row.outages) << row.name;
    EXPECT_EQ(report.longest_gap, Ms(row.gap_ms)) << row.name;
  }
}

struct TwoRow {
  const char* name;
  const char* letters;
  int64_t requests;
  double ms;
};

TEST(MeterReportTest, MeasuresHowLongTwoNodesAnswered) {
  const TwoRow rows[] = {
      {"one holder", "aaaaaa", 0, 0},
      {"a clean move", "aaabbb", 0, 0},
      {"a move with an outage", "aa...bbb", 0, 0},
      {"one request answered twice", "aa2bb", 1, 10},
      {"three in a row", "aa222bb", 3, 30},
      {"twice, then the old one alone", "aa22aa", 2, 20},
      {"answered twice to the end", "aa22", 2, 20},
      // The new holder from 20 ms; the old one's stray answer at 40 ms; the new one again at 50 ms.
      {"a stray answer of the old holder", "aabbabbb", 0, 30},
      {"in turns", "aabababb", 0, 40},
      {"in turns, with losses", "aab.a.bb", 0, 40},
      {"a move away and back is no split when it takes long", "aabbbbbbbbbbbbbbbbbbbbbbbbbbbbaa", 0,
       0},
      {"it is one when it is short", "aabbbbbbaa", 0, 60},
      // The last but one was asked of b before the move and answered 40 ms later: no answer to a
      // later request comes from b.
      {"a slow answer of the old holder", "bbbBaaaaaaa", 0, 0},
      {"an answer after a retry, from the new holder", "aaaBaaaabbbb", 0, 0},
  };
  for (const TwoRow& row : rows) {
    const SeriesReport report = SummarizeLetters(row.letters);
    EXPECT_EQ(report.two_answered, row.requests) << row.name;
    EXPECT_EQ(report.two_answered_time, Ms(row.ms)) << row.name;
  }
}

TEST(MeterReportTest, CountsWhoAnsweredAndWhen) {
  const SeriesReport report = SummarizeLetters("aa2.Bbc??");
  EXPECT_EQ(report.total, 7);
  EXPECT_EQ(report.answered, 6);
  EXPECT_EQ(report.failed, 1);
  EXPECT_EQ(report.undecided, 2);
  EXPECT_THAT(report.answered_by, ElementsAre(Pair("a", 3), Pair("b", 3), Pair("c", 1)));
  EXPECT_THAT(report.moves, ElementsAre(Move{.at = At(40), .from = "a", .to = "b"},
                                        Move{.at = At(60), .from = "b", .to = "c"}));
  EXPECT_EQ(report.slowest, Ms(40));
  EXPECT_EQ(report.now, "c");
  EXPECT_EQ(SummarizeLetters("aab.").now, "");
  EXPECT_EQ(SummarizeLetters("").now, "");
}

TEST(MeterReportTest, OnlyTheTimeAskedForCounts) {
  ReportOptions options;
  options.from = At(20);
  options.until = At(50);
  const SeriesReport report = Summarize(Requests("..ab.a...."), options);
  EXPECT_EQ(report.total, 4);
  EXPECT_EQ(report.failed, 1);
  EXPECT_EQ(report.outage, (Outage{.start = At(40), .length = Ms(10), .ongoing = false}));
  EXPECT_EQ(report.now, "a");
}

TEST(MeterReportTest, KeepsABoundedListOfMoves) {
  std::string letters;
  for (int i = 0; i < 200; ++i) letters += "ab";
  EXPECT_EQ(SummarizeLetters(letters).moves.size(), 100U);
}

TEST(MeterReportTest, IsWrittenForPeopleAndForPrograms) {
  MeterReport report;
  report.until = At(70);
  report.http = SummarizeLetters("aa..bbb");
  report.arp = SummarizeLetters("aa2bbbb");
  report.stall = Ms(3.5);
  const std::string text = ToText(report);
  EXPECT_THAT(text,
              HasSubstr("http  7 requests, 5 answered, 2 by a, 3 by b, 2 failed; longest outage "
                        "20.0 ms, longest gap 30.0 ms; now b\n"));
  EXPECT_THAT(text, HasSubstr("two nodes answered for 10.0 ms (1 requests)"));
  EXPECT_EQ(
      ToJson(report),
      R"({"duration_ms":70.000,"stall_ms":3.500,)"
      R"("http":{"total":7,"answered":5,"failed":2,"undecided":0,"answered_by":{"a":2,"b":3},)"
      R"("outage_ms":20.000,"outage_ongoing":false,"outages":1,"longest_gap_ms":30.000,"slowest_ms":1.000,)"
      R"("two_answered":0,"two_answered_ms":0.000,"now":"b","moves":[{"at_ms":40.000,"from":"a","to":"b"}]},)"
      R"("arp":{"total":7,"answered":7,"failed":0,"undecided":0,"answered_by":{"a":3,"b":5},)"
      R"("outage_ms":0.000,"outage_ongoing":false,"outages":0,"longest_gap_ms":10.000,"slowest_ms":1.000,)"
      R"("two_answered":1,"two_answered_ms":10.000,"now":"b","moves":[{"at_ms":30.000,"from":"a","to":"b"}]},)"
      R"("icmp":{"total":0,"answered":0,"failed":0,"undecided":0,"answered_by":{},)"
      R"("outage_ms":0.000,"outage_ongoing":false,"outages":0,"longest_gap_ms":0.000,"slowest_ms":0.000,)"
      R"("two_answered":0,"two_answered_ms":0.000,"now":"","moves":[]}})");
}

}  // namespace
}  // namespace hb::lab
