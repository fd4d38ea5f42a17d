// A directory of this process for fuzzers that need files: in memory where the machine has such a
// place, emptied for every input, removed at the end of a run that ends well.
#ifndef HB_TESTS_FUZZ_SCRATCH_DIRECTORY_H_
#define HB_TESTS_FUZZ_SCRATCH_DIRECTORY_H_

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace hb::fuzz {

class ScratchDirectory {
 public:
  explicit ScratchDirectory(const std::string& name) {
    std::error_code error;
    const std::filesystem::path memory = "/dev/shm";
    const bool usable = std::filesystem::is_directory(memory, error);
    path_ = (usable ? memory : std::filesystem::temp_directory_path(error)) /
            absl::StrCat("hb-fuzz-", name, "-", getpid());
  }
  ~ScratchDirectory() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  void Empty() const {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
    std::filesystem::create_directories(path_, error);
  }
  std::string Path(const std::string& name) const { return path_ / name; }
  std::string path() const { return path_; }
  void Write(const std::string& name, std::string_view bytes) const {
    std::ofstream(Path(name), std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  std::string Read(const std::string& name) const {
    std::ifstream in(Path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

 private:
  std::filesystem::path path_;
};

}  // namespace hb::fuzz

#endif  // HB_TESTS_FUZZ_SCRATCH_DIRECTORY_H_
