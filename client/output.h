// hbctl's standard output: what it is (a terminal? how wide? colours?), and writing to it so that a
// full disk is an error and not a shorter answer.
#ifndef HB_CLIENT_OUTPUT_H_
#define HB_CLIENT_OUTPUT_H_

#include <string_view>

#include "absl/status/status.h"
#include "client/table.h"

namespace hb::client {

// Whether standard output is a terminal that knows control sequences (TERM is not "dumb").
bool OutputIsTerminal();

// Colours only on a terminal, without NO_COLOR, unless `no_color`. Times in the local zone.
Style OutputStyle(bool no_color);

// Writes all of `text` now. Internal with the errno text when that fails.
[[nodiscard]] absl::Status Write(std::string_view text);

}  // namespace hb::client

#endif  // HB_CLIENT_OUTPUT_H_
