// Messages for the person at the terminal: logs and progress go to stderr, never to stdout, which carries results only.
#pragma once
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "core/names.h"

namespace moesim::core {

/// A bar and the time left on a terminal, nothing elsewhere.  Redraws at most ten times a second; erased when it goes.
/// One that begins while another is there stays silent: it is a part of what that one counts.
class Progress {
 public:
  /// what: is being done ("recording"); unit: of the count ("tokens", "B" or "s", or several of a thing).
  /// total: the count that means done; 0 if unknown, then only the count so far is shown.
  Progress(std::string_view what, std::uint64_t total, std::string_view unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void at(std::uint64_t done, std::string_view detail = "");

 private:
  std::string what_, unit_;
  std::uint64_t total_;
  bool shown_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now(), next_{};
};

/// The line that Progress draws: "recording [===   ] 1.2 of 4.8 k tokens, 30 s left  detail", at most `width` bytes.
/// passed: seconds since it began.
std::string progress_line(std::string_view what, std::uint64_t done, std::uint64_t total, std::string_view unit,
                          double passed, std::string_view detail, std::size_t width);

/// Prints one line to stderr, over any progress bar; folded where that is a terminal.  What ends lines or steers a
/// terminal, in names from files, is written out.
void say(std::string_view line);

/// Prints results to stdout: the one way for text and JSON that hold names from files.  What steers a terminal is
/// written out ("\u001b"), line breaks are kept.  Throws std::system_error where nobody takes it.
void print_text(std::string_view text);
template <class... Args>
void print_text(fmt::format_string<Args...> format, Args&&... args) requires(sizeof...(Args) > 0) {
  print_text(std::string_view(fmt::format(format, std::forward<Args>(args)...)));
}
}  // namespace moesim::core
