// hb-scenario [--rewrite] FILE...: replays scenario files (scenario.h) and shows where what happens
// now is not what they say. Exit status: 0 all as they say, 1 not, 2 a file can't be read.
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "tests/sim/scenario.h"

int main(int argc, char** argv) {
  bool rewrite = false;
  int worst = 0;
  int files = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string path = argv[i];
    if (path == "--rewrite") {
      rewrite = true;
      continue;
    }
    ++files;
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    const std::string before = text.str();
    const absl::StatusOr<std::string> now = hb::sim::Replay(before);
    if (!in || !now.ok()) {
      std::fprintf(stderr, "%s: %s\n", path.c_str(),
                   in ? std::string(now.status().message()).c_str() : "can't be read");
      worst = 2;
      continue;
    }
    if (*now == before) continue;
    if (rewrite) {
      std::ofstream(path) << *now;
      continue;
    }
    worst = worst == 0 ? 1 : worst;
    const std::vector<std::string> said = absl::StrSplit(before, '\n');
    const std::vector<std::string> says = absl::StrSplit(*now, '\n');
    size_t line = 0;
    while (line < said.size() && line < says.size() && said[line] == says[line]) ++line;
    std::printf("%s:%zu: it is not as the file says (--rewrite writes what is):\n- %s\n+ %s\n",
                path.c_str(), line + 1, line < said.size() ? said[line].c_str() : "(end)",
                line < says.size() ? says[line].c_str() : "(end)");
  }
  if (files == 0) {
    std::fprintf(stderr, "usage: hb-scenario [--rewrite] FILE...\n");
    return 2;
  }
  return worst;
}
