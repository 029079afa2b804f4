// Folders for what tests write: fresh ones, of no name that a test could know.
#pragma once
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace moesim {

/// Whether what tests wrote stays for a look at it: MOESIM_KEEP_TMP is set.
inline bool keep_temporary_files() { return getenv("MOESIM_KEEP_TMP") != nullptr; }

/// A new, empty folder in `parent`, under a name that nothing else has.
/// Throws std::runtime_error if it cannot be made.
inline std::filesystem::path new_folder(const std::filesystem::path& parent) {
  std::string name = (parent / "moesim.XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a folder " + name);
  return name;
}

/// Puts `content` there byte for byte, over what was there: the program itself never writes over a file.
inline void put_file(const std::string& file, const std::string& content) {
  std::ofstream(file, std::ios::binary) << content;
}

/// A folder of the running test's own, gone with this object.  A test that needs only a file or two may put them into
/// testing::TempDir(), which belongs to the running process (main.cpp).
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(new_folder(testing::TempDir())) {}
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!keep_temporary_files()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  bool empty() const { return std::filesystem::is_empty(path_); }
  /// Writes a file byte for byte and returns its path.
  std::string write(const std::string& name, const std::string& content) const {
    put_file(file(name), content);
    return file(name);
  }

 private:
  std::filesystem::path path_;
};
}  // namespace moesim
