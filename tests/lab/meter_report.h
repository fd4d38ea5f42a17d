// From what a client asked and was answered to what it suffered: outages, who served, how long two
// did. Pure arithmetic on lists of requests (no clock, no socket), so that the numbers which judge
// hb are themselves judged by tables. The definitions stand here and nowhere else.
//
// A request is answered when at least one answer to it came. It is unanswered when it failed
// (refused, timed out, wrong status), or when it has waited for `patience` without an answer. Until
// then it is undecided, and left out of everything. Only requests sent within [from, until] count.
//
//   outage        from the sending of the first of a run of unanswered requests to the sending of
//   the first
//                 answered one after them; to `until` (and `ongoing`) when there is none. Order is
//                 by sending.
//   longest gap   the longest time without any answer arriving: between neighbours by arrival, and
//   from the
//                 first request to the first answer, and from the last answer to `until`. Unlike
//                 the outage it also sees requests that were answered late. It includes the
//                 interval between requests.
//   two answered  the time in which two nodes answered: the union of
//                 (a) [a request that two nodes answered, the next request], and
//                 (b) [a request that B answered, the next request that A answered], whenever A
//                 answered shortly
//                     before B and again shortly after: within `interleave_window` from A's answer
//                     before to A's request after. A real move away and back takes longer than
//                     that.
//   now           the node that answered the last decided request; empty when none did.
#ifndef HB_TESTS_LAB_METER_REPORT_H_
#define HB_TESTS_LAB_METER_REPORT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "common/time.h"

namespace hb::lab {

struct Answer {
  MonoTime at;
  std::string node;  // empty where the protocol does not tell (ICMP)

  friend bool operator==(const Answer&, const Answer&) = default;
};

struct Request {
  MonoTime sent;
  bool failed = false;                     // will not be answered any more
  absl::InlinedVector<Answer, 1> answers;  // one a node, in order of arrival
};

struct ReportOptions {
  MonoTime from;
  MonoTime until;
  Duration patience = absl::Milliseconds(100);
  Duration interleave_window = absl::Milliseconds(250);
};

struct Outage {
  MonoTime start;
  Duration length;
  bool ongoing = false;

  friend bool operator==(const Outage&, const Outage&) = default;
};

struct Move {
  MonoTime at;  // when the first request was sent that the new one answered
  std::string from;
  std::string to;

  friend bool operator==(const Move&, const Move&) = default;
};

// One protocol's.
struct SeriesReport {
  int64_t total = 0;  // decided requests
  int64_t answered = 0;
  int64_t failed = 0;
  int64_t undecided = 0;
  std::map<std::string, int64_t> answered_by;  // a request that two answered counts for both
  Outage outage;                               // the longest; length 0 when there was none
  int64_t outages = 0;
  Duration longest_gap;
  Duration slowest;            // from a request to its first answer
  int64_t two_answered = 0;    // requests that two nodes answered
  Duration two_answered_time;  // see above
  std::vector<Move> moves;     // changes of who answers first, by sending; at most the first 100
  std::string now;
};

struct MeterReport {
  MonoTime from;
  MonoTime until;
  SeriesReport http;
  SeriesReport arp;  // nodes are the lab's hosts by their MAC; an unknown MAC stands for itself
  SeriesReport icmp;
  Duration stall;  // the longest that the meter itself was late: what is shorter than that proves
                   // nothing
};

// `requests` in order of `sent`.
SeriesReport Summarize(const std::vector<Request>& requests, const ReportOptions& options);

// For people, a few lines.
std::string ToText(const MeterReport& report);
// One JSON object in one line; durations in milliseconds (fractions of it).
std::string ToJson(const MeterReport& report);

}  // namespace hb::lab

#endif  // HB_TESTS_LAB_METER_REPORT_H_
