// What a host of the lab has from the start: its addresses and routes, and on a node an Apache
// configuration under /etc/hb-lab (a private copy each, nothing of the machine's own Apache is read
// but its modules).
#ifndef HB_TESTS_LAB_NODE_FILES_H_
#define HB_TESTS_LAB_NODE_FILES_H_

#include "absl/status/status.h"
#include "tests/lab/host.h"

namespace hb::lab {

// lo and eth0 up with the host's addresses alone (whatever else was there is removed), default
// routes to the gateway. The cable must be wired; it may be pulled.
[[nodiscard]] absl::Status ConfigureNetwork(Host& host);

// /etc/hb-lab/apache2.conf and its page.
[[nodiscard]] absl::Status WriteNodeFiles(Host& node);

}  // namespace hb::lab

#endif  // HB_TESTS_LAB_NODE_FILES_H_
