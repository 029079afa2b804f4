// moesim trace fit: the law of load that recordings show, and how well it holds.
#include "cli/trace_fit.h"

#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <optional>

#include "cli/numbers.h"
#include "core/log.h"
#include "core/words.h"
#include "placing/place.h"
#include "results/summary.h"
#include "routing/load_fit.h"
#include "routing/traffic.h"

namespace moesim::cli {
namespace {
struct Given {
  std::vector<std::string> files, phases;
  int gpus = 32, nodes = 4, groups = 8, top_k = 8, seeds = 3;
  bool groups_given = false, groups_said = false;  // as an option; by a trace
};
using routing::GroupedFit;
using routing::GroupedLoads;

GroupedLoads grouped(const placement::Loads& loads, int groups) { return {loads.counts, loads.experts, groups}; }

/// No sign where nothing is left of the number.
std::string three_digits(double x) { return fmt::format("{:.3f}", std::abs(x) < 0.0005 ? 0.0 : x); }

/// Groups as a trace has them, where the command does not say them; one of an unknown model may have any.
void take_gate(Given& given, const placing::Workload& w) {
  if (!w.trace || given.groups_given) return;
  const routing::TraceHeader& h = w.trace->header();
  const int groups = h.groups_used < h.groups ? h.groups : h.model.empty() ? given.groups : 1;
  if (given.groups_said && groups != given.groups)
    throw ConfigError::placed(fmt::format("{}: its gate has {} groups, that of a file before {}; give --groups", w.name,
                                          groups, given.groups));
  given.groups_said = groups != given.groups || h.groups_used < h.groups || !h.model.empty();
  given.groups = groups;
}

std::vector<placing::Workload> read(Given& given) {
  std::vector<placing::Workload> out;
  for (const std::string& file : given.files) {
    out.push_back(placing::read_workload(file));
    take_gate(given, out.back());
    const placement::Loads& loads = out.back().loads;
    for (const auto& [option, blocks] :
         {std::pair("--groups", given.groups), std::pair("--gpus", given.gpus), std::pair("--nodes", given.nodes)})
      if (loads.experts % blocks != 0)
        throw ConfigError::placed(
            fmt::format("{}: {}: {} experts are not {} equal blocks", option, file, loads.experts, blocks));
    if (given.groups == 2 || loads.experts / given.groups < 2 || loads.layers.size() < 2)
      throw ConfigError::placed(
          fmt::format("{}: a fit needs 2 layers and groups of 2 experts, and 3 groups unless there are none; got {} "
                      "layers and {} groups of {}",
                      file, loads.layers.size(), given.groups, loads.experts / given.groups));
    if (loads.experts != out[0].loads.experts)
      throw ConfigError::placed(
          fmt::format("{}: has {} experts, but {} has {}", file, loads.experts, given.files[0], out[0].loads.experts));
    for (std::size_t i = 0; i + 1 < out.size(); ++i)
      if (placing::same_workload(out[i], out.back()))
        throw ConfigError::placed(fmt::format("{}: holds the same as {}: one recording is no two moments, give it once",
                                              file, given.files[i]));
  }
  for (const std::string& note : placing::keep_common_layers(out, {})) say(note);
  if (out[0].loads.rows() < 2) throw ConfigError::placed("a fit needs 2 layers that all of the files have");
  return out;
}

std::vector<std::string> figures_row(const std::string& name, const GroupedLoads& loads, const Given& given) {
  const routing::LoadFigures f = routing::load_figures(loads, given.gpus, given.nodes);
  std::vector<std::string> out{name};
  for (const double x :
       {f.max_over_mean, f.gini, f.gpu_imbalance, f.node_imbalance, f.group_variation, f.within_variation})
    out.push_back(three_digits(x));
  return out;
}

constexpr std::array<std::pair<const char*, double GroupedFit::*>, 8> kParameters{
    {{"spread", &GroupedFit::spread},
     {"spread_varies", &GroupedFit::spread_varies},
     {"slope", &GroupedFit::slope},
     {"slope_varies", &GroupedFit::slope_varies},
     {"neighbours", &GroupedFit::neighbours},
     {"group_spread", &GroupedFit::group_spread},
     {"tilt", &GroupedFit::tilt},
     {"taper", &GroupedFit::taper}}};

std::vector<std::string> fit_row(const std::string& name, const GroupedFit& fit) {
  std::vector<std::string> out{name};
  for (const auto& [key, member] : kParameters) out.push_back(three_digits(fit.*member));
  return out;
}

/// How two recordings differ, and what that says of how the law moves.
struct Pair {
  std::size_t a = 0, b = 0;
  double alike = 1, slopes = 1, jump = 0;
};
std::vector<Pair> pairs_of(std::span<const placing::Workload> recorded, const Given& given) {
  std::vector<Pair> out;
  for (std::size_t a = 0; a < recorded.size(); ++a)
    for (std::size_t b = a + 1; b < recorded.size(); ++b) {
      const GroupedLoads x = grouped(recorded[a].loads, given.groups), y = grouped(recorded[b].loads, given.groups);
      out.push_back({a, b, routing::alike(x, y), routing::slopes_alike(x, y), routing::jump_between(x, y)});
    }
  return out;
}

/// The parameters that only several recordings show, by name; unset where none does.
struct MovingFit {
  std::optional<double> steady, jump, layers_steady, phases_alike;
  std::string moments;  // which recordings were taken for two moments of one text
};

/// How far slopes move between two moments of one text, 0 to 1: of the line through the pairs' (1 - alike, 1 - slopes)
/// the height at 0, where nothing follows the text.  Of one pair, or pairs equally alike, their mean.
double slopes_that_move(std::span<const Pair> pairs) {
  double x = 0, y = 0, along = 0, squares = 0;
  for (const Pair& p : pairs) {
    x += (1 - p.alike) / double(pairs.size());
    y += (1 - p.slopes) / double(pairs.size());
  }
  for (const Pair& p : pairs) {
    along += (1 - p.alike - x) * (1 - p.slopes - y);
    squares += (1 - p.alike - x) * (1 - p.alike - x);
  }
  return std::clamp(squares > 0 && along > 0 ? y - along / squares * x : y, 0.0, 1.0);
}

/// Recordings of one phase are moments of it, those of two tell phases apart; without phases the pair that is most
/// alike is taken for two moments.
MovingFit moving_of(std::span<const Pair> pairs, std::span<const std::string> phases,
                    std::span<const placing::Workload> recorded) {
  MovingFit out;
  if (pairs.empty()) return out;
  const Pair* closest = nullptr;
  double apart = 0;
  int others = 0;
  for (const Pair& p : pairs) {
    const bool told = !phases.empty() && phases[p.a] != phases[p.b];
    if (told) {
      apart += p.alike;
      ++others;
    } else if (closest == nullptr || p.alike > closest->alike) {
      closest = &p;
    }
  }
  if (closest != nullptr) {
    out.steady = std::clamp(closest->alike, 0.0, 1.0);
    out.jump = std::min(closest->jump, 1.0);
    out.layers_steady = 1 - slopes_that_move(pairs);
    out.moments = fmt::format("{} and {}", recorded[closest->a].name, recorded[closest->b].name);
  }
  if (others > 0) out.phases_alike = std::clamp(apart / others / out.steady.value_or(1), 0.0, 1.0);
  return out;
}

/// The section `routing` that the fit stands for.
std::string section_of(const GroupedFit& fit, const MovingFit& moving) {
  std::string out = "{kind: grouped";
  for (const auto& [key, member] : kParameters) out += fmt::format(", {}: {}", key, three_digits(fit.*member));
  for (const auto& [key, value] : {std::pair("steady", moving.steady), std::pair("layers_steady", moving.layers_steady),
                                   std::pair("jump", moving.jump), std::pair("phases_alike", moving.phases_alike)})
    if (value) out += fmt::format(", {}: {}", key, three_digits(*value));
  return out + "}";
}

/// What the law draws in the recorded layers.
std::vector<double> drawn(const std::string& section, const placement::Loads& loads, const Given& given, int seed) {
  const auto source = routing::make_traffic(Config::from_text(section, "the fitted law"),
                                            {{loads.experts, given.top_k, given.groups, given.groups},
                                             {given.gpus, given.gpus / given.nodes},
                                             std::uint64_t(seed),
                                             std::nullopt});
  std::vector<double> out(loads.counts.size());
  for (std::size_t l = 0; l < loads.layers.size(); ++l)
    source->shares(loads.layers[l], 0,
                   std::span(out).subspan(l * std::size_t(loads.experts), std::size_t(loads.experts)));
  return out;
}

/// Phase of each recording: as given, or where all are traces of one phase, theirs; else none.
std::vector<std::string> phases_of(const Given& given, std::span<const placing::Workload> recorded) {
  std::vector<std::string> out = given.phases;
  if (!out.empty()) {
    if (out.size() != recorded.size())
      throw ConfigError::placed(
          fmt::format("--phase: {} for {}", counted(out.size(), "phase"), counted(recorded.size(), "recording")));
    return out;
  }
  for (const placing::Workload& w : recorded) {
    if (!w.trace) return {};
    std::int64_t prompts = 0;
    for (const routing::TokenRange& r : routing::select(*w.trace, {routing::TracePhase::prefill, {}, {}}))
      prompts += r.end - r.first;
    if (prompts != 0 && prompts != w.trace->tokens()) return {};
    out.push_back(prompts != 0 ? "prefill" : "decode");
  }
  return out;
}

void print_likeness(std::span<const placing::Workload> recorded, std::span<const Pair> pairs, const MovingFit& moving) {
  if (pairs.empty()) return;
  results::TextTable table({"recordings", "alike", "slopes alike", "jump"});
  for (const Pair& p : pairs)
    table.add({fmt::format("{} and {}", recorded[p.a].name, recorded[p.b].name), three_digits(p.alike),
               three_digits(p.slopes), three_digits(p.jump)});
  print_text("{}\n", table.text());
  if (moving.steady) print_text("steady and jump: {} taken as one text at two moments\n", moving.moments);
  if (!moving.phases_alike)
    print_text("phases_alike: not known without recordings of both phases (--phase prefill,decode,...: one a file)\n");
}

void fit(Given given) {
  const std::vector<placing::Workload> recorded = read(given);
  for (const placing::Workload& w : recorded)
    for (const std::string& note : placing::oddities(w)) say(note);
  GroupedFit mean;
  std::vector<std::string> header{"recording"};
  for (const auto& [key, member] : kParameters) header.push_back(key);
  results::TextTable parameters(header),
      figures({"loads", "max/mean", "Gini", "GPU max/mean-1", "node max/mean-1", "groups vary", "within a group"});
  for (const placing::Workload& w : recorded) {
    const GroupedLoads loads = grouped(w.loads, given.groups);
    const GroupedFit own = routing::fit_grouped(loads);
    for (const auto& [key, member] : kParameters) mean.*member += own.*member / double(recorded.size());
    parameters.add(fit_row(w.name, own));
    figures.add(figures_row(w.name, loads, given));
  }
  parameters.add(fit_row("mean", mean));
  const std::vector<Pair> pairs = pairs_of(recorded, given);
  const MovingFit moving = moving_of(pairs, phases_of(given, recorded), recorded);
  const std::string section = section_of(mean, moving);
  for (int seed = 1; seed <= given.seeds; ++seed) {
    const std::vector<double> counts = drawn(section, recorded[0].loads, given, seed);
    figures.add(
        figures_row(fmt::format("the law, seed {}", seed), {counts, recorded[0].loads.experts, given.groups}, given));
  }
  print_text("{} MoE layers of {} experts in {} groups; GPUs: {}, nodes: {}, experts in order\n\n{}\n",
             recorded[0].loads.layers.size(), recorded[0].loads.experts, given.groups, given.gpus, given.nodes,
             parameters.text());
  print_text("{}\n", figures.text());
  print_likeness(recorded, pairs, moving);
  print_text("routing: {}\n", section);
}
}  // namespace

void add_trace_fit(CLI::App* trace) {
  CLI::App* verb = trace->add_subcommand(
      "fit", "the parameters of the law of load `grouped` that recordings show, beside what the law then draws");
  auto given = std::make_shared<Given>();
  verb->add_option("file", given->files, "traces, or counts: JSON {\"logical_count\": [[..]]}, CSV, .npy")->required();
  const auto count = [&](const char* name, int& value, const char* help, int most) {
    verb->add_option(name, value, help)->check(whole_number(1, most))->capture_default_str();
  };
  CLI::Option* groups =
      verb->add_option("--groups", given->groups, "groups of consecutive experts; 1: none; a trace says its own")
          ->check(whole_number(1, 65'536))
          ->capture_default_str();
  verb->add_option("--phase", given->phases, "phase of each file, as listed: prefill or decode")
      ->delimiter(',')
      ->check(CLI::IsMember({"prefill", "decode"}));
  count("--gpus", given->gpus, "GPUs that hold the experts in order", 65'536);
  count("--nodes", given->nodes, "nodes they are on", 65'536);
  count("--top-k", given->top_k, "experts of a token: none has a larger share of the rows than one of so many", 64);
  count("--seeds", given->seeds, "draws of the law to show", 1000);
  verb->callback([given, groups] {
    given->groups_given = groups->count() > 0;
    fit(*given);
  });
}
}  // namespace moesim::cli
