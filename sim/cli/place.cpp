// moesim place: plan expert placements, compare strategies, write the best for a serving system.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/command.h"
#include "cli/numbers.h"
#include "cli/options.h"
#include "core/files.h"
#include "core/log.h"
#include "core/paths.h"
#include "placing/place.h"
#include "results/output.h"
#include "spec/catalogue.h"

namespace moesim::cli {
namespace {
struct Given {
  std::vector<std::string> files, traces, loads, evals, strategies, sets;
  std::vector<std::string> windows, eval_windows;
  std::string model, cluster, sharing, replica_choice, from, output, database, format;
  std::vector<int> slots, gpu_slots;
  std::vector<double> gpu_speed;
  int gpus = 0, nodes = 1, groups = 0, top_k = 0;
  std::int64_t prefill_tokens = 4096, decode_tokens = 128, context = 4096, sample = 4096;
  bool together = false, keep_groups = false, keep_places = false, by_layer = false, json = false;
};

/// "greedy,local_search" with `local_search.start=eplb` as {kind: local_search, start: eplb}.
std::vector<placing::StrategyChoice> strategies(const Given& given) {
  std::vector<placing::StrategyChoice> out;
  const std::vector<Config::Override> sets = parse_overrides(given.sets);
  for (const std::string& name : given.strategies) {
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
std::optional<spec::Model> model_of(const Given& given, const std::vector<placing::Workload>& planned) {
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
void check_windows(const Given& given, bool traced) {
  if (!traced && !given.windows.empty())
    throw ConfigError::placed("--window: says which tokens of a --trace, and there is none");
  if (!traced && given.evals.empty() && !given.eval_windows.empty())
    throw ConfigError::placed("--eval-window: says which tokens of a trace, and there is none");
}

/// Traces and counts, whichever way they were given.
void read_workloads(const Given& given, placing::PlaceOptions& o) {
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
  if (given.together && o.planned.size() < 2)
    throw ConfigError::placed("--together: makes one plan of several workloads, and there is one");
  o.together = given.together;
}

placing::PlaceOptions options_of(const Given& given) {
  placing::PlaceOptions o;
  o.strategies = strategies(given);
  read_workloads(given, o);
  o.model = model_of(given, o.planned);
  for (auto* list : {&o.planned, &o.scored})
    for (placing::Workload& w : *list)
      if (o.model)
        for (std::string& note : placing::fit_to_model(w, *o.model)) o.notes.push_back(std::move(note));
  placing::tell_apart(o.planned, o.scored);
  if (!given.cluster.empty()) o.cluster = spec::load_cluster(given.cluster);
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
placement::PlacementFormat format_of(const Given& given) {
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

/// Words after --strategy that are no strategy but a file are the files to plan from.
void sort_words(Given& given) {
  std::vector<std::string> kinds;
  for (const auto& s : placement::placements().table()) kinds.emplace_back(s.kind);
  std::vector<std::string> strategies;
  for (const std::string& word : given.strategies) {
    std::error_code unknown;  // what cannot be looked up is refused as a strategy
    const bool file = std::ranges::find(kinds, word) == kinds.end() && std::filesystem::exists(word, unknown);
    (file ? given.files : strategies).push_back(word);
  }
  given.strategies = std::move(strategies);
}

void place_verb(Given given, const std::string& command_line) {
  sort_words(given);
  if (given.strategies.empty()) given.strategies = {"contiguous", "eplb", "robust"};
  if (given.output.ends_with(".db") && given.format.empty()) std::swap(given.output, given.database);
  const placement::PlacementFormat format = format_of(given);
  check_different({{"the placement", given.output}, {"the results", given.database}});
  if (!given.output.empty()) check_new_file(given.output);
  if (!given.database.empty()) results::make_way(given.database);
  const placing::PlaceOptions options = options_of(given);
  const placing::PlaceResult result = as_options([&] { return placing::place(options); });
  const std::string best = placement::placement_text(placing::placement_of(options, result, result.best), format);
  if (!given.output.empty()) {
    write_file(given.output, best);
    if (result.rows.size() > 1)
      say(fmt::format("{} holds {}, {} slots", given.output, result.rows[result.best].strategy,
                      result.rows[result.best].slots));
  }
  if (!given.database.empty()) {
    results::Results results(given.database, {"place", "place", "", command_line, command_line, 1});
    placing::store(options, result, results);
    results.finish({}, command_line);
  }
  if (given.json)
    print_text("{}", placing::place_json(options, result));
  else if (!given.format.empty() && given.output.empty())
    print_text("{}", best);
  else
    print_text("{}", placing::place_text(options, result, given.by_layer));
}
/// A comma-separated list, one argument at a time.
template <class T>
CLI::Option* add_list(CLI::App& verb, const char* name, T& value, const char* help) {
  return verb.add_option(name, value, help)->delimiter(',')->allow_extra_args(false);
}
/// One that takes all words up to the next option as well.
template <class T>
CLI::Option* add_words(CLI::App& verb, const char* name, T& value, const char* help) {
  return add_list(verb, name, value, help)->allow_extra_args(true);
}

// GPUs, nodes or slots: far above what a cluster of today holds.
constexpr std::int64_t kMostPlaces = 1'000'000;

/// What is placed, by which strategies, on what.
void add_problem(CLI::App& verb, Given& given) {
  verb.add_option("files", given.files, "traces and counts to plan from, told apart by what they hold");
  add_words(verb, "--trace", given.traces, "recorded routing to plan from (see moesim trace)");
  add_words(
      verb, "--loads", given.loads,
      "counts to plan from: JSON {\"logical_count\": [[..]]} or a bare matrix, CSV, .npy; several give a cross table");
  verb.add_flag("--together", given.together,
                "one plan from all of them: strategies that know windows take them as such, others their mean");
  add_words(verb, "--strategy", given.strategies,
            "one or several of `moesim list placement` (default: contiguous, eplb, robust)");
  add_list(verb, "--set", given.sets, "a strategy's parameter: local_search.start=eplb (repeat for more)");
  verb.add_option("--gpus", given.gpus, "GPUs of the expert-parallel group")
      ->check(whole_number(1, kMostPlaces))
      ->required();
  verb.add_option("--nodes", given.nodes, "nodes they are on")
      ->check(whole_number(1, kMostPlaces))
      ->capture_default_str();
  add_words(verb, "--slots", given.slots,
            "slots of a layer, copies included; several are compared (default: one an expert)")
      ->check(whole_number(1, kMostPlaces));
  verb.add_option("--groups", given.groups, "expert groups of the gate (default: the trace's or model's, else 1)")
      ->check(whole_number(1, 65'536));
  verb.add_flag("--keep-groups", given.keep_groups, "every strategy keeps a group on one node");
  add_list(verb, "--gpu-slots", given.gpu_slots, "slots of each GPU, where they differ")
      ->check(whole_number(0, kMostPlaces));
  add_list(verb, "--gpu-speed", given.gpu_speed, "relative speed of each GPU, where they differ")
      ->check(number_above_zero());
}

/// What placements are scored on, and for.
void add_scoring(CLI::App& verb, Given& given) {
  add_words(verb, "--eval", given.evals, "traces or counts to score on (default: all that was planned from)");
  add_words(verb, "--window", given.windows,
            "plan from these tokens of the trace only: FIRST:END; several are planned from one by one, or --together");
  add_words(verb, "--eval-window", given.eval_windows, "score on these tokens of the trace only: FIRST:END");
  verb.add_option(
      "--sharing", given.sharing,
      "how copies share rows when balance is scored: even, planned (probabilities fixed with the plan) or balanced "
      "(a linear programme a batch); default: even, or as --replica-choice balances");
  verb.add_option("--replica-choice", given.replica_choice,
                  "which copy of an expert computes a source's rows of a trace: one of `moesim list replica_choice` "
                  "(default: nearest)");
  verb.add_option("--model", given.model, "for bytes, memory and times (default: the trace's)");
  verb.add_option("--cluster", given.cluster, "for times: an entry of `moesim list hardware`, or a YAML file");
  verb.add_option("--top-k", given.top_k, "choices of a token, where neither trace nor model says so")
      ->check(whole_number(1, 65'536));
  verb.add_option("--prefill-tokens", given.prefill_tokens, "tokens a GPU in a prefill step")
      ->check(whole_number(1, 1 << 24))
      ->capture_default_str();
  verb.add_option("--decode-tokens", given.decode_tokens, "tokens a GPU in a decode step")
      ->check(whole_number(1, 1 << 24))
      ->capture_default_str();
  verb.add_option("--context", given.context, "tokens of a sequence when steps are timed")
      ->check(whole_number(1, 1 << 24))
      ->capture_default_str();
  verb.add_option("--sample", given.sample, "tokens of the trace that strategies look at")
      ->check(whole_number(1, 1 << 24))
      ->capture_default_str();
}

void add_results(CLI::App& verb, Given& given) {
  verb.add_option("--from", given.from, "the placement in force, any format: counts what has to move");
  verb.add_flag("--keep-places", given.keep_places, "renumber GPUs so that less moves from there");
  verb.add_flag("--layers", given.by_layer, "also print every layer");
  add_output(verb, "-o,--output", given.output,
             "write the best placement here (.db: a results database with everything instead)");
  add_output(verb, "--db", given.database, "also write a results database");
  verb.add_option("--format", given.format,
                  "json, csv, sglang, tensorrt-llm or vllm-ascend (default: by the output's name, else json); without "
                  "-o the placement is printed");
  verb.add_flag("--json", given.json, "print one JSON object, plan_time included");
}
}  // namespace

void add_place(CLI::App& app, int&) {
  auto given = std::make_shared<Given>();
  CLI::App* verb = app.add_subcommand("place", "plan expert placements, compare strategies, export the best");
  add_problem(*verb, *given);
  add_scoring(*verb, *given);
  add_results(*verb, *given);
  verb->callback([given] {
    std::string line = "moesim place";
    for (const std::string& s : given->strategies) line += " --strategy " + s;
    place_verb(*given, fmt::format("{} --gpus {} --nodes {}", line, given->gpus, given->nodes));
  });
}
}  // namespace moesim::cli
