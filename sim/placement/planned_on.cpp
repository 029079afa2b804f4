#include "placement/planned_on.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/check.h"
#include "formats/byte_file.h"
#include "placement/files/load_files.h"
#include "placement/from_trace.h"
#include "routing/moving.h"

namespace moesim::placement {
namespace {
// Rows of a layer that expected loads stand for: so many that no chance of counting is in them, as strategies that take
// it into account must know; a power of two, so that shares keep their bits.
constexpr double kExpectedRows = 1 << 20;

Loads expected_loads(const spec::Model& model, const routing::TrafficSource& source, std::int64_t step) {
  Loads out;
  out.name = "routing";
  out.experts = model.moe->experts;
  out.hidden_layers = model.layers;
  out.layers = model.moe_layers();
  out.counts.resize(out.layers.size() * std::size_t(out.experts));
  for (std::size_t i = 0; i < out.layers.size(); ++i)
    source.shares(out.layers[i], step,
                  std::span(out.counts).subspan(i * std::size_t(out.experts), std::size_t(out.experts)));
  for (double& count : out.counts) count *= kExpectedRows;
  return out;
}

/// Counts of as many layers as have experts are of those.
Loads numbered(Loads loads, const spec::Model& model) {
  const std::vector<int> moe = model.moe_layers();
  if (loads.hidden_layers == int(moe.size()) && model.layers > loads.hidden_layers)
    for (int& layer : loads.layers) layer = moe[std::size_t(layer)];
  return loads;
}

/// The rows of `loads` that the model's MoE layers have.
Loads of_model(const Loads& loads, const std::string& file, const spec::Model& model) {
  if (loads.experts != model.moe->experts)
    throw ConfigError(
        "file", fmt::format("{}: has {} experts, but {} has {}", file, loads.experts, model.name, model.moe->experts));
  if (const int behind = model.layers + model.mtp_layers; !loads.layers.empty() && loads.layers.back() >= behind)
    throw ConfigError("file", fmt::format("{}: has load in layer {}, but {} ends with layer {}", file,
                                          loads.layers.back(), model.name, behind - 1));
  Loads out = loads;
  out.layers = model.moe_layers();
  out.hidden_layers = model.layers;
  out.counts.clear();
  out.skipped.clear();
  for (const int layer : out.layers) {
    const auto found = std::ranges::lower_bound(loads.layers, layer);
    if (found == loads.layers.end() || *found != layer)
      throw ConfigError("file", fmt::format("{}: has no load in layer {} of {}", file, layer, model.name));
    const auto row = loads.row(std::size_t(found - loads.layers.begin()));
    out.counts.insert(out.counts.end(), row.begin(), row.end());
  }
  return out;
}

PlanningLoads from_file(const std::string& file, const std::string& window, const spec::Model& model) {
  PlanningLoads out;
  if (!formats::ByteFile(file).head(15).starts_with("SQLite format 3")) {
    if (!window.empty()) throw ConfigError("window", fmt::format("{}: counts have no window of tokens", file));
    out.loads = of_model(numbered(read_loads(file), model), file, model);
    return out;
  }
  const routing::Trace trace(file);
  const routing::TokenRange range = window_of(window, trace.tokens());
  out.loads = of_model(loads_of_trace(trace, range), file, model);
  out.sample = sample_of_trace(trace, range, out.loads, kSampleTokens);
  return out;
}

/// The trace that a section replays; "" for a law.
std::string replayed(const Config& routing) {
  if (const std::string file = routing::trace_file(routing); !file.empty()) return file;
  if (routing.is_map() && routing.has("kind") && routing.at("kind").text() == "trace" && routing.has("file"))
    return read<DataFile>(routing.at("file")).path;
  return "";
}

/// Why counts may be of a single rank, for what is said of a plan from them; "" if nothing shows it.
std::string said_of_one_rank(const std::string& file) {
  if (formats::ByteFile(file).head(15).starts_with("SQLite format 3")) return "";
  std::optional<std::int64_t> rank;
  const Loads loads = read_loads(file, &rank);
  if (rank)
    return fmt::format("; the file says that it is of rank {}: counts of a single rank, not of the group", *rank);
  const std::vector<int> loaded = loaded_experts(loads);
  if (!of_one_rank(loads, loaded)) return "";
  return fmt::format("; only {} of its {} experts have load: looks like the counts of a single rank, not of the group",
                     loaded.size(), loads.experts);
}

/// What is said of a plan from a file, and why it may mean little.
std::pair<std::string, std::string> said_of_file(const PlannedOn& from, const ServedRouting& served) {
  std::string what = from.file.name;
  if (!from.window.empty()) what += fmt::format(", tokens {}", from.window);
  const std::string file = replayed(served.section);
  std::error_code unknown;
  if (file.empty() || !std::filesystem::equivalent(file, from.file.path, unknown))
    return {what, "as asked" + said_of_one_rank(from.file.path)};
  return {what + (from.window.empty() ? ", the very file that it serves" : ", a part of the file that it serves"),
          "as asked; systems plan from earlier loads"};
}

/// The same from a routing.
std::pair<std::string, std::string> said_of_routing(const Config& section, const PlannedOn& from,
                                                    const ServedRouting& served) {
  const bool another = section.has("routing");
  std::string what = another ? "another routing" : "the routing", reason = "as asked";
  if (from.phase) what += fmt::format(" of {}", name_of(*from.phase));
  if (from.phase && served.context.phase && from.phase != served.context.phase)
    what += fmt::format(", for {},", name_of(*served.context.phase));
  what += fmt::format(" at step {}", from.step);
  if (from.step > 0 && served.source != nullptr) {
    const auto source = another ? routing::make_traffic(from.routing, served.context) : nullptr;
    if (routing::shares_last(source ? *source : *served.source) == 0)
      reason += "; its loads do not move, so that every step has the same";
  }
  return {what, reason};
}
}  // namespace

PlanningLoads planning_loads(const Config& config, const PlannedOn& from, const spec::Model& model,
                             const ServedRouting& served) {
  check(served.source != nullptr, "a strategy for {} plans from no routing", model.name);
  const bool planned_on = config.is_map() && config.has("planned_on");
  const Config section = planned_on ? config.at("planned_on") : config;
  if (planned_on && !from.file.name.empty()) {
    for (const char* other : {"step", "phase", "routing"})
      if (section.has(other)) section.at(other).fail("a file says all of it: give either");
    return section.placed([&] { return from_file(from.file.path, from.window, model); });
  }
  if (!from.window.empty()) section.at("window").fail("is of a file's tokens: give the file");
  if (from.step < 0) section.fail_below("step", fmt::format("steps are counted from 0, got {}", from.step));
  std::unique_ptr<routing::TrafficSource> other;
  if (planned_on && (from.phase || section.has("routing"))) {
    routing::TrafficContext context = served.context;
    if (from.phase) context.phase = from.phase;
    other = routing::make_traffic(section.has("routing") ? from.routing : served.section, context);
  }
  const routing::TrafficSource& source = other ? *other : *served.source;
  PlanningLoads out{expected_loads(model, source, from.step), std::nullopt};
  out.sample = sample_of_source(source, out.loads.layers, model.moe->rows_a_token());
  return out;
}

void write_planned_on(results::Results& results, std::string_view scope, const Config& scenario,
                      const ServedRouting& served) {
  const Config config = scenario.at_or_empty("placement");
  const bool word = config.is_scalar();
  if (word ? config.text() == "contiguous" : config.has("file") || !(config.has("strategy") || config.has("slots")))
    return;
  PlannedOn from;
  const bool given = !word && config.has("planned_on");
  if (given) config.at("planned_on").parse(from);
  if (!given || (from.file.name.empty() && from.step == 0 && !from.phase && !config.at("planned_on").has("routing"))) {
    results.add(results::Table::assumption, {scope, "placement", "planned from the very loads that it serves",
                                             "systems plan from earlier ones: planned_on"});
    return;
  }
  const auto [what, reason] =
      from.file.name.empty() ? said_of_routing(config.at("planned_on"), from, served) : said_of_file(from, served);
  results.add(results::Table::assumption, {scope, "placement", "planned from " + what, reason});
}
}  // namespace moesim::placement
