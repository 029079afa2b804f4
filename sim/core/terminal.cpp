#include "core/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "core/log.h"

namespace moesim::core {
namespace {
constexpr std::size_t kLeastWidth = 40;  // what is narrower shows no table in any layout

/// Whether a character of UTF-8 begins here.
bool begins(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

/// Where a word that is too long is broken: after the last mark that fits, else where the room ends.
std::size_t break_of(std::string_view word, std::size_t width) {
  std::size_t end = width;
  while (end > 1 && !begins(word[end])) --end;
  const std::size_t mark = word.substr(0, end).find_last_of("/_-,.");
  return mark != std::string_view::npos && mark > 0 && mark + 1 < word.size() ? mark + 1 : end;
}

/// Where the line's last column begins, if enough room is left there; else two spaces in.
std::size_t hanging(std::string_view line, std::size_t width) {
  const std::size_t first = std::min(line.find_first_not_of(' '), line.size());
  for (std::size_t gap = line.substr(0, width * 3 / 5).rfind("  "); gap != std::string_view::npos && gap > first;
       gap = line.rfind("  ", gap - 1))
    if (const std::size_t at = line.find_first_not_of(' ', gap); at <= width * 3 / 5) return at;
  return std::min(first + 2, width / 2);
}
}  // namespace

std::size_t terminal_width(int stream) {
  if (isatty(stream) != 1) return 0;
  std::size_t columns = 0;
  if (const char* given = std::getenv("COLUMNS"); given != nullptr) {
    const std::string_view text(given);
    if (const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), columns);
        error != std::errc{} || end != text.data() + text.size())
      columns = 0;
  }
  struct winsize size {};
  if (columns == 0 && ioctl(stream, TIOCGWINSZ, &size) == 0) columns = size.ws_col;
  return columns == 0 ? 0 : std::max(columns, kLeastWidth);
}

std::vector<std::string> pieces_of(std::string_view text, std::size_t width, bool whole_words) {
  std::vector<std::string> out;
  while (text.size() > width) {
    std::size_t space = text.rfind(' ', width);
    if (space == std::string_view::npos || space == 0) {
      if (whole_words) {
        space = text.find(' ', 1);
        if (space == std::string_view::npos) break;
      } else {
        const std::size_t end = break_of(text, width);
        out.emplace_back(text.substr(0, end));
        text.remove_prefix(end);
        continue;
      }
    }
    out.emplace_back(text.substr(0, space));
    text.remove_prefix(std::min(text.find_first_not_of(' ', space), text.size()));
  }
  out.emplace_back(text);
  return out;
}

std::string folded(std::string_view text, std::size_t width) {
  if (width == 0) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.size() <= width) {
      out += line;
    } else {
      // The beginning keeps its columns: only what follows is cut into pieces.
      const std::size_t hang = hanging(line, width);
      const std::vector<std::string> pieces = pieces_of(line.substr(hang), width - hang, true);
      out += line.substr(0, hang);
      for (std::size_t i = 0; i < pieces.size(); ++i) {
        if (i > 0) out += '\n' + std::string(hang, ' ');
        out += pieces[i];
      }
    }
    if (end < text.size()) out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

void print_folded(std::string_view text) { print_text(folded(text, terminal_width())); }
}  // namespace moesim::core
