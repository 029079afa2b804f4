#include "core/typed_list.h"

#include <algorithm>
#include <cctype>

namespace moesim::core {
namespace {
bool is_number(std::string_view word) {
  return !word.empty() && std::ranges::all_of(word, [](unsigned char c) { return std::isdigit(c) != 0 || c == '.'; });
}
bool begins_with_letter(std::string_view word) { return std::isalpha(static_cast<unsigned char>(word.front())) != 0; }

std::vector<std::string> split_at(std::string_view text, char mark) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t end = std::min(text.find(mark), text.size());
    std::string_view one = text.substr(0, end);
    one.remove_prefix(std::min(one.find_first_not_of(' '), one.size()));
    one = one.substr(0, one.find_last_not_of(' ') + 1);
    if (!one.empty() || mark != ' ') out.emplace_back(one);
    if (end == text.size()) return out;
    text.remove_prefix(end + 1);
  }
}
}  // namespace

std::vector<std::string> typed_list(std::string_view text) {
  if (text.find(',') != std::string_view::npos) return split_at(text, ',');
  std::vector<std::string> out;
  for (std::string& word : split_at(text, ' ')) {
    if (!out.empty() && is_number(out.back()) && begins_with_letter(word))
      out.back() += " " + word;
    else
      out.push_back(std::move(word));
  }
  return out;
}
}  // namespace moesim::core
