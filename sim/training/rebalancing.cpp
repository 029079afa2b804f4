#include "training/rebalancing.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "placement/from_trace.h"

namespace moesim::training {
namespace {
/// Pipeline ranks that hold the row-th MoE layer's experts, one for each time they do: two where the schedule runs both
/// ways, and once more for the MTP module, whose experts lie as the last layer's.
std::vector<int> holders(const TrainingPlan& plan, std::size_t row) {
  const std::vector<int> layers = plan.model.moe_layers();
  std::vector<int> out;
  for (int rank = 0; rank < plan.schedule.ranks; ++rank)
    for (int chunk = 0; chunk < plan.schedule.chunks; ++chunk)
      for (const PlanBlock& block : plan.stages[std::size_t(plan.schedule.stage_of(rank, chunk))])
        if (block.moe && std::min(block.layer, layers.back()) == layers[row]) out.push_back(rank);
  return out;
}
}  // namespace

Rebalancing::Rebalancing(const Config& training, const TrainingPlan& plan, const routing::TrafficSource& source,
                         const spec::GroupShape& group, const std::vector<exchange::ExpertMap>& maps, int stands_for)
    : plan_(plan), expert_bytes_(moved_expert_bytes(plan)), stands_for_(stands_for) {
  const Config config = training.at("rebalance");
  if (training.has("run"))
    config.fail("a whole run is made of single steps: it has no placement that changes; leave out training.run");
  const spec::MoeShape& moe = *plan.model.moe;
  const std::vector<int> layers = plan.model.moe_layers();
  problem_.gpus = group.gpus;
  problem_.nodes = group.nodes();
  problem_.slots = maps.front().slots();
  problem_.groups = moe.groups;
  auto policy = placement::placements().make_or(config, "policy", "eplb");
  std::shared_ptr<const placement::RoutingSample> tokens;
  if (auto sample = placement::sample_of_source(source, layers, moe.rows_a_token()))
    tokens = std::make_shared<const placement::RoutingSample>(std::move(*sample));
  config.at_or_empty("policy").placed(
      [&] { placement::try_out(*policy, problem_, layers, moe.experts, tokens.get()); });
  config.placed([&] {
    rebalancer_.emplace(plan.section.rebalance.params, placement::read_trigger(config), std::move(policy), problem_,
                        layers, maps, expert_bytes_, std::move(tokens));
  });
}

Time Rebalancing::stepped(std::int64_t step, TrainingLoads& loads, const TrainingCosts& costs,
                          network::Network& network) {
  rebalancer_->observe(loads.step_rows());
  const bool look = (step + 1) % plan_.section.rebalance.interval == 0;
  if (!look && rebalancer_->pending() == 0) return {};
  const int before = rebalancer_->plans();
  const std::vector<exchange::ExpertMap> old = rebalancer_->maps();
  const std::vector<placement::LayerChange> changes = rebalancer_->advance();
  if (rebalancer_->plans() > before)
    plans_.push_back(
        {.at = seconds(network.engine().now()), .before = placement::balancedness(old, problem_, loads.step_rows())});
  else if (changes.empty())
    return {};
  for (const placement::LayerChange& change : changes) loads.set_map(change.row, rebalancer_->maps()[change.row]);
  const placement::RebalanceCost& cost = plan_.section.rebalance.cost;
  const Time stands =
      (rebalancer_->plans() > before ? cost.planning : Time{}) + cost.layer * std::int64_t(changes.size());
  if (stands.v > 0) {
    network.engine().after(stands, "rebalance planned", [] {});
    network.engine().run();
    plans_.back().seconds += seconds(stands);
  }
  const Time waited = stands + move(changes, costs, network);
  if (rebalancer_->pending() == 0) {
    plans_.back().hoped = rebalancer_->balancedness();
    plans_.back().after = placement::balancedness(rebalancer_->maps(), problem_, loads.step_rows());
  }
  return waited;
}

Time Rebalancing::move(const std::vector<placement::LayerChange>& changes, const TrainingCosts& costs,
                       network::Network& network) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, Bytes> sent;  // (from, to)
  RebalancePlan& plan = plans_.back();
  for (const placement::LayerChange& change : changes)
    for (const int rank : holders(plan_, change.row))
      for (const placement::ExpertMove& m : change.moves) {
        ++plan.moved_experts;
        for (int replica = 0; replica < plan_.replicas; ++replica) {
          const GpuId from = costs.gpu({replica, rank, m.from}), to = costs.gpu({replica, rank, m.to});
          sent[{std::uint32_t(index(from)), std::uint32_t(index(to))}] += expert_bytes_;
          plan.moved_bytes += double(expert_bytes_.v) * stands_for_;
        }
      }
  Engine& engine = network.engine();
  const Time start = engine.now();
  for (const auto& [pair, bytes] : sent) network.send(GpuId{pair.first}, GpuId{pair.second}, bytes, [] {});
  engine.run();
  plan.seconds += seconds(engine.now() - start);
  return engine.now() - start;
}

void write_rebalancing(results::Results& results, const Rebalancing& rebalancing) {
  RebalancePlan sum;
  double done = 0;
  for (std::size_t i = 0; i < rebalancing.plans().size(); ++i) {
    const RebalancePlan& p = rebalancing.plans()[i];
    const std::string scope = fmt::format("plan:{}", i);
    results.metric("rebalance_at", p.at, "s", scope);
    results.metric("rebalance_balancedness_before", p.before, "", scope);
    results.metric("rebalance_balancedness_hoped", p.hoped, "", scope);
    results.metric("rebalance_balancedness_after", p.after, "", scope);
    results.metric("rebalance_bytes", p.moved_bytes, "B", scope);
    sum.seconds += p.seconds, sum.moved_bytes += p.moved_bytes, sum.moved_experts += p.moved_experts;
    if (p.after == 0) continue;  // layers were still to move
    ++done;
    sum.before += p.before, sum.hoped += p.hoped, sum.after += p.after;
  }
  const double n = std::max(1.0, done);
  results.metric("rebalances", double(rebalancing.plans().size()), "");
  results.metric("rebalance_bytes", sum.moved_bytes, "B");
  results.metric("rebalance_experts", double(sum.moved_experts), "");
  results.metric("rebalance_time", sum.seconds, "s");
  results.metric("rebalance_balancedness_before", sum.before / n, "");
  results.metric("rebalance_balancedness_hoped", sum.hoped / n, "");
  results.metric("rebalance_balancedness_after", sum.after / n, "");
}
}  // namespace moesim::training
