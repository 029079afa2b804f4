#include "core/replacing.h"

#include <fmt/format.h>
#include <sys/stat.h>

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
};
State& state() {
  static State s;
  return s;
}
}  // namespace

void allow_replacing(bool allowed) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.allowed = allowed;
  s.read.clear();
}

void note_read(const struct stat& status) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (s.allowed) s.read.emplace(status.st_dev, status.st_ino);
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
  return true;
}
}  // namespace moesim::core
