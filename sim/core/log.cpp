#include "core/log.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>

#include "core/terminal.h"
#include "core/utf8.h"

namespace moesim::core {
namespace {
constexpr auto kEraseLine = "\r\033[K";

/// ", 2 min left", at the pace so far; nothing before that says something.
std::string time_left(double passed, std::uint64_t done, std::uint64_t total) {
  if (passed < 1 || done == 0 || done >= total) return "";
  const double left = passed * double(total - done) / double(done);
  if (left < 90) return fmt::format(", {:.0f} s left", left);
  return left < 5400 ? fmt::format(", {:.0f} min left", left / 60) : fmt::format(", {:.1f} h left", left / 3600);
}

/// "12 of 60 s", "1.2 of 4.8 M tokens", "0.3 of 1.9 GB"; "350 tokens" where the whole is not known.
std::string counted_so_far(std::uint64_t done, std::uint64_t total, std::string_view unit) {
  constexpr std::pair<double, std::string_view> kPrefixes[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
  constexpr std::uint64_t kAtAGlance = 10'000;  // counts below are read as they are
  const std::uint64_t largest = std::max(done, total);
  const std::string of = total > 0 ? " of " : "";
  if (largest >= kAtAGlance)
    for (const auto& [scale, prefix] : kPrefixes)
      if (double(largest) >= scale)
        return fmt::format("{:.1f}{} {}{}{}", double(done) / scale,
                           of.empty() ? "" : fmt::format("{}{:.1f}", of, double(total) / scale), prefix,
                           unit == "B" ? "" : " ", unit);
  return fmt::format("{}{} {}", done, of.empty() ? "" : fmt::format("{}{}", of, total), unit);
}

std::size_t columns_of_stderr() {
  struct winsize size {};
  constexpr std::size_t kUsual = 80;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsual;
}
}  // namespace

std::string progress_line(std::string_view what, std::uint64_t done, std::uint64_t total, std::string_view unit,
                          double passed, std::string_view detail, std::size_t width) {
  std::string line = fmt::format("{} ", what);
  if (total > 0) {
    const int bar = width >= 100 ? 30 : 16;
    const int filled = int(double(bar) * std::min(1.0, double(done) / double(total)));
    line += fmt::format("[{:=<{}}{:{}}] ", "", filled, "", bar - filled);
  }
  line += counted_so_far(done, total, unit) + time_left(passed, done, total);
  if (!detail.empty()) line += fmt::format("  {}", one_line(detail));
  if (line.size() <= width) return line;
  std::size_t end = width;  // a longer one would go on in a line that is not erased
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
  return line.substr(0, end);
}

namespace {
std::atomic<bool> shows_one = false;  // points of a sweep run on several threads
}

Progress::Progress(std::string_view what, std::uint64_t total, std::string_view unit)
    : what_(what), unit_(unit), total_(total), shown_(isatty(STDERR_FILENO) == 1 && !shows_one.exchange(true)) {}

Progress::~Progress() {
  if (!shown_) return;
  std::fputs(kEraseLine, stderr);
  shows_one = false;
}

void Progress::at(std::uint64_t done, std::string_view detail) {
  if (!shown_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + std::chrono::milliseconds(100);
  const std::chrono::duration<double> passed = now - began_;
  const std::string line =
      kEraseLine + progress_line(what_, done, total_, unit_, passed.count(), detail, columns_of_stderr() - 1);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void say(std::string_view line) {
  // Not fmt::print: it throws where stderr is closed, and then there is nobody to tell.
  const std::string text = fmt::format("{}{}\n", isatty(STDERR_FILENO) == 1 ? kEraseLine : "",
                                       folded(one_line(line), terminal_width(STDERR_FILENO)));
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void print_text(std::string_view text) { fmt::print("{}", without_controls(text)); }
}  // namespace moesim::core
