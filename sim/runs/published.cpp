#include "runs/published.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "runs/expect.h"

namespace moesim::runs {
namespace {
/// Whether `path` leads to this very text already; lists are not looked into.
bool stands_there(Config at, std::string_view path, const std::string& value) {
  while (!path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    const std::string_view key = path.substr(0, dot);
    if (!at.is_map() || !at.has(key)) return false;
    at = at.at(key);
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return at.is_scalar() && at.text() == value;
}
}  // namespace

std::vector<std::string> keys_of_setup(const Config& written, const std::string& section,
                                       const std::vector<Config::Override>& overrides) {
  constexpr std::array<std::string_view, 2> kLengths = {"serving.duration", "serving.warmup"};
  std::vector<std::string> out;
  for (const Config::Override& o : overrides) {
    const std::string top = o.path.substr(0, o.path.find_first_of(".["));
    if (top == "published") return {};
    const bool setup = top == "model" || top == "cluster" || top == "placement" || top == section;
    if (setup && std::ranges::find(kLengths, o.path) == kLengths.end() && std::ranges::find(out, o.path) == out.end() &&
        !stands_there(written, o.path, o.value))
      out.push_back(o.path);
  }
  return out;
}

std::vector<PublishedFigure> read_published(const Config& scenario) {
  std::vector<PublishedFigure> out;
  if (!scenario.has("published")) return out;
  for (const Config& item : scenario.at("published").items()) {
    out.push_back(read<PublishedFigure>(item));
    check_figure(item, out.back().metric, out.back().scope);
    if (out.back().value == 0) item.at("value").fail("expected a figure other than 0: the error is relative to it");
  }
  return out;
}

void store_published(const std::vector<PublishedFigure>& figures, results::Results& results) {
  for (const PublishedFigure& f : figures)
    results.add(results::Table::published, {f.metric, f.scope, f.value, f.source});
}

std::vector<std::string> unmatched(const std::vector<PublishedFigure>& figures, const results::Results& results) {
  std::vector<std::string> out;
  for (const PublishedFigure& f : figures)
    if (!results.has_metric(f.metric, f.scope))
      out.push_back(fmt::format("published {}: the run has no such metric of scope {}", f.metric, f.scope));
  return out;
}
}  // namespace moesim::runs
