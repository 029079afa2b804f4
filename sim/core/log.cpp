#include "core/log.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/utf8.h"

namespace moesim::core {
namespace {
constexpr auto kEraseLine = "\r\033[K";

/// ", 2 min left", at the pace so far; nothing before that says something.
std::string time_left(std::chrono::duration<double> passed, std::uint64_t done, std::uint64_t total) {
  if (passed.count() < 1 || done == 0 || done >= total) return "";
  const double left = passed.count() * double(total - done) / double(done);
  if (left < 90) return fmt::format(", {:.0f} s left", left);
  return left < 5400 ? fmt::format(", {:.0f} min left", left / 60) : fmt::format(", {:.1f} h left", left / 3600);
}
}  // namespace

Progress::Progress(std::string_view what, std::uint64_t total)
    : what_(what), total_(total), shown_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (shown_) std::fputs(kEraseLine, stderr);
}

void Progress::at(std::uint64_t done, std::string_view detail) {
  if (!shown_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + std::chrono::milliseconds(100);
  std::string line = fmt::format("{}{} ", kEraseLine, what_);
  if (total_ > 0) {
    constexpr int kWidth = 30;
    const int filled = int(double(kWidth) * std::min(1.0, double(done) / double(total_)));
    line += fmt::format("[{:=<{}}{:{}}] {}/{}{}", "", filled, "", kWidth - filled, done, total_,
                        time_left(now - began_, done, total_));
  } else {
    line += fmt::to_string(done);
  }
  line += fmt::format(" {}", one_line(detail));
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void say(std::string_view line) {
  // Not fmt::print: it throws where stderr is closed, and then there is nobody to tell.
  const std::string text = fmt::format("{}{}\n", isatty(STDERR_FILENO) == 1 ? kEraseLine : "", one_line(line));
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void print_text(std::string_view text) { fmt::print("{}", without_controls(text)); }
}  // namespace moesim::core
