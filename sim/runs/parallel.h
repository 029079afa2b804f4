// Independent runs side by side: each has an engine and a thread of its own.
#pragma once
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/interrupt.h"
#include "core/log.h"

namespace moesim::runs {

/// Calls run(k) for k in [0, count) on `jobs` threads, with a progress bar that counts `what` ("points"), unless that
/// is empty.
/// The first exception ends it and is thrown on.  Returns false if the user interrupted it before all were run.
template <class Run>
bool run_all(std::string_view what, std::size_t count, int jobs, const Run& run) {
  std::atomic<std::size_t> next{0}, done{0};
  std::mutex mutex;
  std::exception_ptr error;
  {
    std::optional<Progress> progress;
    if (!what.empty()) progress.emplace("running", count, what);
    const auto work = [&] {
      for (std::size_t k; (k = next++) < count && !interrupted();) {
        try {
          run(k);
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (!error) error = std::current_exception();
          next = count;
          return;
        }
        const std::lock_guard lock(mutex);
        ++done;
        if (progress) progress->at(done);
      }
    };
    std::vector<std::jthread> threads;
    for (int j = 1; j < jobs; ++j) threads.emplace_back(work);
    work();
  }
  if (error) std::rethrow_exception(error);
  return done == count;
}
}  // namespace moesim::runs
