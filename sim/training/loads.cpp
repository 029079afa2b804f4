#include "training/loads.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/check.h"
#include "routing/load_shape.h"

namespace moesim::training {
namespace {
/// Lowers the rows of `experts` (ids first..end) to `limit` in all; sources lose in proportion, rounded in turn.
std::int64_t cut(routing::Traffic& t, int first, int end, std::int64_t limit) {
  const std::size_t experts = std::size_t(t.gate.experts);
  std::int64_t total = 0;
  for (int s = 0; s < t.sources; ++s)
    for (int e = first; e < end; ++e) total += t.rows[std::size_t(s) * experts + std::size_t(e)];
  if (total <= limit) return 0;
  double at = 0;
  std::int64_t given = 0;
  for (int s = 0; s < t.sources; ++s)
    for (int e = first; e < end; ++e) {
      std::int32_t& rows = t.rows[std::size_t(s) * experts + std::size_t(e)];
      at += double(rows) * double(limit) / double(total);
      const std::int64_t upto = std::int64_t(at + 1e-6);
      rows = std::int32_t(upto - given);
      given = upto;
    }
  return total - given;
}

/// The same on token lists: the last tokens' choices are taken away.
std::int64_t cut_lists(routing::Traffic& t, int first, int end, std::int64_t limit) {
  std::int64_t kept = 0, dropped = 0;
  for (std::int16_t& e : t.choices) {
    if (e < first || e >= end) continue;
    if (kept < limit)
      ++kept;
    else
      e = -1, ++dropped;
  }
  return dropped;
}
}  // namespace

std::int64_t drop_rows(const CapacitySection& capacity, int experts_per_device, routing::Traffic& traffic) {
  if (capacity.factor <= 0) return 0;
  const std::int64_t tokens = std::accumulate(traffic.tokens.begin(), traffic.tokens.end(), std::int64_t{0});
  const int width = capacity.level == CapacityLevel::device ? experts_per_device : 1;
  const double mean = double(tokens) * traffic.gate.top_k * width / traffic.gate.experts;
  const std::int64_t limit = std::int64_t(capacity.factor * mean + 0.5);
  std::int64_t dropped = 0;
  for (int first = 0; first < traffic.gate.experts; first += width) {
    const int end = std::min(first + width, traffic.gate.experts);
    dropped += traffic.has_lists() ? cut_lists(traffic, first, end, limit) : cut(traffic, first, end, limit);
  }
  if (traffic.has_lists() && dropped > 0) routing::count_rows(traffic.gate, traffic);
  return dropped;
}

TrainingLoads::TrainingLoads(const TrainingPlan& plan, const routing::TrafficSource& source,
                             const std::vector<exchange::ExpertMap>& maps, const spec::GroupShape& group,
                             const exchange::ReplicaSpec& replica_choice)
    : plan_(plan),
      source_(source),
      group_(group),
      replica_choice_(replica_choice),
      moe_layers_(maps.size()),
      tokens_(std::size_t(plan.members), plan.tokens_per_member()),
      flight_of_(std::size_t(plan.replicas) * plan.stages.size() * std::size_t(plan.micro_batches), -1),
      row_of_layer_(std::size_t(plan.model.layers) + 1, -1),
      expert_rows_(std::size_t(plan.model.moe->experts)) {
  const bool same = std::ranges::all_of(maps, [&](const exchange::ExpertMap& m) { return m == maps.front(); });
  for (const exchange::ExpertMap& map : maps) {
    exchangers_.push_back(std::make_unique<exchange::Exchanger>(map, group, replica_choice.make(map, group)));
    if (same) break;
  }
  for (const auto& stage : plan_.stages)
    for (const PlanBlock& block : stage)
      if (block.moe) {
        row_of_layer_[std::size_t(block.layer)] = int(statistics_.layers.size());
        statistics_.layers.push_back(block.layer);
      }
  step_rows_.resize(moe_layers_ * expert_rows_.size());
  statistics_.tokens.assign(statistics_.layers.size(), std::vector<double>(expert_rows_.size()));
  statistics_.gpu_rows.resize(std::size_t(plan.replicas) * plan.stages.size() * std::size_t(plan.members));
}

void TrainingLoads::begin_step(std::int64_t step) {
  step_ = step;
  std::ranges::fill(step_rows_, 0);
}

void TrainingLoads::set_map(std::size_t row, const exchange::ExpertMap& map) {
  const exchange::ExpertMap before = exchangers_.front()->map();
  check(map.slots_per_gpu == before.slots_per_gpu, "{} slots a GPU become {}", before.slots_per_gpu, map.slots_per_gpu);
  while (exchangers_.size() < moe_layers_)
    exchangers_.push_back(std::make_unique<exchange::Exchanger>(before, group_, replica_choice_.make(before, group_)));
  exchangers_.at(row) = std::make_unique<exchange::Exchanger>(map, group_, replica_choice_.make(map, group_));
}

std::size_t TrainingLoads::key(int replica, int stage, int micro_batch) const {
  return (std::size_t(replica) * plan_.stages.size() + std::size_t(stage)) * std::size_t(plan_.micro_batches) +
         std::size_t(micro_batch);
}

const exchange::ExchangeLoad& TrainingLoads::of(int replica, int stage, int block, int micro_batch) {
  std::int32_t& number = flight_of_[key(replica, stage, micro_batch)];
  if (number < 0) {
    if (free_.empty()) {
      free_.push_back(std::int32_t(flights_.size()));
      flights_.push_back(std::make_unique<Flight>());
    }
    number = free_.back();
    free_.pop_back();
    Flight& fresh = *flights_[std::size_t(number)];
    const std::size_t blocks = plan_.stages[std::size_t(stage)].size();
    if (fresh.loads.size() < blocks) fresh.loads.resize(blocks);
    fresh.drawn.assign(fresh.loads.size(), false);
  }
  Flight& flight = *flights_[std::size_t(number)];
  const std::size_t b = std::size_t(block);
  if (!flight.drawn[b]) {
    draw(replica, stage, block, micro_batch, flight.loads[b]);
    flight.drawn[b] = true;
  }
  return flight.loads[b];
}

void TrainingLoads::release(int replica, int stage, int micro_batch) {
  std::int32_t& number = flight_of_[key(replica, stage, micro_batch)];
  if (number < 0) return;
  free_.push_back(number);
  number = -1;
}

std::size_t TrainingLoads::exchanger_of(int layer) const {
  const int row = row_of_layer_[std::size_t(layer)];
  return exchangers_.size() == 1 ? 0 : std::min(std::size_t(row), exchangers_.size() - 1);
}

Time TrainingLoads::solve_time(int stage, int block) const {
  const std::size_t at = exchanger_of(plan_.stages[std::size_t(stage)][std::size_t(block)].layer);
  return replica_choice_.solve_time(exchange::has_copies(exchangers_[at]->map()));
}

void TrainingLoads::draw(int replica, int stage, int block, int micro_batch, exchange::ExchangeLoad& out) {
  const int layer = plan_.stages[std::size_t(stage)][std::size_t(block)].layer;
  const int row = row_of_layer_[std::size_t(layer)];
  exchange::Exchanger& exchanger = *exchangers_[exchanger_of(layer)];
  // Replicas and lanes see other tokens: their micro-batches are other steps of the same source.
  const int lanes = plan_.section.parallel.expert_tensor;
  const std::int64_t all = std::int64_t{plan_.expert_data} * lanes * plan_.micro_batches;
  std::ranges::fill(expert_rows_, 0);
  for (int lane = lanes - 1; lane >= 0; --lane) {
    const std::int64_t number =
        step_ * all + (std::int64_t{replica} * lanes + lane) * plan_.micro_batches + micro_batch;
    source_.draw(std::min(layer, plan_.model.layers - 1), number, tokens_, traffic_);
    statistics_.dropped += drop_rows(plan_.section.capacity, exchanger.map().slots_per_gpu, traffic_);
    const std::size_t experts = expert_rows_.size();
    for (std::size_t i = 0; i < traffic_.rows.size();)
      for (std::size_t e = 0; e < experts; ++e, ++i) expert_rows_[e] += traffic_.rows[i];
    exchanger(traffic_, out);
    if (lanes == 1) break;
    if (lane == lanes - 1) lane_rows_.assign(out.slot_rows.size(), 0);
    std::ranges::transform(lane_rows_, out.slot_rows, lane_rows_.begin(), std::plus<>());
    if (lane == 0) out.slot_rows = lane_rows_;
  }
  note(replica, stage, row, out);
}

void TrainingLoads::note(int replica, int stage, int layer_row, const exchange::ExchangeLoad& load) {
  Statistics& s = statistics_;
  const std::size_t experts = expert_rows_.size();
  const double sum = std::accumulate(expert_rows_.begin(), expert_rows_.end(), 0.0);
  if (std::size_t(layer_row) < moe_layers_)
    for (std::size_t e = 0; e < experts; ++e) step_rows_[std::size_t(layer_row) * experts + e] += expert_rows_[e];
  if (replica == 0)
    for (std::size_t e = 0; e < experts; ++e) s.tokens[std::size_t(layer_row)][e] += expert_rows_[e];
  s.rows += std::int64_t(sum);
  const std::size_t slots = std::size_t(load.slots / load.gpus);
  std::int64_t most = 0;
  for (int g = 0; g < load.gpus; ++g) {
    std::int64_t rows = 0;
    for (std::size_t k = 0; k < slots; ++k) rows += load.slot_rows[std::size_t(g) * slots + k];
    s.gpu_rows[(std::size_t(replica) * plan_.stages.size() + std::size_t(stage)) * std::size_t(load.gpus) +
               std::size_t(g)] += rows;
    most = std::max(most, rows);
  }
  std::int64_t tokens = 0;
  for (const std::int32_t t : traffic_.tokens) tokens += t;
  ++s.draws;
  const double mean = sum / load.gpus;
  s.balancedness += most > 0 ? mean / double(most) : 1;
  s.imbalance += mean > 0 ? double(most) / mean - 1 : 0;
  s.expert_max_over_mean += sum > 0 ? std::ranges::max(expert_rows_) * double(experts) / sum : 0;
  s.nodes_per_token += tokens > 0 ? double(exchange::node_visits(load)) / double(tokens) : 0;
  if (s.draws <= 256) s.expert_gini += routing::gini(expert_rows_);  // a sort a draw is too much for a step's thousands
}
}  // namespace moesim::training
