// Messages for the person at the terminal: logs and progress go to stderr, never to stdout, which carries results only.
#pragma once
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/names.h"

namespace moesim::core {

/// A bar and the time left on a terminal, nothing elsewhere.  Redraws at most ten times a second; erased when it goes.
class Progress {
 public:
  /// total: the count that means done; 0 if unknown, then only the count so far is shown.
  Progress(std::string_view what, std::uint64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void at(std::uint64_t done, std::string_view detail = "");

 private:
  std::string what_;
  std::uint64_t total_;
  bool shown_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now(), next_{};
};

/// Prints one line to stderr, over any progress bar.
void say(std::string_view line);
}  // namespace moesim::core
