// Layer by layer, GPU by GPU and expert by expert: the first instance of a pool.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "serving/report/pool_figures.h"

namespace moesim::serving {
namespace {
/// Each plan with how old the loads were that it was made from, and what became of the balance.
void report_rebalancing(results::Results& results, const std::string& pool, const Rebalancing& rebalancing) {
  const std::vector<RebalancePlan>& plans = rebalancing.plans();
  RebalancePlan sum;
  double experts = 0, done = 0;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const RebalancePlan& p = plans[i];
    const std::string scope = fmt::format("{},plan:{}", pool, i);
    results.metric("rebalance_at", p.at, "s", scope);
    results.metric("rebalance_load_age", p.age, "s", scope);
    results.metric("rebalance_balancedness_before", p.before, "", scope);
    if (p.after > 0) {  // else its weights were still on their way
      results.metric("rebalance_balancedness_hoped", p.hoped, "", scope);
      results.metric("rebalance_balancedness_after", p.after, "", scope);
    }
    results.metric("rebalance_bytes", p.moved_bytes, "B", scope);
    sum.seconds += p.seconds, sum.moved_bytes += p.moved_bytes;
    experts += double(p.moved_experts);
    if (p.after == 0) continue;
    ++done;
    sum.age += p.age, sum.before += p.before, sum.hoped += p.hoped, sum.after += p.after;
  }
  const double n = std::max(1.0, done);
  results.metric("rebalances", double(plans.size()), "", pool);
  results.metric("rebalance_bytes", sum.moved_bytes, "B", pool);
  results.metric("rebalance_experts", experts, "", pool);
  results.metric("rebalance_time", sum.seconds, "s", pool);
  results.metric("rebalance_load_age", sum.age / n, "s", pool);
  results.metric("rebalance_balancedness_before", sum.before / n, "", pool);
  results.metric("rebalance_balancedness_hoped", sum.hoped / n, "", pool);
  results.metric("rebalance_balancedness_after", sum.after / n, "", pool);
}
}  // namespace

void report_layers(results::Results& results, const Deployment& d, const Service& service, std::size_t p) {
  const int first_gpu = service.fleet().pools()[p].first_of(0);
  const BuiltPool& pool = *d.pools[p];
  if (pool.costs.empty() || pool.costs[0]->steps() == 0) return;
  LayeredCost& cost = *pool.costs[0];
  const std::string name = service.fleet().pools()[p].name;
  const double steps = double(cost.steps());
  constexpr std::string_view kPieces[] = {"attention_in", "attention_core", "shared", "dispatch", "experts", "combine"};
  double compute = 0, network = 0;
  for (int l = 0; l < d.model.layers; ++l) {
    const auto& pieces = cost.layer_seconds()[std::size_t(l)];
    const std::string scope = fmt::format("pool:{},layer:{}", name, l);
    for (std::size_t i = 0; i < pieces.size(); ++i)
      results.metric(fmt::format("{}_time", kPieces[i]), pieces[i] / steps, "s", scope);
    results.metric("exposed_communication_time", cost.exposed()[std::size_t(l)] / steps, "s", scope);
    if (d.model.is_moe_layer(l))
      results.metric("balancedness", cost.layer_balance()[std::size_t(l)] / steps, "", scope);
    compute += pieces[0] + pieces[1] + pieces[2];
    network += pieces[3] + pieces[5];
  }
  if (cost.bank() == nullptr) return;
  ExpertBank& bank = *cost.bank();
  const double busy = seconds(service.pool(p).sum.busy) / service.pool(p).instances;
  const double exposed = std::accumulate(cost.exposed().begin(), cost.exposed().end(), 0.0);
  const std::vector<double> expert_seconds = bank.gpu_seconds();
  for (std::size_t g = 0; g < expert_seconds.size(); ++g) {
    const double own = compute + expert_seconds[g];
    const Bytes memory = pool.weights + pool.kv_gpu_token * pool.capacity + pool.cache.buffers;
    results.add(
        results::Table::gpu,
        {first_gpu + int(g), (first_gpu + int(g)) / std::max(1, pool.node.gpus), results::Results::null(), own, network,
         exposed, std::max(0.0, busy - own - exposed), results::Results::null(), results::Results::null(), memory});
  }
  const std::vector<double> rows = bank.expert_rows();
  const std::string phase = pool.section.role == Role::prefill ? "prefill" : "decode";
  for (std::size_t l = 0; l < bank.layers(); ++l) {
    const exchange::ExpertMap& map = bank.maps()[l];
    for (int e = 0; e < map.experts; ++e)
      results.add(results::Table::expert_load,
                  {bank.setup().layers[l], phase, e, rows[l * std::size_t(map.experts) + std::size_t(e)]});
    for (int s = 0; s < map.slots(); ++s)
      results.add(results::Table::placement,
                  {bank.setup().layers[l], s, map.gpu_of(s), map.slot_to_expert[std::size_t(s)]});
  }
  if (cost.rebalancing() != nullptr)
    report_rebalancing(results, scope_of(service.fleet().pools()[p]), *cost.rebalancing());
}
}  // namespace moesim::serving
