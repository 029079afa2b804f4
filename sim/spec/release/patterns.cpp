#include "spec/release/patterns.h"

#include <fmt/format.h>

#include <regex>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace moesim::spec {
namespace {
/// Longest regular expression that is looked at.
constexpr std::size_t kLongest = 300;

std::string_view without_beginning(std::string_view name) {
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view one : {"model.", "language_model.", "backbone.", "transformer."})
      if (name.starts_with(one)) {
        name.remove_prefix(one.size());
        again = true;
      }
  }
  return name == "head" ? std::string_view("lm_head") : name;
}

/// Stars stand for anything.
bool matches_stars(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}
}  // namespace

struct ModulePatterns::Lists {
  std::unordered_set<std::string> names;   // without stars
  std::unordered_set<std::string> begins;  // a star at the end alone
  std::set<std::size_t> begin_sizes;
  std::vector<std::string> stars;
  std::vector<std::regex> expressions;
  bool counts = false;  // an expression tells numbers apart
  mutable std::unordered_map<std::string, bool> known;

  /// Expressions are slow: layers of one kind have one answer, unless an expression tells numbers apart.
  bool expressed(const std::string& name) const {
    std::string key = name;
    if (const std::size_t at = name.find("layers."); at != std::string::npos && !counts) {
      const std::size_t end = name.find('.', at + 7);
      key = name.substr(0, at + 7) + (end == std::string::npos ? "" : name.substr(end));
    }
    const auto [found, fresh] = known.try_emplace(key, false);
    if (fresh)
      for (const std::regex& one : expressions)
        for (const char* begin : {"", "model.", "language_model.model.", "model.language_model."})
          found->second = found->second || std::regex_search(begin + name, one, std::regex_constants::match_continuous);
    return found->second;
  }
};

ModulePatterns::ModulePatterns() : lists_(std::make_unique<Lists>()) {}
ModulePatterns::~ModulePatterns() = default;
ModulePatterns::ModulePatterns(ModulePatterns&&) noexcept = default;
ModulePatterns& ModulePatterns::operator=(ModulePatterns&&) noexcept = default;

void ModulePatterns::add(const std::string& pattern, const Keys& keys, std::string_view key) {
  if (pattern.starts_with("re:")) {
    const std::string text = pattern.substr(3);
    try {
      if (text.size() > kLongest) throw std::regex_error(std::regex_constants::error_complexity);
      auto flags = std::regex::ECMAScript | std::regex::optimize;
#ifdef __GLIBCXX__
      flags |= std::regex_constants::__polynomial;  // time that grows with the text and no faster
#endif
      lists_->expressions.emplace_back(text, flags);
      lists_->counts = lists_->counts || text.find_first_of("0123456789") != std::string::npos ||
                       text.find("\\d") != std::string::npos;
    } catch (const std::regex_error&) {
      keys.fail(key, fmt::format("\"{}\" is no regular expression that is read here", pattern.substr(0, 80)));
    }
    return;
  }
  const std::string own(without_beginning(pattern));
  const std::size_t star = own.find('*');
  if (star == std::string::npos) {
    lists_->names.insert(own);
  } else if (star + 1 == own.size() && star > 0) {
    lists_->begins.insert(own.substr(0, star));
    lists_->begin_sizes.insert(star);
  } else {
    lists_->stars.push_back(own);
  }
}

bool ModulePatterns::empty() const {
  return lists_->names.empty() && lists_->begins.empty() && lists_->stars.empty() && lists_->expressions.empty();
}

bool ModulePatterns::has(const std::string& name) const {
  for (const std::size_t size : lists_->begin_sizes)
    if (size <= name.size() && lists_->begins.contains(name.substr(0, size))) return true;
  // A name or a part of one, from any dot to any other: "gate" is the module of that name wherever it is.
  for (std::size_t from = 0; from < name.size() && !lists_->names.empty();) {
    for (std::size_t to = name.find('.', from);; to = name.find('.', to + 1)) {
      if (lists_->names.contains(name.substr(from, to == std::string::npos ? to : to - from))) return true;
      if (to == std::string::npos) break;
    }
    const std::size_t dot = name.find('.', from);
    if (dot == std::string::npos) break;
    from = dot + 1;
  }
  for (const std::string& one : lists_->stars)
    if (matches_stars(one, name) || matches_stars(one + ".*", name)) return true;
  return !lists_->expressions.empty() && lists_->expressed(name);
}
}  // namespace moesim::spec
