#include "core/replacing.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <utility>

#include "core/config_error.h"

namespace moesim::core {
namespace {
struct State {
  std::mutex mutex;  // files are read on several threads
  bool allowed = false;
  std::set<std::pair<dev_t, ino_t>> read;
  std::set<std::filesystem::path> databases;  // to be written
};
State& state() {
  static State s;
  return s;
}
std::filesystem::path place_of(const std::string& file) {
  std::error_code error;
  return std::filesystem::weakly_canonical(std::filesystem::absolute(file, error), error);
}

/// Results and traces alike: what took hours, and is lost by a slip of the name.
bool is_database(const std::string& file) {
  constexpr std::string_view kBegins = "SQLite format 3";  // https://www.sqlite.org/fileformat.html
  std::array<char, kBegins.size()> head{};
  return std::ifstream(file, std::ios::binary).read(head.data(), head.size()) &&
         std::string_view(head.data(), head.size()) == kBegins;
}
}  // namespace

void allow_replacing(bool allowed) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.allowed = allowed;
  s.read.clear();
  s.databases.clear();
}

void note_read(const struct stat& status) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (s.allowed) s.read.emplace(status.st_dev, status.st_ino);
}

void writes_database(const std::string& file) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (s.allowed) s.databases.insert(place_of(file));
}

bool may_replace(const std::string& file) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  struct stat status {};
  if (!s.allowed || lstat(file.c_str(), &status) != 0) return false;
  if (!S_ISREG(status.st_mode))
    throw ConfigError::placed(fmt::format("{}: is {}; --force overwrites files alone", file,
                                          S_ISDIR(status.st_mode)   ? "a folder"
                                          : S_ISLNK(status.st_mode) ? "a link"
                                                                    : "not a regular file"));
  if (s.read.contains({status.st_dev, status.st_ino}))
    throw ConfigError::placed(fmt::format("{}: is read by this command, which cannot overwrite it", file));
  if (!s.databases.contains(place_of(file)) && is_database(file))
    throw ConfigError::placed(
        fmt::format("{}: is a database; --force overwrites results and traces with their like alone", file));
  return true;
}
}  // namespace moesim::core
