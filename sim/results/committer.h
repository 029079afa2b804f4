// Commits on time, whether rows come or not.
#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace moesim::results {

/// Calls `commit` every two seconds on a thread of its own until it goes.  commit takes its own locks and does not
/// throw.
class Committer {
 public:
  explicit Committer(std::function<void()> commit);
  ~Committer();
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ending_ = false;
  std::thread thread_;
};
}  // namespace moesim::results
