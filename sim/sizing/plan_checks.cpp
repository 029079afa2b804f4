// What of a plan's candidates can be no part of any deployment, said where it stands.
#include "sizing/plan_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

#include "forward/engine.h"
#include "sizing/design.h"
#include "sizing/instance_shapes.h"
#include "spec/catalogue.h"

namespace moesim::sizing {
namespace {
void at_least_one(const Config& at, std::string_view key, const std::vector<int>& values, int least) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] < least)
      at.fail_below(fmt::format("{}[{}]", key, i), fmt::format("must be at least {}, got {}", least, values[i]));
}

/// What is listed twice would tie with itself.
template <class T>
void different(const Config& at, std::string_view key, const std::vector<T>& values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (values[i] == values[k])
        at.fail_below(fmt::format("{}[{}]", key, i), fmt::format("is the same as {}[{}]", key, k));
}
void check_different(const Config& at, const Candidates& c) {
  different(at, "engines", c.engines);
  different(at, "layouts", c.layouts);
  for (const auto& [key, values] : {std::pair("tensor", &c.tensor),
                                    {"data", &c.data},
                                    {"pipeline", &c.pipeline},
                                    {"expert", &c.expert},
                                    {"batch", &c.batch},
                                    {"tokens", &c.tokens},
                                    {"redundant", &c.redundant}})
    different(at, key, *values);
  different(at, "overlap", c.overlap);
  std::vector<std::pair<int, int>> ratios;
  for (const PoolRatio& r : c.ratios)
    if (const int both = std::gcd(r.prefill, r.decode); both > 0)
      ratios.emplace_back(r.prefill / both, r.decode / both);
  if (ratios.size() == c.ratios.size()) different(at, "ratios", ratios);
}

void check_ratios(const Config& at, const Candidates& c) {
  if (c.ratios.empty()) return;
  if (std::ranges::find(c.layouts, Layout::disaggregated) == c.layouts.end())
    at.at("ratios").fail("has no effect: layouts leave disaggregated out");
  for (std::size_t i = 0; i < c.ratios.size(); ++i)
    for (const auto& [key, gpus] : {std::pair("prefill", c.ratios[i].prefill), {"decode", c.ratios[i].decode}})
      if (gpus < 1 || gpus > 10'000)
        at.fail_below(fmt::format("ratios[{}].{}", i, key), fmt::format("expected 1 to 10000, got {}", gpus));
}

void check_lists(const Config& at, const Candidates& c, const spec::Model& model) {
  if (c.nodes.empty()) at.fail_below("nodes", "expected at least one kind of node");
  if (c.engines.empty()) at.fail_below("engines", "expected at least one engine");
  if (at.has("engines"))
    for (const Config& engine : at.at("engines").items()) (void)forward::read_engine(engine);
  if (c.layouts.empty()) at.fail_below("layouts", "expected aggregated, disaggregated or both");
  at_least_one(at, "tensor", c.tensor, 1);
  at_least_one(at, "data", c.data, 1);
  at_least_one(at, "pipeline", c.pipeline, 1);
  at_least_one(at, "expert", c.expert, 1);
  at_least_one(at, "batch", c.batch, 1);
  at_least_one(at, "tokens", c.tokens, 1);
  at_least_one(at, "redundant", c.redundant, 0);
  check_ratios(at, c);
  check_different(at, c);
  using serving::OverlapKind;
  for (std::size_t i = 0; i < c.overlap.size(); ++i)
    if (c.overlap[i] == OverlapKind::shared_expert || c.overlap[i] == OverlapKind::single_batch ||
        c.overlap[i] == OverlapKind::shortcut)
      at.fail_below(fmt::format("overlap[{}]", i),
                    fmt::format("{} is not tried: expected none, two_batch (prompts) or five_stage (answers)",
                                name_of(c.overlap[i])));
  if (!(c.pairs >= 0)) at.fail_below("pairs", fmt::format("must not be negative, got {}", c.pairs));
  for (std::size_t i = 0; i < c.tensor.size(); ++i)
    if (model.attention.heads % c.tensor[i] != 0)
      at.fail_below(fmt::format("tensor[{}]", i), fmt::format("must divide the {} attention heads of {}, got {}",
                                                              model.attention.heads, model.name, c.tensor[i]));
}

/// What would make every pool of a kind of node illegal is said where it stands.
void check_nodes(const Config& at, const std::vector<PricedNode>& nodes, const std::vector<int>& tensor) {
  int most = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    most = std::max(most, nodes[i].node.gpus);
    const std::string cluster =
        fmt::format("{{node: {}, nodes: 1, fabric: {}}}", nodes[i].text, nodes[i].choice.fabric);
    try {
      (void)spec::read_cluster(Config::from_text(cluster, at.file()));
    } catch (const ConfigError& e) {
      // its place is in a cluster that nobody wrote
      const std::string& problem = e.problem();
      const std::size_t from = problem.find("fabric: ");
      at.fail_below(fmt::format("nodes[{}].fabric", i), from == std::string::npos ? problem : problem.substr(from + 8));
    }
  }
  for (std::size_t i = 0; i < tensor.size(); ++i)
    if (tensor[i] > most)
      at.fail_below(fmt::format("tensor[{}]", i), fmt::format("no node has as many GPUs: {} at most", most));
}

/// A copy of every expert on every GPU is all that redundancy can be.
void check_redundant(const Config& at, const Candidates& c, const spec::Model& model,
                     const std::vector<PricedNode>& nodes) {
  if (!model.moe) return;
  double gpus = 1;
  for (const PricedNode& n : nodes) gpus = std::max(gpus, double(n.node.gpus) * n.choice.most);
  for (std::size_t i = 0; i < c.redundant.size(); ++i)
    if (const double most = (gpus - 1) * model.moe->experts; c.redundant[i] > most)
      at.fail_below(fmt::format("redundant[{}]", i),
                    fmt::format("every one of {} experts on each of {} GPUs is {} beyond one an expert, got {}",
                                model.moe->experts, gpus, most, c.redundant[i]));
}

/// GPUs in a ratio are at least as many as its lowest terms.
void check_size_of_ratios(const Config& at, const Candidates& c, const std::vector<PricedNode>& nodes) {
  int most = 0;
  for (const PricedNode& n : nodes) most = std::max(most, n.node.gpus * n.choice.most);
  for (std::size_t i = 0; i < c.ratios.size(); ++i) {
    const auto [prefill, decode] = c.ratios[i];
    if (const int least = (prefill + decode) / std::gcd(prefill, decode); least > most)
      at.fail_below(fmt::format("ratios[{}]", i),
                    fmt::format("{} to {} take at least {} GPUs, {} may be had", prefill, decode, least, most));
  }
}

/// Nodes are whole: fewer GPUs than one of them has buy nothing.
void check_gpus(const Config& at, const std::optional<int>& gpus, const std::vector<PricedNode>& nodes) {
  int least = std::numeric_limits<int>::max();
  for (const PricedNode& n : nodes) least = std::min(least, n.node.gpus);
  if (gpus && *gpus < least)
    at.fail_below("gpus",
                  fmt::format("nodes are whole, and the smallest has {}, got {}; a smaller one is {{extends: {}, "
                              "gpus: {}}}",
                              least, *gpus, node_name(nodes.front()), *gpus));
}

/// Degrees that no instance of this model on any of these nodes can have, whatever the others.
void check_degrees(const Config& at, const Plan& plan) {
  const Candidates& c = plan.section.candidates;
  for (std::size_t i = 0; i < c.pipeline.size(); ++i)
    if (c.pipeline[i] > plan.model.layers)
      at.fail_below(fmt::format("pipeline[{}]", i),
                    fmt::format("{} has {} layers, got {} stages", plan.model.name, plan.model.layers, c.pipeline[i]));
  std::vector<std::pair<const PricedNode*, InstanceShape>> shapes;
  for (const PricedNode& node : plan.nodes)
    for (InstanceShape& s : instance_shapes(plan, node)) shapes.emplace_back(&node, std::move(s));
  for (const auto& [key, asked, degree] : {std::tuple("data", &c.data, &InstanceShape::data),
                                           {"expert", &c.expert, &InstanceShape::expert},
                                           {"pipeline", &c.pipeline, &InstanceShape::pipeline},
                                           {"tensor", &c.tensor, &InstanceShape::tensor}})
    for (std::size_t i = 0; i < asked->size(); ++i) {
      std::string why = "no instance of the other degrees asked has it";
      for (const auto& [node, s] : shapes)
        if (s.*degree == (*asked)[i] && !why.empty()) why = s.obstacle;
      if (!why.empty()) at.fail_below(fmt::format("{}[{}]", key, i), fmt::format("{}: {}", (*asked)[i], why));
    }
}

}  // namespace

void check_candidates(const Config& at, const Plan& plan) { check_lists(at, plan.section.candidates, plan.model); }

void check_built(const Config& size, const Plan& plan) {
  const Config at = size.at("candidates");
  const Candidates& c = plan.section.candidates;
  check_nodes(at, plan.nodes, c.tensor);
  check_redundant(at, c, plan.model, plan.nodes);
  check_size_of_ratios(at, c, plan.nodes);
  check_gpus(size.at("targets"), plan.section.targets.gpus, plan.nodes);
  check_degrees(at, plan);
}
}  // namespace moesim::sizing
