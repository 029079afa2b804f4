#include "serving/deployment/pool_growth.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/range.h"
#include "serving/deployment/pool_buffers.h"
#include "serving/deployment/pool_memory.h"
#include "serving/step/growing_cost.h"

namespace moesim::serving {

PoolSection at_its_largest(PoolSection section) {
  section.first_ranks = section.parallel.data;
  if (!section.grow.empty()) section.parallel.data = section.grow.back().data;
  return section;
}

void check_growth(const Config& config, const PoolSection& s) {
  if (s.grow.empty()) return;
  const auto refuse = [&](const std::string& why) { config.fail_below("grow", why); };
  int ranks = s.parallel.data;
  Time last{};
  for (std::size_t i = 0; i < s.grow.size(); ++i) {
    const Growth& g = s.grow[i];
    const std::string key = fmt::format("grow[{}]", i);
    if (g.data <= ranks)
      config.fail_below(key + ".data", fmt::format("a group grows from {} ranks to more, got {}", ranks, g.data));
    within(config, key + ".data", g.data, 1, 10'000);
    if (g.at < last)
      config.fail_below(key + ".at", fmt::format("comes after {}, got {}", to_text(last), to_text(g.at)));
    ranks = g.data;
    last = g.at;
  }
  if (s.fixed) refuse("a fixed step knows no weights that new ranks wait for");
  if (s.parallel.pipeline > 1)
    refuse(fmt::format("has no costs for the {} stages of a pipeline, which would all grow", s.parallel.pipeline));
  if (s.parallel.experts_tensor) refuse("needs whole experts on each GPU (experts_tensor: false)");
  if (!s.autoscale.curve.empty()) refuse("has no costs beside instances that come and go (autoscale)");
}

namespace {
std::unique_ptr<BuiltPool> of_ranks(const BuiltPool& pool, int ranks) {
  auto out = std::make_unique<BuiltPool>();
  out->section = pool.section;
  out->section.parallel.data = ranks;
  out->node = pool.node;
  out->engine = pool.engine;
  out->engine_named = pool.engine_named;
  out->described = pool.described;
  out->simulated = pool.simulated;
  if (pool.topology) out->topology = std::make_unique<network::Topology>(pool.topology->cluster());
  return out;
}

std::string sizes_text(const PoolSection& s) {
  std::string out = fmt::format("{} ranks", s.first_ranks);
  for (const Growth& g : s.grow) out += fmt::format(", {} soon after {}", g.data, to_text(g.at));
  return out;
}
}  // namespace

void build_growth(results::StudyRun& run, const Config& config, const Deployment& d, BuiltPool& pool,
                  const LayeredCost::Setup& largest, const SetUpPool& set_up, PoolShape& shape) {
  const PoolSection& s = pool.section;
  results::Results said(std::initializer_list<results::Table>{});  // of the largest size, once
  results::StudyRun quiet{run.scenario, run.seed, said, run.spans};
  std::vector<LayeredCost::Setup> costs;
  for (std::size_t i = 0; i < s.grow.size(); ++i) {
    BuiltPool& size = *pool.smaller.emplace_back(of_ranks(pool, i == 0 ? s.first_ranks : s.grow[i - 1].data));
    costs.push_back(set_up(quiet, size));
    size.fullest = fullest_gpu(d, size, costs.back());
    fit_memory(config, d, size, costs.back());
    pool.capacity = std::min(pool.capacity, size.capacity);
  }
  costs.push_back(largest);
  std::vector<GrowthStep> steps;
  for (std::size_t i = 0; i + 1 < costs.size(); ++i)
    steps.push_back(
        growth_step(costs[i], costs[i + 1], i + 2 < costs.size() ? pool.smaller[i + 1]->weights : pool.weights));
  shape.first_ranks = s.first_ranks;
  shape.growth = s.grow;
  shape.cost = [costs, steps, config, &pool](int) {
    return config.placed([&] {
      std::vector<std::unique_ptr<LayeredCost>> sizes;
      for (const LayeredCost::Setup& cost : costs) sizes.push_back(std::make_unique<LayeredCost>(cost));
      for (std::size_t i = sizes.size(); i-- > 0;) pool.costs.push_back(sizes[i].get());
      return std::make_unique<GrowingCost>(std::move(sizes), steps);
    });
  };
  run.results.add(
      results::Table::assumption,
      {"pool:" + s.name, "growth", sizes_text(s),
       "GPUs of ranks to come are held and counted from the beginning; the KV cache is what all sizes leave"});
}
}  // namespace moesim::serving
