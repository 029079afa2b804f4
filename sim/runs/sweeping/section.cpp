#include "runs/sweeping/section.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "core/files.h"
#include "core/paths.h"
#include "results/metrics.h"
#include "runs/other_verb.h"

namespace moesim::runs {
namespace {
void check_range(const Config& config, const SweepAxis& axis, const SweepDesign& design) {
  if (!axis.to) config.fail("a range has `from` and `to`; `to` is missing");
  const RangeEnd from = range_end(*axis.from), to = range_end(*axis.to);
  if (from.unit != to.unit)
    config.at("to").fail(fmt::format("must be in the unit of from ({}), got {}", axis.from->text(), axis.to->text()));
  if (!(from.value < to.value))
    config.at("to").fail(fmt::format("must be above from ({}), got {}", axis.from->text(), axis.to->text()));
  if (axis.scale == AxisScale::log && !(from.value > 0))
    config.at("from").fail(fmt::format("must be above 0 on a logarithmic scale, got {}", axis.from->text()));
  if (!config.has("steps")) {
    if (!design.takes_ranges())
      config.fail(
          "a grid or list needs `steps` between from and to; designs that draw their points need none "
          "(design: {kind: latin_hypercube, points: 40})");
  } else if (axis.steps < 2) {
    config.at("steps").fail(fmt::format("must be at least 2, both ends, got {}", axis.steps));
  }
}

void check_axis(const Config& config, const SweepAxis& axis, const SweepDesign& design) {
  if (axis.is_range() && config.has("values")) config.at("values").fail("an axis has values, or from and to");
  if (axis.is_range()) return check_range(config, axis, design);
  if (axis.to) config.fail("a range has `from` and `to`; `from` is missing");
  for (const char* key : {"steps", "scale", "whole"})
    if (config.has(key)) config.at(key).fail("has no effect on values that are listed; it belongs to from and to");
  if (axis.values.empty()) (config.has("values") ? config.at("values") : config).fail("expected at least one value");
}

std::vector<std::uint64_t> seeds_of(const std::optional<Config>& seeds) {
  std::vector<std::uint64_t> out;
  if (!seeds) return out;
  if (seeds->is_list()) {
    seeds->parse(out);
    std::vector<std::uint64_t> sorted = out;
    std::ranges::sort(sorted);
    if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end())
      seeds->fail(fmt::format("seed {} is listed twice", *twice));
  } else {
    constexpr int kMostSeeds = 10'000;
    int n = 0;
    seeds->parse(n);
    if (n < 1 || n > kMostSeeds) seeds->fail(fmt::format("must be at least 1 and at most {}, got {}", kMostSeeds, n));
    for (int i = 1; i <= n; ++i) out.push_back(std::uint64_t(i));
  }
  if (out.empty()) seeds->fail("expected at least one seed");
  return out;
}

/// Whether one of them sets the other, too.
bool overlap(const std::string& a, const std::string& b) {
  const auto holds = [](const std::string& outer, const std::string& inner) {
    return inner == outer || inner.starts_with(outer + ".") || inner.starts_with(outer + "[");
  };
  return holds(a, b) || holds(b, a);
}

void check_keys(const Config& config, const SweepSection& section) {
  const std::vector<Config> axes = config.at("vary").items();
  for (std::size_t a = 0; a < axes.size(); ++a) {
    const std::string& key = section.vary[a].key;
    for (std::size_t b = 0; b < a; ++b)
      if (overlap(key, section.vary[b].key))
        axes[a].at("key").fail(fmt::format("sets what the axis {} sets", section.vary[b].key));
    for (const std::string& set : section.set)
      if (overlap(key, set.substr(0, set.find('='))))
        axes[a].at("key").fail(fmt::format("is set for all points already: {}", set));
  }
}

void check_seeds(const Sweep& sweep) {
  if (sweep.seeds.empty()) return;
  for (const SweepAxis& axis : sweep.section.vary)
    if (axis.key == "seed") sweep.config.at("seeds").fail("the seed varies already: it is an axis");
  for (const std::string& set : sweep.section.set)
    if (set.starts_with("seed=")) sweep.config.at("seeds").fail("the seed is set already: " + set);
}

void check_set(const Config& config, const SweepSection& section) {
  for (std::size_t i = 0; i < section.set.size(); ++i)
    if (section.set[i].find('=') == std::string::npos)
      config.at("set").items()[i].fail(fmt::format("expected key.path=value, got \"{}\"", section.set[i]));
}

void check_shown(const Config& config, const SweepSection& section) {
  if (!config.has("show")) return;
  const std::vector<std::string> known = results::run_metrics();
  const std::vector<std::string_view> names(known.begin(), known.end());
  for (std::size_t i = 0; i < section.show.size(); ++i)
    if (std::ranges::find(known, section.show[i]) == known.end())
      config.at("show").items()[i].fail(fmt::format("the runs have no metric called \"{}\"{}", section.show[i],
                                                    suggestion(section.show[i], names, "they have")));
}
}  // namespace

std::vector<std::string> Sweep::axes() const {
  std::vector<std::string> out;
  for (const SweepAxis& axis : section.vary) out.push_back(axis.key);
  if (!seeds.empty()) out.emplace_back("seed");
  return out;
}

RangeEnd range_end(const Config& written) {
  RangeEnd out;
  const std::string text = written.is_scalar() ? written.text() : "";
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.value);
  if (error != std::errc() || end == text.data() + text.size()) {
    written.parse(out.value);
    return out;
  }
  out.unit = text.substr(std::size_t(end - text.data()));
  out.unit.erase(0, out.unit.find_first_not_of(' '));
  if (out.unit.empty() || !std::isfinite(out.value) || !std::isalpha(static_cast<unsigned char>(out.unit.front())))
    written.fail(fmt::format("expected a number, or one with a unit (250 ms), got \"{}\"", text));
  return out;
}

std::vector<KeyHelp> sweep_keys() { return keys_of<SweepSection>(); }

Sweep read_sweep(const std::string& name) {
  Sweep out;
  out.file = catalogue_file("scenarios", name, "sweep");
  out.text = read_file(out.file);
  out.config = Config::load(out.file);
  const Config& config = out.config;
  refuse_other_verb(config, "sweep");
  out.section = read<SweepSection>(config);
  out.design = designs().make_or(config, "design", "grid");
  if (out.section.vary.empty()) config.at("vary").fail("expected at least one axis");
  const std::vector<Config> axes = config.at("vary").items();
  for (std::size_t a = 0; a < axes.size(); ++a) check_axis(axes[a], out.section.vary[a], *out.design);
  out.seeds = seeds_of(out.section.seeds);
  check_seeds(out);
  check_set(config, out.section);
  check_keys(config, out.section);
  check_shown(config, out.section);
  out.scenario = catalogue_file("scenarios", out.section.scenario, "scenario", {out.file});
  refuse_other_verb(Config::load(out.scenario), "run");
  return out;
}
}  // namespace moesim::runs
