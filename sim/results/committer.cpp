#include "results/committer.h"

#include <chrono>

namespace moesim::results {
namespace {
constexpr std::chrono::seconds kInterval{2};  // what a killed run loses; a commit waits for the disk some milliseconds
}

Committer::Committer(std::function<void()> commit)
    : thread_([this, commit = std::move(commit)] {
        std::unique_lock lock(mutex_);
        while (!wake_.wait_for(lock, kInterval, [this] { return ending_; })) {
          lock.unlock();
          commit();
          lock.lock();
        }
      }) {}

Committer::~Committer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}
}  // namespace moesim::results
