// See meter_report.h, where the definitions stand.
#include "tests/lab/meter_report.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace hb::lab {
namespace {

constexpr size_t kMovesKept = 100;

struct Interval {
  MonoTime begin;
  MonoTime end;
};

Duration UnionLength(std::vector<Interval> intervals) {
  std::sort(intervals.begin(), intervals.end(),
            [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
  Duration length;
  std::optional<MonoTime> covered;
  for (const Interval& interval : intervals) {
    const MonoTime begin = covered ? std::max(*covered, interval.begin) : interval.begin;
    if (interval.end <= begin) continue;
    length += interval.end - begin;
    covered = interval.end;
  }
  return length;
}

// The requests that one node answered: when each was sent, and when its answer came.
struct NodeAnswers {
  std::vector<Interval> by_sending;  // begin: sent; end: answered
  std::vector<MonoTime> arrivals;    // sorted
};

std::map<std::string, NodeAnswers> AnswersByNode(const std::vector<const Request*>& decided) {
  std::map<std::string, NodeAnswers> result;
  for (const Request* request : decided) {
    for (const Answer& answer : request->answers) {
      NodeAnswers& node = result[answer.node];
      node.by_sending.push_back({.begin = request->sent, .end = answer.at});
      node.arrivals.push_back(answer.at);
    }
  }
  for (auto& [name, node] : result) std::sort(node.arrivals.begin(), node.arrivals.end());
  return result;
}

// (b) of "two answered", for one pair: `a` answered before and after `b` did.
void AddInterleaved(const NodeAnswers& a, const NodeAnswers& b, Duration window,
                    std::vector<Interval>* intervals) {
  for (const Interval& between : b.by_sending) {
    const auto before = std::lower_bound(a.arrivals.begin(), a.arrivals.end(), between.begin);
    const auto after = std::upper_bound(
        a.by_sending.begin(), a.by_sending.end(), between.end,
        [](MonoTime time, const Interval& request) { return time < request.begin; });
    if (before == a.arrivals.begin() || after == a.by_sending.end()) continue;
    if (after->begin - *std::prev(before) > window) continue;
    intervals->push_back({.begin = between.begin, .end = after->begin});
  }
}

void SummarizeTwoAnswered(const std::vector<const Request*>& decided, const ReportOptions& options,
                          SeriesReport* report) {
  std::vector<Interval> intervals;
  for (size_t i = 0; i < decided.size(); ++i) {
    if (decided[i]->answers.size() < 2) continue;
    ++report->two_answered;
    const MonoTime next = i + 1 < decided.size() ? decided[i + 1]->sent : options.until;
    intervals.push_back({.begin = decided[i]->sent, .end = next});
  }
  const std::map<std::string, NodeAnswers> nodes = AnswersByNode(decided);
  for (const auto& [a_name, a] : nodes) {
    for (const auto& [b_name, b] : nodes) {
      if (a_name != b_name) AddInterleaved(a, b, options.interleave_window, &intervals);
    }
  }
  report->two_answered_time = UnionLength(std::move(intervals));
}

void SummarizeOutages(const std::vector<const Request*>& decided, MonoTime until,
                      SeriesReport* report) {
  std::optional<MonoTime> start;
  const auto end = [&](MonoTime at, bool ongoing) {
    ++report->outages;
    const Outage outage{.start = *start, .length = at - *start, .ongoing = ongoing};
    if (outage.length > report->outage.length) report->outage = outage;
    start.reset();
  };
  for (const Request* request : decided) {
    if (request->answers.empty()) {
      if (!start) start = request->sent;
    } else if (start) {
      end(request->sent, /*ongoing=*/false);
    }
  }
  if (start) end(until, /*ongoing=*/true);
}

void SummarizeGaps(const std::vector<const Request*>& decided, MonoTime until,
                   SeriesReport* report) {
  if (decided.empty()) return;
  std::vector<MonoTime> arrivals;
  for (const Request* request : decided) {
    if (!request->answers.empty()) arrivals.push_back(request->answers.front().at);
  }
  std::sort(arrivals.begin(), arrivals.end());
  arrivals.push_back(until);
  MonoTime last = decided.front()->sent;
  for (const MonoTime arrival : arrivals) {
    report->longest_gap = std::max(report->longest_gap, arrival - last);
    last = std::max(last, arrival);
  }
}

void SummarizeNodes(const std::vector<const Request*>& decided, SeriesReport* report) {
  std::optional<std::string> holder;
  for (const Request* request : decided) {
    if (request->answers.empty()) {
      ++report->failed;
      continue;
    }
    ++report->answered;
    const Answer& first = request->answers.front();
    report->slowest = std::max(report->slowest, first.at - request->sent);
    for (const Answer& answer : request->answers) ++report->answered_by[answer.node];
    if (holder && *holder != first.node && report->moves.size() < kMovesKept) {
      report->moves.push_back({.at = request->sent, .from = *holder, .to = first.node});
    }
    holder = first.node;
  }
  if (!decided.empty() && !decided.back()->answers.empty()) report->now = *holder;
}

double Milliseconds(Duration d) { return absl::ToDoubleMilliseconds(d); }

std::string SeriesText(const char* name, const SeriesReport& series) {
  std::string text =
      absl::StrFormat("%-5s %d requests, %d answered", name, series.total, series.answered);
  for (const auto& [node, count] : series.answered_by) {
    if (!node.empty()) absl::StrAppend(&text, ", ", count, " by ", node);
  }
  absl::StrAppendFormat(&text, ", %d failed; longest outage %.1f ms%s, longest gap %.1f ms",
                        series.failed, Milliseconds(series.outage.length),
                        series.outage.ongoing ? " (ongoing)" : "",
                        Milliseconds(series.longest_gap));
  if (series.two_answered > 0 || series.two_answered_time > absl::ZeroDuration()) {
    absl::StrAppendFormat(&text, "; two nodes answered for %.1f ms (%d requests)",
                          Milliseconds(series.two_answered_time), series.two_answered);
  }
  if (!series.now.empty()) absl::StrAppend(&text, "; now ", series.now);
  return text + "\n";
}

// The names are those of hosts and MACs: nothing in them needs to be escaped.
std::string SeriesJson(const SeriesReport& series, MonoTime from) {
  const auto count = [](std::string* out, const auto& entry) {
    absl::StrAppendFormat(out, "\"%s\":%d", entry.first, entry.second);
  };
  const auto move = [&](std::string* out, const Move& m) {
    absl::StrAppendFormat(out, R"({"at_ms":%.3f,"from":"%s","to":"%s"})", Milliseconds(m.at - from),
                          m.from, m.to);
  };
  std::string json =
      absl::StrFormat(R"({"total":%d,"answered":%d,"failed":%d,"undecided":%d,"answered_by":{%s},)",
                      series.total, series.answered, series.failed, series.undecided,
                      absl::StrJoin(series.answered_by, ",", count));
  absl::StrAppendFormat(&json, R"("outage_ms":%.3f,"outage_ongoing":%s,"outages":%d,)",
                        Milliseconds(series.outage.length),
                        series.outage.ongoing ? "true" : "false", series.outages);
  absl::StrAppendFormat(&json, R"("longest_gap_ms":%.3f,"slowest_ms":%.3f,)",
                        Milliseconds(series.longest_gap), Milliseconds(series.slowest));
  absl::StrAppendFormat(&json,
                        R"("two_answered":%d,"two_answered_ms":%.3f,"now":"%s","moves":[%s]})",
                        series.two_answered, Milliseconds(series.two_answered_time), series.now,
                        absl::StrJoin(series.moves, ",", move));
  return json;
}

}  // namespace

SeriesReport Summarize(const std::vector<Request>& requests, const ReportOptions& options) {
  SeriesReport report;
  std::vector<const Request*> decided;
  for (const Request& request : requests) {
    if (request.sent < options.from || request.sent > options.until) continue;
    const bool waiting = request.answers.empty() && !request.failed;
    if (waiting && options.until - request.sent < options.patience) {
      ++report.undecided;
    } else {
      decided.push_back(&request);
    }
  }
  report.total = static_cast<int64_t>(decided.size());
  SummarizeNodes(decided, &report);
  SummarizeOutages(decided, options.until, &report);
  SummarizeGaps(decided, options.until, &report);
  SummarizeTwoAnswered(decided, options, &report);
  return report;
}

std::string ToText(const MeterReport& report) {
  return absl::StrCat(
      SeriesText("http", report.http), SeriesText("arp", report.arp),
      SeriesText("icmp", report.icmp),
      absl::StrFormat("over %.1f ms; the meter itself was late by at most %.1f ms\n",
                      Milliseconds(report.until - report.from), Milliseconds(report.stall)));
}

std::string ToJson(const MeterReport& report) {
  return absl::StrFormat(R"({"duration_ms":%.3f,"stall_ms":%.3f,"http":%s,"arp":%s,"icmp":%s})",
                         Milliseconds(report.until - report.from), Milliseconds(report.stall),
                         SeriesJson(report.http, report.from), SeriesJson(report.arp, report.from),
                         SeriesJson(report.icmp, report.from));
}

}  // namespace hb::lab
