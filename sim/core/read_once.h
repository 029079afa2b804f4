// What is read from a file is kept while the file stays the same: for long work that asks for it again and again.
#pragma once
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace moesim::core {

/// Copies are handed out; safe to call from several threads.  A file whose time or size has changed is read anew.
template <class T>
class ReadOnce {
 public:
  template <class Read>
  T operator()(const std::string& file, const Read& read) {
    std::error_code error;
    const Stamp stamp{std::filesystem::last_write_time(file, error), std::filesystem::file_size(file, error)};
    {
      const std::lock_guard lock(mutex_);
      if (const auto at = kept_.find(file); !error && at != kept_.end() && at->second.first == stamp)
        return at->second.second;
    }
    T value = read();
    const std::lock_guard lock(mutex_);
    if (!error) kept_.insert_or_assign(file, std::pair(stamp, value));
    return value;
  }

 private:
  using Stamp = std::pair<std::filesystem::file_time_type, std::uintmax_t>;
  std::mutex mutex_;
  std::map<std::string, std::pair<Stamp, T>> kept_;
};
}  // namespace moesim::core
