#include "numerics/algebra/threads.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "numerics/algebra/blas.h"

namespace moesim::numerics {

Threads::Threads(int count) {
  if (count <= 0) count = std::max(1, int(std::thread::hardware_concurrency()));
  count = ready_threads(count);
  const Products products = products_in_use();
  try {
    for (int worker = 1; worker < count; ++worker)
      workers_.emplace_back([this, worker, products] {
        const UseProducts use(products);
        serve(worker);
      });
  } catch (const std::system_error&) {  // no room for more: those that are there do the work
  }
}

Threads::~Threads() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& t : workers_) t.join();
}

void Threads::each(int n, const std::function<void(int, int)>& body) {
  if (n <= 0) return;
  if (n == 1 || workers_.empty()) {
    for (int i = 0; i < n; ++i) body(i, 0);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    body_ = &body;
    n_ = n;
    next_ = 0;
    busy_ = int(workers_.size());
    ++round_;
  }
  wake_.notify_all();
  take_indices(0);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return busy_ == 0; });
  body_ = nullptr;
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void Threads::serve(int worker) {
  std::uint64_t seen = 0;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || round_ != seen; });
      if (stop_) return;
      seen = round_;
    }
    take_indices(worker);
    const std::lock_guard lock(mutex_);
    if (--busy_ == 0) done_.notify_one();
  }
}

void Threads::take_indices(int worker) {
  while (true) {
    int index = 0;
    {
      const std::lock_guard lock(mutex_);
      if (next_ >= n_ || error_) return;
      index = next_++;
    }
    try {
      (*body_)(index, worker);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }
}
}  // namespace moesim::numerics
