// What the points of a sweep have in common, and what not.
#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "pages/facts.h"

namespace moesim::pages {
namespace {
constexpr std::size_t kMostValues = 8;  // of one setting that are named

/// Values of one thing over the points, in the order they come, each with how many points have it.
struct Values {
  std::vector<std::pair<std::string, int>> counted;
  int points = 0;

  void add(const std::string& value) {
    ++points;
    const auto at = std::ranges::find(counted, value, &std::pair<std::string, int>::first);
    if (at != counted.end())
      ++at->second;
    else if (counted.size() <= kMostValues)
      counted.emplace_back(value, 1);
  }
  bool same(int all) const { return points == all && counted.size() == 1; }
  std::string text() const {
    std::string out;
    for (std::size_t i = 0; i < counted.size() && i < kMostValues; ++i)
      out += (i == 0 ? "" : "; ") + counted[i].first + fmt::format(" ({})", counted[i].second);
    return counted.size() > kMostValues ? out + "; and more" : out;
  }
};

void share_settings(const results::Database& db, Facts& out, int& runs) {
  std::vector<std::string> order;
  std::map<std::string, Values> values;
  results::Statement s = db.prepare("SELECT resolved FROM run ORDER BY run");
  while (s.step()) {
    ++runs;
    std::istringstream lines(s.is_null(0) ? "" : s.text(0));
    for (std::string line; std::getline(lines, line);) {
      const std::size_t colon = line.find(": ");
      if (colon == std::string::npos) continue;
      const auto [at, added] = values.try_emplace(line.substr(0, colon));
      if (added) order.push_back(at->first);
      at->second.add(line.substr(colon + 2));
    }
  }
  out.resolved.clear(), out.settings.clear();
  for (const std::string& key : order) {
    const Values& v = values.at(key);
    if (!v.same(runs)) {
      out.differing[key] = v.text();
      continue;
    }
    out.resolved += key + ": " + v.counted[0].first + "\n";
    out.settings.emplace(key, v.counted[0].first);
  }
}
}  // namespace

Facts read_shared(const results::Database& db) {
  Facts out = read_identity(db);
  int runs = 0;
  share_settings(db, out, runs);
  std::map<std::pair<std::string, std::string>, std::pair<Values, Values>> assumed;  // (scope, name): value, reason
  std::vector<std::pair<std::string, std::string>> order;
  results::Statement a = db.prepare("SELECT scope, name, value, reason FROM assumption ORDER BY rowid");
  while (a.step()) {
    const auto [at, added] = assumed.try_emplace({a.text(0), a.text(1)});
    if (added) order.push_back(at->first);
    at->second.first.add(a.text(2)), at->second.second.add(a.text(3));
  }
  for (const auto& key : order) {
    const auto& [value, reason] = assumed.at(key);
    const bool same = value.same(runs) && reason.counted.size() == 1;
    out.assumptions.push_back({key.first, key.second, same ? value.counted[0].first : value.text(),
                               same ? reason.counted[0].first : "differs: in brackets, how many points"});
  }
  std::map<std::pair<std::string, std::string>, std::pair<int, std::string>> warned;  // one text stands for all
  results::Statement w = db.prepare("SELECT scope, name, text FROM warning ORDER BY rowid");
  while (w.step()) {
    auto& [count, text] = warned[{w.text(0), w.text(1)}];
    if (++count == 1) text = w.text(2);
  }
  for (const auto& [key, said] : warned)
    out.warnings.push_back(
        {key.first, key.second, fmt::format("in {} of {} points, first: {}", said.first, runs, said.second)});
  return out;
}
}  // namespace moesim::pages
