#include "pages/charts/markup.h"

#include <algorithm>
#include <cmath>

#include "core/utf8.h"

namespace moesim::pages {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : core::without_controls(text)) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  return out;
}

Html breakable(std::string_view text) {
  constexpr std::size_t kLong = 14;  // letters: shorter names find room in a line of their own
  Html out;
  while (!text.empty()) {
    std::string_view word = text.substr(0, text.find(' ') == std::string_view::npos ? text.size() : text.find(' ') + 1);
    text.remove_prefix(word.size());
    for (const bool breaks = word.size() > kLong; !word.empty();) {
      const std::size_t bar = breaks ? word.find('_') : std::string_view::npos;
      const std::size_t end = bar == std::string_view::npos ? word.size() : bar + 1;
      out += html("{}", word.substr(0, end));
      word.remove_prefix(end);
      if (!word.empty()) out += html("<wbr>");
    }
  }
  return out;
}

std::string coordinate(double value) {
  if (!std::isfinite(value)) return "0";
  std::string out = fmt::format("{:.3f}", value);
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out == "-0" ? "0" : out;
}

std::string percent(double share) { return coordinate(100 * share) + "%"; }
}  // namespace moesim::pages
