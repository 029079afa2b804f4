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

Html breakable(std::string_view name) {
  Html out;
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('_'), name.size() - 1) + 1;
    out += html("{}", name.substr(0, end));
    name.remove_prefix(end);
    if (!name.empty()) out += html("<wbr>");
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
