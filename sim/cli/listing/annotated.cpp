#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "cli/listing/reference.h"
#include "cli/listing/starts.h"
#include "core/check.h"
#include "core/terminal.h"

namespace moesim::cli {
namespace {
constexpr std::size_t kHelpColumn = 34, kStartWidth = 80;
/// Refused where another key is not given, which no start gives: their default may not be written alone.
constexpr std::string_view kBesideOthers[] = {"years", "power_price", "power_usage"};

/// One `key: value`.
struct Line {
  std::size_t indent = 0;  // of the key, behind the dash of a list's element
  std::string key, value;
};
Line line_of(const std::string& text) {
  Line out;
  out.indent = text.find_first_not_of(" -");
  const std::size_t colon = text.find(':', out.indent);
  check(colon != text.npos, "a start has the line \"{}\" without a key", text);
  out.key = text.substr(out.indent, colon - out.indent);
  out.value = colon + 2 < text.size() ? text.substr(colon + 2) : "";
  return out;
}

class Annotator {
 public:
  explicit Annotator(std::string_view root) : root_(root) {}

  /// Notes the keys that the start has itself, wherever they stand: `...` leaves them out.
  void note(const std::string& text) {
    const std::size_t indent = text.find_first_not_of(' ');
    if (indent == text.npos || text[indent] == '#' || text.substr(indent) == "...") return;
    const Line l = line_of(text);
    leave(l.indent);
    written_[path()].insert(l.key);
    path_.push_back({l.indent, l.key});
  }
  std::string line(const std::string& text) {
    const std::size_t indent = text.find_first_not_of(' ');
    if (indent == text.npos || text[indent] == '#') return text + "\n";
    if (text.substr(indent) == "...") return rest(indent);
    const Line l = line_of(text);
    leave(l.indent);
    const std::string section = path();
    path_.push_back({l.indent, l.key});
    if (l.key == "kind") kinds_[section] = l.value;
    return with_help(text, help_of(path(), section));
  }

 private:
  /// Back to the section that holds keys of this indent.
  void leave(std::size_t indent) {
    while (!path_.empty() && path_.back().first >= indent) path_.pop_back();
  }
  std::string path() const {
    std::string out;
    for (const auto& [indent, key] : path_) out += (out.empty() ? "" : ".") + key;
    return out;
  }
  /// The top level's keys first: "model" is a section, too.
  std::vector<Place> places(const std::string& path, const std::string& kind) const {
    std::vector<Place> found = look_up(root_ + "." + path, kind);
    return found.empty() ? look_up(path, kind) : found;
  }
  std::string kind_of(const std::string& section) const {
    const auto found = kinds_.find(section);
    return found == kinds_.end() ? "" : found->second;
  }
  std::string help_of(const std::string& path, const std::string& section) const {
    std::vector<Place> found = places(path, kind_of(section));
    if (found.empty()) found = places(path, "");  // `kind` picks from no family there
    check(!found.empty(), "a start has the key {}, which no section has", path);
    return found.front().key == nullptr ? found.front().section->summary : found.front().key->help;
  }
  /// The help goes on below itself, where it would be wider than a terminal of old.
  static std::string with_help(const std::string& text, const std::string& help) {
    constexpr std::string_view kBefore = "  # ";
    const std::size_t column = std::max(text.size(), kHelpColumn), full = kStartWidth - kHelpColumn - kBefore.size();
    std::string out = fmt::format("{:<{}}", text, kHelpColumn), rest = help;
    if (column > kHelpColumn) {  // less room in the first line
      const std::size_t room = kStartWidth - std::min(kStartWidth - 1, column + kBefore.size());
      const std::string first = pieces_of(help, room, true).front();
      out += fmt::format("{}{}\n", kBefore, first);
      rest.erase(0, std::min(help.find_first_not_of(' ', first.size()), help.size()));
      if (rest.empty()) return out;
      out += std::string(kHelpColumn, ' ');
    }
    const std::vector<std::string> pieces = pieces_of(rest, full, true);
    for (std::size_t i = 0; i < pieces.size(); ++i)
      out += fmt::format("{}{}{}\n", i > 0 ? std::string(kHelpColumn, ' ') : "", kBefore, pieces[i]);
    return out;
  }
  /// Those that may stand in the section: where it has several forms, as plans of services and of training runs have,
  /// in one that has every key of the start.
  std::vector<Place> open_keys(const std::string& section) {
    std::vector<std::vector<Place>> forms;
    const auto add = [&](const Place& place) {
      const Form* last = nullptr;
      for (Place& inner : below(place)) {
        if (forms.empty() || inner.form != last) forms.emplace_back();
        last = inner.form;
        forms.back().push_back(std::move(inner));
      }
    };
    if (section.empty())
      add({root_, nullptr, nullptr, section_called(root_)});
    else
      std::ranges::for_each(places(section, ""), add);
    const auto has_all = [&](const std::vector<Place>& form) {
      return std::ranges::all_of(written_[section], [&](const std::string& key) {
        return key == "kind" || std::ranges::any_of(form, [&](const Place& p) { return p.key->name == key; });
      });
    };
    const bool one_has = std::ranges::any_of(forms, has_all);
    std::vector<Place> out;
    for (std::vector<Place>& form : forms)
      if (!one_has || has_all(form)) out.insert(out.end(), form.begin(), form.end());
    return out;
  }
  std::string rest(std::size_t indent) {
    leave(indent);
    const std::string section = path();
    const std::vector<Place> all = open_keys(section);
    const std::string kind = kind_of(section);
    const bool of_family =
        std::ranges::any_of(all, [&](const Place& p) { return p.form->kind == kind; }) && !kind.empty();
    std::string out;
    for (const Place& place : all) {
      const std::string& of = place.form->kind;
      if (of_family && of != kind) continue;
      if (place.key->type == "section" && place.key->keys.empty()) continue;  // of another study
      if (section.empty() && place.key->name == "placement" && written_[section].contains("place"))
        continue;  // which is what that study looks for
      if (place.key->name == "kind" || !written_[section].insert(place.key->name).second) continue;
      const std::string value = value_of(*place.key);
      out += with_help(value.empty() ? fmt::format("{:{}}# {} <{}>", "", indent, place.key->name, what_of(*place.key))
                                     : fmt::format("{:{}}# {}: {}", "", indent, place.key->name, value),
                       place.key->help);
    }
    return out;
  }
  /// What a key has where it is not written, as YAML that may be written; "" where there is no such.
  static std::string value_of(const KeyHelp& key) {
    if (key.type == "any" || key.type == "section" || key.required) return "";  // `{}` may ask for it, too
    if (std::ranges::find(kBesideOthers, key.name) != std::end(kBesideOthers)) return "";
    const bool unset = key.fallback == "none" && std::ranges::find(key.words, "none") == key.words.end();
    return unset ? "" : key.fallback;
  }
  static std::string what_of(const KeyHelp& key) { return key.type == "any" ? "name or map" : key.type; }

  std::string root_;
  std::vector<std::pair<std::size_t, std::string>> path_;
  std::map<std::string, std::string> kinds_;              // by section
  std::map<std::string, std::set<std::string>> written_;  // keys that stand in it or in `...`, by section
};
}  // namespace

std::string annotated(std::string_view text, std::string_view root) {
  Annotator annotator(root);
  std::string out, line;
  for (std::istringstream lines{std::string(text)}; std::getline(lines, line);) annotator.note(line);
  for (std::istringstream lines{std::string(text)}; std::getline(lines, line);) out += annotator.line(line);
  return out;
}
}  // namespace moesim::cli
