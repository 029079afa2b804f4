// A few threads that share a loop; which thread ran an index never shows in the result.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace moesim::numerics {

class Threads {
 public:
  /// count: threads including the caller; 0 means one a core.
  explicit Threads(int count = 0);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  int count() const { return int(workers_.size()) + 1; }
  /// Calls body(index, worker) for every index in [0, n), each once, in no particular order; 0 <= worker < count().
  /// Bodies write to places of their own.  The first exception is thrown again here when all have stopped.
  void each(int n, const std::function<void(int index, int worker)>& body);

 private:
  void serve(int worker);
  void take_indices(int worker);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(int, int)>* body_ = nullptr;
  int n_ = 0, next_ = 0, busy_ = 0;
  std::uint64_t round_ = 0;
  bool stop_ = false;
  std::exception_ptr error_;
};
}  // namespace moesim::numerics
