// moesim trace fit: the law of load that recordings show, and how well it holds.
#include "cli/trace_fit.h"

#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <filesystem>

#include "cli/numbers.h"
#include "core/log.h"
#include "placing/place.h"
#include "results/summary.h"
#include "routing/load_fit.h"
#include "routing/traffic.h"

namespace moesim::cli {
namespace {
struct Given {
  std::vector<std::string> files;
  int gpus = 32, nodes = 4, groups = 8, top_k = 8, seeds = 3;
};
using routing::GroupedFit;
using routing::GroupedLoads;

GroupedLoads grouped(const placement::Loads& loads, int groups) { return {loads.counts, loads.experts, groups}; }

std::vector<placing::Workload> read(const Given& given) {
  std::vector<placing::Workload> out;
  for (const std::string& file : given.files) {
    out.push_back(placing::read_workload(file));
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
    if (loads.layers != out[0].loads.layers || loads.experts != out[0].loads.experts)
      throw ConfigError::placed(fmt::format("{}: has other layers or experts than {}", file, given.files[0]));
  }
  return out;
}

std::vector<std::string> figures_row(const std::string& name, const GroupedLoads& loads, const Given& given) {
  const routing::LoadFigures f = routing::load_figures(loads, given.gpus, given.nodes);
  std::vector<std::string> out{name};
  for (const double x :
       {f.max_over_mean, f.gini, f.gpu_imbalance, f.node_imbalance, f.group_variation, f.within_variation})
    out.push_back(fmt::format("{:.3f}", x));
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
  for (const auto& [key, member] : kParameters) out.push_back(fmt::format("{:.3f}", fit.*member));
  return out;
}

/// The section `routing` that the fit stands for.
std::string section_of(const GroupedFit& fit) {
  std::string out = "{kind: grouped";
  for (const auto& [key, member] : kParameters) out += fmt::format(", {}: {:.3f}", key, fit.*member);
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

void fit(const Given& given) {
  const std::vector<placing::Workload> recorded = read(given);
  GroupedFit mean;
  std::vector<std::string> header{"recording"};
  for (const auto& [key, member] : kParameters) header.push_back(key);
  results::TextTable parameters(header),
      figures({"loads", "max/mean", "Gini", "GPU max/mean-1", "node max/mean-1", "groups vary", "within a group"});
  std::vector<std::string> names{"alike"};
  for (const placing::Workload& w : recorded) names.push_back(w.name);
  results::TextTable pairs(names);
  for (const placing::Workload& w : recorded) {
    const GroupedLoads loads = grouped(w.loads, given.groups);
    const GroupedFit own = routing::fit_grouped(loads);
    for (const auto& [key, member] : kParameters) mean.*member += own.*member / double(recorded.size());
    parameters.add(fit_row(w.name, own));
    figures.add(figures_row(w.name, loads, given));
    std::vector<std::string> row{w.name};
    for (const placing::Workload& other : recorded)
      row.push_back(fmt::format("{:.3f}", routing::alike(loads, grouped(other.loads, given.groups))));
    pairs.add(row);
  }
  parameters.add(fit_row("mean", mean));
  const std::string section = section_of(mean);
  for (int seed = 1; seed <= given.seeds; ++seed) {
    const std::vector<double> counts = drawn(section, recorded[0].loads, given, seed);
    figures.add(
        figures_row(fmt::format("the law, seed {}", seed), {counts, recorded[0].loads.experts, given.groups}, given));
  }
  print_text("{} MoE layers of {} experts in {} groups; GPUs: {}, nodes: {}, experts in order\n\n{}\n",
             recorded[0].loads.layers.size(), recorded[0].loads.experts, given.groups, given.gpus, given.nodes,
             parameters.text());
  print_text("{}\n", figures.text());
  if (recorded.size() > 1) print_text("{}\n", pairs.text());
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
  count("--groups", given->groups, "groups of consecutive experts; 1: none", 65'536);
  count("--gpus", given->gpus, "GPUs that hold the experts in order", 65'536);
  count("--nodes", given->nodes, "nodes they are on", 65'536);
  count("--top-k", given->top_k, "experts of a token: none has a larger share of the rows than one of so many", 64);
  count("--seeds", given->seeds, "draws of the law to show", 1000);
  verb->callback([given] { fit(*given); });
}
}  // namespace moesim::cli
