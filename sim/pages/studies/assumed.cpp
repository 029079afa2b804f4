// What the figures of a page rest on.
#include <algorithm>
#include <sstream>

#include "pages/studies/common.h"

namespace moesim::pages {
namespace {
/// A value of a setting that says that something is off.
bool is_off(std::string_view value) {
  return value.empty() || value == "0" || value == "false" || value == "none" || value == "not given";
}

/// Whether a setting under `path` replaces the line of `key`: what is in a map, or in a list, takes the map with it.
bool replaces(std::string path, const std::string& key) {
  std::ranges::replace(path, '[', '.');
  std::erase(path, ']');
  return ("." + path + ".").find("." + key + ".") != std::string::npos;
}

/// Of lines of YAML in order, the keys that each stands under, itself the last: "serving.pools.overhead".
class PathOfLines {
 public:
  const std::string& next(const std::string& line) {
    const std::size_t first = line.find_first_not_of(" -"), colon = line.find(':');
    if (first == std::string::npos || line[first] == '#' || colon == std::string::npos) return path_;
    while (!above_.empty() && above_.back().first >= first) above_.pop_back();
    above_.emplace_back(first, line.substr(first, colon - std::min(first, colon)));
    path_.clear();
    for (const auto& [indent, key] : above_) path_ += (path_.empty() ? "" : ".") + key;
    return path_;
  }

 private:
  std::vector<std::pair<std::size_t, std::string>> above_;  // column and key
  std::string path_;
};

/// What the scenario's own text calls assumed: "key: value   # assumed: why"; lines whose key the command line gave, or
/// a sweep, are left out.
void add_own_assumptions(Page& page, const Facts& f) {
  constexpr std::size_t kMost = 40;
  constexpr std::string_view kWord = "assumed";
  std::istringstream lines(f.scenario_file.empty() ? "" : f.scenario);
  std::size_t found = 0;
  PathOfLines paths;
  for (std::string line; std::getline(lines, line);) {
    const std::string& stands = paths.next(line);
    const std::size_t hash = line.find(" # "), first = line.find_first_not_of(" -");
    if (hash == std::string::npos || first >= hash) continue;
    const std::size_t at = line.find(kWord, hash);
    if (at == std::string::npos) continue;
    std::string said = line.substr(first, line.find_last_not_of(' ', hash) - first + 1);
    const std::string key = said.substr(0, said.find(':'));
    const auto replaced = [&](const std::string& path) {
      return replaces(path, key) || stands == path || stands.starts_with(path + ".");
    };
    if (std::ranges::any_of(f.options, replaced,
                            [](const auto& o) { return o.second.substr(0, o.second.find('=')); }) ||
        std::ranges::any_of(f.varied, replaced) ||
        std::ranges::any_of(f.differing, replaced, [](const auto& d) { return d.first; }))
      continue;
    if (++found > kMost) break;
    if (said.ends_with(':')) said.pop_back();  // a block's: its values are in the lines below
    std::string why = line.substr(at + kWord.size());
    why.erase(0, std::min(why.find_first_not_of(": "), why.size()));
    page.assumed.push_back(html("<code>{}</code> <span class=\"dim\">(assumed in the scenario{})</span>", said,
                                why.empty() ? "" : ": " + why));
  }
}

void add_changed(Page& page, const Facts& f) {
  Html all;
  for (const std::string& value : changes_of(f)) all += html("{} <code>{}</code>", all.empty() ? "" : ",", value);
  for (const std::string& key : f.varied) all += html("{} varied <code>{}</code>", all.empty() ? "" : ",", key);
  if (!all.empty()) page.assumed.push_back(html("<b>not as the scenario is written</b>:{}", all));
}
}  // namespace

std::vector<std::string> changes_of(const Facts& f) {
  std::vector<std::string> out;
  for (const auto& [name, value] : f.options)
    if (name == "--set" && !value.starts_with("title=") && !value.starts_with("about=") && !value.starts_with("expect"))
      out.push_back(value);
  return out;
}

namespace {
bool own_says_routing(const Page& own) {
  return std::ranges::any_of(own.assumed, [](const Html& a) { return a.text().starts_with("<code>routing:"); });
}
}  // namespace

void add_assumed(Page& page, const Facts& f) {
  Page own;
  add_own_assumptions(own, f);
  add_changed(page, f);
  for (const Facts::Warning& w : f.warnings)
    page.assumed.push_back(html("<b class=\"bad\">{}</b>{}: {}", spaced(w.name),
                                w.scope == "run" ? "" : " (" + scope_words(w.scope) + ")", w.text));
  const auto words = [](const Facts::Assumption& a) {  // of lists of keys; others are names, which stay as they are
    return a.name == "targets" || a.name == "routing" ? spaced(a.value) : a.value;
  };
  for (const Facts::Assumption& a : f.assumptions)
    page.assumed.push_back(html("<b>{}</b>{}: {} <span class=\"dim\">({})</span>", spaced(a.name),
                                a.scope == "run" ? "" : " of " + scope_words(a.scope), words(a), a.reason));
  if (const std::string kind = f.setting("routing.kind");
      !kind.empty() && !own_says_routing(own) &&
      std::ranges::none_of(f.assumptions, [](const auto& a) { return a.name == "routing"; })) {
    std::string how = spaced(kind);
    for (const auto& [key, value] : f.settings)
      if (key.starts_with("routing.") && key != "routing.kind" && key.find('.', 8) == std::string::npos &&
          value.size() < 40 && !is_off(value))
        how += ", " + spaced(key.substr(8)) + " " + value;
    page.assumed.push_back(html("<b>routing</b>: {} <span class=\"dim\">(as asked)</span>", how));
  }
  page.assumed.insert(page.assumed.end(), own.assumed.begin(), own.assumed.end());
}
}  // namespace moesim::pages
