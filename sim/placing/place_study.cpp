// The `place` section of a scenario.
#include <fmt/format.h>

#include <algorithm>

#include "core/range.h"
#include "placement/routing_section.h"
#include "placing/place.h"
#include "placing/place_study.h"
#include "placing/place_times.h"
#include "routing/default_law.h"
#include "spec/catalogue.h"

namespace moesim::placing {
namespace {
// Far above what a cluster of today holds; their products still fit 64 bits.
constexpr std::int64_t kMostGpus = 1'000'000, kMostSlots = 1'000'000;

struct PlaceSection {
  std::vector<DataFile> loads, eval;
  std::vector<Config> strategies;
  std::vector<int> slots, steps, drift;
  int gpus = 0, groups = 0;
  bool together = false, keep_groups = false, keep_places = false;
  placement::Sharing sharing = placement::Sharing::even;
  Config replica_choice;
  bool times = true;
  double window_minutes = 0;
  int windows_a_plan = 1;
  std::int64_t prefill_tokens = 4096, decode_tokens = 128, context = 4096, sample = 4096;
  DataFile from;
  std::vector<int> gpu_slots;
  std::vector<double> gpu_speed;
  static void fields(auto& f, auto& p) {
    f("loads", p.loads, "traces or counts to plan from; none: the scenario's routing");
    f("eval", p.eval, "traces or counts to score on; none: all that was planned from");
    f("steps", p.steps, "steps of the routing to plan from; none: step 0");
    f("together", p.together,
      "one plan from all loads or steps: strategies that know windows take them as such, others their mean");
    f("drift", p.drift, "score what was planned on the routing on these of its steps");
    f("window_minutes", p.window_minutes,
      "the loads are windows in order, so many minutes apart: balance by minutes since the plan; 0: they are not");
    f("windows_a_plan", p.windows_a_plan, "with that: consecutive windows a plan is made from");
    f.required("strategies", p.strategies, "kinds of placement, or maps with their parameters");
    f("gpus", p.gpus, "GPUs of the expert-parallel group; 0: the cluster's");
    f("slots", p.slots, "slots of a layer, copies included; several are compared; none: one an expert");
    f("groups", p.groups, "expert groups of the gate; 0: the model's");
    f("keep_groups", p.keep_groups, "every strategy keeps a group on one node");
    f("gpu_slots", p.gpu_slots, "slots of each GPU, where they differ");
    f("gpu_speed", p.gpu_speed, "relative speed of each GPU, where they differ");
    f("sharing", p.sharing,
      "how copies share their expert's rows when balance is scored: even, planned (probabilities fixed with the plan) "
      "or "
      "balanced (a linear programme a batch); default even, or as replica_choice balances");
    f("replica_choice", p.replica_choice,
      "which copy of an expert computes a source's rows of a trace (moesim list replica_choice); default nearest");
    f("times", p.times, "simulate layers and steps");
    f("prefill_tokens", p.prefill_tokens, "tokens a GPU in a prefill step");
    f("decode_tokens", p.decode_tokens, "tokens a GPU in a decode step");
    f("context", p.context, "tokens of a sequence when steps are timed");
    f("sample", p.sample, "tokens of a trace that strategies look at");
    f("from", p.from, "the placement in force: counts what has to move");
    f("keep_places", p.keep_places, "renumber GPUs so that less moves from there");
  }
};

/// The kind; where one is tried with several parameters, these too.  Throws ConfigError for a strategy that is there.
std::string strategy_name(const Config& strategy, const std::vector<Config>& all) {
  const auto kind = [](const Config& c) { return c.is_scalar() ? c.text() : c.at("kind").text(); };
  const auto full = [&](const Config& c) {
    std::string parameters;
    if (c.is_map())
      for (const std::string& key : c.keys())
        if (key != "kind" && c.at(key).is_scalar())
          parameters += fmt::format("{}{}={}", parameters.empty() ? "" : ",", key, c.at(key).text());
    return parameters.empty() ? kind(c) : fmt::format("{}({})", kind(c), parameters);
  };
  int alike = 0;
  for (const Config& c : all) {
    alike += kind(c) == kind(strategy);
    if (&c != &strategy && full(c) == full(strategy)) strategy.fail(full(c) + " is listed twice");
  }
  return alike > 1 ? full(strategy) : kind(strategy);
}

/// What the routing expects at one step, as counts of a million rows a layer.
Workload expected_workload(const routing::TrafficSource& source, const spec::Model& model, std::int64_t step) {
  Workload out;
  out.name = fmt::format("step {}", step);
  out.loads.name = out.name;
  out.loads.experts = model.moe->experts;
  out.loads.hidden_layers = model.layers;
  out.loads.layers = model.moe_layers();
  std::vector<double> shares(std::size_t(model.moe->experts));
  for (const int layer : out.loads.layers) {
    source.shares(layer, step, shares);
    for (const double s : shares) out.loads.counts.push_back(s * 1e6);
  }
  return out;
}

/// Those of a list of files, each of experts as many as the model has.
std::vector<Workload> read_files(const Config& list, const std::vector<DataFile>& files, const spec::Model& model,
                                 std::vector<std::string>& notes) {
  std::vector<Workload> out;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string here = fmt::format("[{}]", i);
    out.push_back(list.placed([&] { return at_key(here, [&] { return read_workload(files[i].path); }); }));
    if (const int experts = out.back().loads.experts; experts != model.moe->experts)
      list.fail_below(here, fmt::format("{}: has {} experts, but {} has {}", out.back().name, experts, model.name,
                                        model.moe->experts));
    for (std::string& note : fit_to_model(out.back(), model)) notes.push_back(std::move(note));
  }
  return out;
}

/// Other studies take one; this one compares what it plans.
void refuse_placement(const Config& scenario) {
  if (scenario.has("placement"))
    scenario.at("placement").fail("has no effect: this study plans its own; place.strategies says which");
}

void read_workloads(const results::StudyRun& run, const PlaceSection& section, PlaceOptions& o) {
  refuse_placement(run.scenario);
  const Config place = run.scenario.at("place");
  o.planned = read_files(place.at_or_empty("loads"), section.loads, *o.model, o.notes);
  o.scored = read_files(place.at_or_empty("eval"), section.eval, *o.model, o.notes);
  for (auto* list : {&o.planned, &o.scored})
    if (list == &o.scored || (!section.together && section.window_minutes <= 0))
      for (std::string& note : drop_repeated(*list)) o.notes.push_back(std::move(note));
  const Config routing = routing::routing_or_default(run.scenario, *o.model);
  const bool traced = routing.is_map() && routing.has("trace");
  for (const char* key : {"steps", "drift"})
    if (const auto& steps = *key == 's' ? section.steps : section.drift; !steps.empty()) {
      if (!section.loads.empty() || traced)
        place.at(key).fail("steps of the routing are taken only if its law, and no file, is planned from");
      if (std::ranges::any_of(steps, [](int step) { return step < 0; })) place.at(key).fail("steps are counted from 0");
    }
  if (section.loads.empty() && traced) {
    o.planned.push_back(routing.placed([&] { return read_workload(routing::trace_file(routing)); }));
    return;
  }
  if (!section.loads.empty()) return;
  const auto source = routing::make_traffic(
      routing,
      {routing::gate_shape(*o.model->moe), {o.problem.gpus, o.problem.gpus_per_node()}, run.seed, std::nullopt});
  for (const int step : section.steps.empty() ? std::vector{0} : section.steps)
    o.planned.push_back(expected_workload(*source, *o.model, step));
  for (const int step : section.drift) o.scored.push_back(expected_workload(*source, *o.model, step));
}

void make_comparable(PlaceOptions& o) {
  tell_apart(o.planned, o.scored);
  for (std::string& note : keep_common_layers(o.planned, o.scored)) o.notes.push_back(std::move(note));
}

void read_windows(const Config& place, const PlaceSection& section, PlaceOptions& o) {
  within(place, "windows_a_plan", section.windows_a_plan, 1, 1 << 16);
  if (!(section.window_minutes >= 0))
    place.at("window_minutes").fail(fmt::format("must not be negative, got {}", section.window_minutes));
  if (section.window_minutes == 0) {
    if (section.windows_a_plan > 1) place.at("windows_a_plan").fail("is of windows in order: give window_minutes");
    return;
  }
  if (section.together || !section.eval.empty() || section.loads.empty())
    place.at("window_minutes")
        .fail(
            "plans are made from the windows in turn and scored on those after them: give loads, and neither "
            "together nor eval");
  if (std::size_t(section.windows_a_plan) >= o.planned.size())
    place.at("window_minutes")
        .fail(fmt::format("needs more windows than the {} that a plan is made from, got {}", section.windows_a_plan,
                          o.planned.size()));
  o.window_minutes = section.window_minutes;
  o.windows_a_plan = section.windows_a_plan;
}
}  // namespace

Estimate estimate(const PlaceCounts& n) {
  // Measured: place-deepseek-v3, x86-64; a plan keeps its map's slots and experts (expert_map.h) and exchanges are
  // scored a pair of GPUs and a source and slot (exchanger.h).
  constexpr double kProgram = 18e6, kMapSlot = 16, kSourceSlot = 4, kPair = 24, kPlanSlotSeconds = 3e-6;
  Estimate out;
  const double slots = std::max(n.slots, n.experts);
  out.hold("model", "the program and the model", kProgram);
  out.hold("place.slots", rounded_count(n.plans) + " plans of " + rounded_count(slots) + " slots a layer",
           n.plans * n.layers * (slots + n.experts) * kMapSlot);
  out.hold("place.gpus", rounded_count(n.gpus) + " GPUs that exchange rows",
           n.gpus * n.gpus * kPair + n.gpus * slots * kSourceSlot);
  out.hold("place.sample", rounded_count(n.sample) + " tokens of the sample", n.sample * n.layers * n.top_k * 2);
  out.seconds = 0.3 + n.plans * n.layers * slots * kPlanSlotSeconds;
  return out;
}

Estimate estimate_place(const Config& scenario, bool) {
  const PlaceSection section = read<PlaceSection>(scenario.at("place"));
  refuse_placement(scenario);
  const spec::Model model = spec::read_model(scenario.at("model"));
  PlaceCounts n;
  n.gpus = section.gpus > 0 ? section.gpus : spec::read_cluster(scenario.at("cluster")).gpus();
  if (model.moe) n.experts = model.moe->experts, n.top_k = model.moe->rows_a_token();
  n.layers = double(model.moe_layers().size());
  for (const int slots : section.slots) n.slots = std::max(n.slots, double(slots));
  for (const int slots : section.gpu_slots)
    n.slots = std::max(n.slots, double(slots) * double(section.gpu_slots.size()));
  n.plans =
      double(std::max<std::size_t>(1, section.strategies.size()) * std::max<std::size_t>(1, section.slots.size()) *
             std::max<std::size_t>({1, section.loads.size(), section.steps.size()}));
  const Config routing = scenario.at_or_empty("routing");
  if (!section.loads.empty() || (routing.is_map() && routing.has("trace"))) n.sample = double(section.sample);
  return estimate(n);
}

std::vector<KeyHelp> place_keys() { return keys_of<PlaceSection>(); }

namespace {
void write_assumptions(results::StudyRun& run, const PlaceOptions& o, bool own_routing) {
  if (own_routing) placement::write_default_routing(run.results, "run", run.scenario, *o.model);
  if (!o.cluster) return;
  forward::write_assumptions(run.results, "run",
                             place_setup(*o.model, o.cluster->node.gpu, compute::StepPhase::prefill));
  run.results.add(results::Table::assumption,
                  {"run", "steps",
                   fmt::format("{} tokens a GPU in prefill, {} in decode with a context of {}", o.prefill_tokens,
                               o.decode_tokens, o.context),
                   "place.prefill_tokens, place.decode_tokens, place.context"});
}
}  // namespace

results::StudyEnd run_place(results::StudyRun& run) {
  const PlaceSection section = read<PlaceSection>(run.scenario.at("place"));
  PlaceOptions o;
  o.model = spec::read_model(run.scenario.at("model"));
  if (!o.model->moe) run.scenario.at("model").fail(fmt::format("{} has no experts to place", o.model->name));
  const spec::Cluster cluster = spec::read_cluster(run.scenario.at("cluster"));
  if (section.times) o.cluster = cluster;
  const Config place_section = run.scenario.at("place");
  within(place_section, "gpus", section.gpus, 0, kMostGpus);
  within(place_section, "groups", section.groups, 0, kMostGpus);
  for (std::size_t i = 0; i < section.slots.size(); ++i)
    within(place_section, fmt::format("slots[{}]", i), section.slots[i], 1, kMostSlots);
  for (std::size_t i = 0; i < section.gpu_slots.size(); ++i)
    within(place_section, fmt::format("gpu_slots[{}]", i), section.gpu_slots[i], 0, kMostSlots);
  o.problem.gpus = section.gpus > 0 ? section.gpus : cluster.gpus();
  if (o.problem.gpus > cluster.gpus() ||
      (o.problem.gpus > cluster.node.gpus && o.problem.gpus % cluster.node.gpus != 0))
    run.scenario.at("place").fail_below(
        "gpus", fmt::format("must be whole nodes of {} and at most the cluster's {}, got {}", cluster.node.gpus,
                            cluster.gpus(), o.problem.gpus));
  o.problem.nodes = std::max(1, o.problem.gpus / cluster.node.gpus);
  o.problem.groups = section.groups > 0 ? section.groups : o.model->moe->groups;
  o.problem.keep_groups = section.keep_groups;
  o.problem.gpu_slots = section.gpu_slots;
  o.problem.gpu_speed = section.gpu_speed;
  o.slots = section.slots;
  o.sharing = section.sharing;
  if (place_section.has("replica_choice")) o.replica_choice = exchange::ReplicaSpec(section.replica_choice);
  if (!place_section.has("sharing") && o.replica_choice.balanced()) o.sharing = placement::Sharing::balanced;
  for (const auto& [key, n] : {std::pair("prefill_tokens", section.prefill_tokens),
                               {"decode_tokens", section.decode_tokens},
                               {"context", section.context},
                               {"sample", section.sample}})
    if (n < 1 || n > 1 << 24)
      run.scenario.at("place").fail_below(key, fmt::format("expected 1 to {} tokens, got {}", 1 << 24, n));
  o.prefill_tokens = section.prefill_tokens;
  o.decode_tokens = section.decode_tokens;
  o.context = section.context;
  o.sample = section.sample;
  if (!section.loads.empty()) o.give_trace = "place: {loads: [TRACE]}";
  if (section.strategies.empty()) run.scenario.at("place").at("strategies").fail("expected at least one strategy");
  for (const Config& c : section.strategies) o.strategies.push_back({strategy_name(c, section.strategies), c});
  read_workloads(run, section, o);
  make_comparable(o);
  read_windows(place_section, section, o);
  o.together = section.together;
  if (o.together && o.planned.size() < 2)
    run.scenario.at("place").at("together").fail("makes one plan of several workloads, and there is one");
  o.keep_places = section.keep_places;
  if (!section.from.name.empty())
    o.from = placement::load_placement(section.from.path,
                                       {o.problem.gpus, o.planned[0].loads.experts, o.planned[0].loads.layers});
  const PlaceResult result = place(o);
  write_assumptions(run, o, section.loads.empty());
  store(o, result, run.results);
  return {fingerprint_of(result), result.rows.size(), {}, false};
}
}  // namespace moesim::placing
