// moesim place: plan expert placements, compare strategies, write the best for a serving system.
#include <CLI/CLI.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/place_options.h"
#include "cli/place_words.h"
#include "core/files.h"
#include "core/in_shell.h"
#include "core/log.h"
#include "core/paths.h"
#include "core/terminal.h"
#include "core/utf8.h"
#include "placing/place.h"
#include "results/output.h"
#include "runs/other_verb.h"
#include "spec/catalogue.h"

namespace moesim::cli {
namespace {
/// "greedy,local_search" with `local_search.start=eplb` as {kind: local_search, start: eplb}.
std::vector<placing::StrategyChoice> strategies(const PlaceGiven& given) {
  std::vector<placing::StrategyChoice> out;
  const std::vector<Config::Override> sets = parse_overrides(given.sets);
  for (const std::string& name : given.strategies) {
    if (std::ranges::count(given.strategies, name) > 1)
      throw ConfigError::placed(fmt::format("--strategy: {} is listed twice", name));
    std::vector<Config::Override> own;
    for (const Config::Override& s : sets)
      if (s.path.starts_with(name + ".")) own.push_back({s.path.substr(name.size() + 1), s.value});
    const Config config = Config::from_option("--strategy", fmt::format("kind: \"{}\"", name), own);
    (void)placement::placements().make(config);  // unknown names before anything is read
    out.push_back({name, config});
  }
  for (const Config::Override& s : sets) {
    const std::string name = s.path.substr(0, s.path.find('.'));
    if (std::ranges::find(given.strategies, name) == given.strategies.end())
      throw ConfigError::placed(fmt::format("--set {}: \"{}\" is not among the strategies", s.path, name));
  }
  return out;
}

/// The model named, else the first trace's if the catalogue has it.
std::optional<spec::Model> model_of(const PlaceGiven& given, const std::vector<placing::Workload>& planned) {
  if (!given.model.empty()) return spec::load_model(given.model);
  if (!planned[0].trace) return std::nullopt;
  const std::string name = planned[0].trace->header().model;
  const std::vector<std::string> known = catalogue_names("models");
  return std::ranges::find(known, name) == known.end() ? std::nullopt : std::optional(spec::load_model(name));
}

/// A file as it is, or once for each window of its tokens.
void read_each(const std::string& file, const std::vector<std::string>& windows, std::vector<placing::Workload>& out) {
  if (windows.empty()) out.push_back(placing::read_workload(file));
  for (const std::string& window : windows) out.push_back(placing::read_workload(file, window));
}

/// Windows are of traces.
void check_windows(const PlaceGiven& given, bool traced) {
  if (!traced && !given.windows.empty())
    throw ConfigError::placed("--window: says which tokens of a --trace, and there is none");
  if (!traced && given.evals.empty() && !given.eval_windows.empty())
    throw ConfigError::placed("--eval-window: says which tokens of a trace, and there is none");
}

/// Traces and counts, whichever way they were given.
void read_workloads(const PlaceGiven& given, placing::PlaceOptions& o) {
  check_windows(given, !given.traces.empty() || !given.files.empty());  // before any is read
  std::vector<std::string> traces = given.traces;
  for (const std::string& file : given.files)
    if (placing::Workload w = placing::read_workload(file); w.trace && !given.windows.empty())
      traces.push_back(file);
    else
      o.planned.push_back(std::move(w));
  for (const std::string& file : traces) read_each(file, given.windows, o.planned);
  for (const std::string& file : given.loads) o.planned.push_back(placing::read_workload(file));
  if (o.planned.empty()) throw ConfigError("place: give --trace or --loads");
  std::vector<std::string> traced;  // each once
  for (const placing::Workload& w : o.planned)
    if (w.trace && std::ranges::find(traced, w.file) == traced.end()) traced.push_back(w.file);
  check_windows(given, !traced.empty());
  for (const std::string& file : given.evals) read_each(file, given.eval_windows, o.scored);
  if (given.evals.empty() && !given.eval_windows.empty())
    for (const std::string& file : traced) read_each(file, given.eval_windows, o.scored);
  for (auto* list : {&o.planned, &o.scored})
    if (list == &o.scored || (!given.together && given.window_minutes <= 0))
      for (std::string& note : placing::drop_repeated(*list)) o.notes.push_back(std::move(note));
  if (given.together && o.planned.size() < 2)
    throw ConfigError::placed("--together: makes one plan of several workloads, and there is one");
  o.together = given.together;
  o.window_minutes = given.window_minutes;
  o.windows_a_plan = given.windows_a_plan;
  if (given.windows_a_plan > 1 && given.window_minutes <= 0)
    throw ConfigError::placed("--windows-a-plan: windows follow each other where --window-minutes says how far apart");
}

placing::PlaceOptions options_of(const PlaceGiven& given, std::optional<spec::Cluster> cluster) {
  placing::PlaceOptions o;
  o.strategies = strategies(given);
  read_workloads(given, o);
  o.model = model_of(given, o.planned);
  for (auto* list : {&o.planned, &o.scored})
    for (placing::Workload& w : *list)
      if (o.model)
        for (std::string& note : placing::fit_to_model(w, *o.model)) o.notes.push_back(std::move(note));
  placing::tell_apart(o.planned, o.scored);
  for (std::string& note : placing::keep_common_layers(o.planned, o.scored)) o.notes.push_back(std::move(note));
  o.cluster = std::move(cluster);
  o.problem.gpus = given.gpus;
  o.problem.nodes = given.nodes;
  o.problem.groups = given.groups;
  if (given.groups == 0) {
    o.problem.groups = 1;
    if (o.planned[0].trace) o.problem.groups = o.planned[0].trace->header().groups;
    if (o.model && o.model->moe) o.problem.groups = o.model->moe->groups;
  }
  o.problem.keep_groups = given.keep_groups;
  o.problem.gpu_slots = given.gpu_slots;
  o.problem.gpu_speed = given.gpu_speed;
  o.slots = given.slots;
  o.top_k = given.top_k;
  if (!given.replica_choice.empty())
    o.replica_choice = exchange::ReplicaSpec(Config::from_option("--replica-choice", given.replica_choice));
  if (!given.sharing.empty())
    Config::from_option("--sharing", given.sharing).parse(o.sharing);
  else if (o.replica_choice.balanced())
    o.sharing = placement::Sharing::balanced;
  o.prefill_tokens = given.prefill_tokens;
  o.decode_tokens = given.decode_tokens;
  o.context = given.context;
  o.sample = given.sample;
  o.give_trace = "--trace";
  o.keep_places = given.keep_places;
  if (!given.from.empty())
    o.from = placement::load_placement(given.from, {given.gpus, o.planned[0].loads.experts, o.planned[0].loads.layers});
  if (o.keep_places && !o.from) throw ConfigError::placed("--keep-places: needs the placement in force, --from");
  return o;
}

/// --format, else what the output's name ends in.
placement::PlacementFormat format_of(const PlaceGiven& given) {
  placement::PlacementFormat out = placement::PlacementFormat::json;
  const std::string& file = given.output;
  if (given.format == "vllm")
    throw ConfigError::placed(
        "--format: vLLM itself reads no placement, it plans its own while it runs; vllm-ascend is its plugin's");
  if (!given.format.empty())
    Config::from_option("--format", given.format).parse(out);
  else if (file.ends_with(".csv"))
    out = placement::PlacementFormat::csv;
  else if (file.ends_with(".yaml") || file.ends_with(".yml"))
    out = placement::PlacementFormat::tensorrt_llm;
  return out;
}

/// GPUs and nodes that were not given are the cluster's.
void take_cluster(PlaceGiven& given, const std::optional<spec::Cluster>& cluster) {
  if (given.gpus == 0 && cluster) given.gpus = cluster->gpus();
  if (given.gpus == 0)
    throw ConfigError::placed("--gpus: is missing: give the GPUs of the expert-parallel group, or --cluster");
  if (given.nodes == 0 && cluster) given.nodes = (given.gpus + cluster->node.gpus - 1) / cluster->node.gpus;
  given.nodes = std::max(1, given.nodes);
}

/// What was asked, as a results database keeps it and a shell takes it.
std::string command_line_of(const CLI::App& verb) {
  std::string out = "moesim place";
  for (const CLI::Option* o : verb.get_options()) {
    if (o->count() == 0) continue;
    if (!o->get_positional()) out += " " + o->get_name();
    if (o->get_expected_max() > 0 || o->get_positional())
      for (const std::string& word : o->results()) out += " " + in_shell(word);
  }
  return out;
}

/// Every option in force, defaults too, and what of the cluster bears on the figures.
std::string settings_of(const CLI::App& verb, const PlaceGiven& given, const std::optional<spec::Cluster>& cluster) {
  std::string out = fmt::format("gpus: {}\nnodes: {}\n", given.gpus, given.nodes);
  for (const CLI::Option* o : verb.get_options()) {
    const std::string name = o->get_single_name();
    if (name == "help" || name == "gpus" || name == "nodes") continue;
    std::string value = o->count() > 0 ? fmt::format("{}", fmt::join(o->results(), " ")) : o->get_default_str();
    if (value.empty()) value = o->get_expected_max() == 0 ? "false" : "not given";
    out += fmt::format("{}: {}\n", name, value);
  }
  if (!cluster) return out;
  const spec::Gpu& gpu = cluster->node.gpu;
  return out + fmt::format(
                   "cluster.gpus: {}\ncluster.node.gpus: {}\ncluster.node.gpu.title: {}\n"
                   "cluster.node.gpu.price: {} USD/h\n",
                   cluster->gpus(), cluster->node.gpus, gpu.title, gpu.price.v);
}

std::string title_of(const placing::PlaceOptions& o) {
  std::string names;
  for (const placing::Workload& w : o.planned)
    if (names.size() < 80)
      names += (names.empty() ? "" : ", ") + w.name;
    else if (!names.ends_with("..."))
      names += " ...";
  return fmt::format("{} placed on {} GPUs", names, o.problem.gpus);
}

/// Scenarios compare placements too, but by another verb.
void refuse_scenarios(const std::vector<std::string>& files) {
  const std::vector<std::string> scenarios = catalogue_names("scenarios");
  for (const std::string& file : files)
    if (file.ends_with(".yaml") || std::ranges::find(scenarios, file) != scenarios.end()) {
      const Config given = Config::load(catalogue_file("scenarios", file, "scenario"));
      runs::refuse_other_verb(given, "place");
      given.fail("holds no traces or counts");
    }
}

/// Before what else is missing.
void check_there(const PlaceGiven& given) {
  std::error_code error;
  for (const auto* files : {&given.files, &given.traces, &given.loads, &given.evals})
    for (const std::string& file : *files)
      if (!std::filesystem::exists(file, error)) check_file(file);
}

void place_verb(const CLI::App& verb, PlaceGiven given) {
  const auto started = std::chrono::steady_clock::now();
  sort_words(given);
  refuse_scenarios(given.files);
  check_there(given);
  std::optional<spec::Cluster> cluster;
  if (!given.cluster.empty()) cluster = spec::load_cluster(given.cluster);
  take_cluster(given, cluster);
  const std::string command_line = command_line_of(verb), settings = settings_of(verb, given, cluster);
  if (given.strategies.empty()) given.strategies = {"contiguous", "eplb", "robust"};
  if (given.output.ends_with(".db") && given.format.empty()) std::swap(given.output, given.database);
  const placement::PlacementFormat format = format_of(given);
  check_different({{"the placement", given.output}, {"the results", given.database}});
  if (!given.output.empty()) check_new_file(given.output);
  if (!given.database.empty()) results::make_way(given.database);
  const placing::PlaceOptions options = options_of(given, std::move(cluster));
  const placing::PlaceResult result = as_options([&] { return placing::place(options); });
  const std::string best = placement::placement_text(placing::placement_of(options, result, result.best), format);
  if (!given.output.empty()) {
    write_file(given.output, best);
    if (result.rows.size() > 1)
      say(fmt::format("{} holds {}, {} slots", given.output, result.rows[result.best].strategy,
                      result.rows[result.best].slots));
  }
  if (!given.database.empty()) {
    results::Results results(given.database, {title_of(options), "place", "", command_line, settings, 1});
    placing::store(options, result, results);
    results::Results::Ending end;
    end.fingerprint = placing::fingerprint_of(result);
    end.events = result.rows.size();
    end.wall_time = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    results.finish(end, settings);
  }
  if (given.json)
    print_text("{}", placing::place_json(options, result));
  else if (!given.format.empty() && given.output.empty())
    print_text("{}", best);
  else
    print_folded(placing::place_text(options, result, given.by_layer));
}
}  // namespace

void add_place(CLI::App& app, int&) {
  auto given = std::make_shared<PlaceGiven>();
  CLI::App* verb = app.add_subcommand("place", "plan expert placements, compare strategies, export the best");
  add_place_options(*verb, *given);
  verb->callback([given, verb] { place_verb(*verb, *given); });
}
}  // namespace moesim::cli
