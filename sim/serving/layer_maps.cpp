// Expert places that change during a run: online rebalancing, and what is done after GPUs are lost.
#include <algorithm>
#include <numeric>

#include "compute/memory.h"
#include "core/check.h"
#include "serving/layered_cost.h"

namespace moesim {
namespace {
/// Bytes of one expert's weights.
double expert_bytes(const Model& model, const LayerOptions& options) {
  return double(
      weight_bytes(3 * std::int64_t{model.moe->expert_width}, model.hidden, options.precision.stored_experts()).v);
}

/// Experts of a map that have no slot outside GPUs [first, last).
std::vector<int> uncovered(const ExpertMap& map, int first, int last) {
  std::vector<bool> held(std::size_t(map.experts));
  for (int s = 0; s < map.slots(); ++s) {
    const int e = map.slot_to_expert[std::size_t(s)], g = map.gpu_of(s);
    if (e >= 0 && (g < first || g >= last)) held[std::size_t(e)] = true;
  }
  std::vector<int> out;
  for (int e = 0; e < map.experts; ++e)
    if (!held[std::size_t(e)]) out.push_back(e);
  return out;
}

/// The map without GPUs [first, last); experts that were only there get a slot more on each of the other GPUs in turn.
ExpertMap without(const ExpertMap& map, int first, int last, const std::vector<int>& homeless) {
  const int alive = map.gpus - (last - first);
  const int more = alive > 0 ? (int(homeless.size()) + alive - 1) / alive : 0;
  ExpertMap out{map.experts, map.gpus, map.slots_per_gpu + more, {}};
  std::size_t next = 0;
  for (int g = 0; g < map.gpus; ++g) {
    const bool dead = g >= first && g < last;
    for (int s = 0; s < map.slots_per_gpu; ++s)
      out.slot_to_expert.push_back(dead ? -1 : map.slot_to_expert[std::size_t(g * map.slots_per_gpu + s)]);
    for (int s = 0; s < more; ++s)
      out.slot_to_expert.push_back(!dead && next < homeless.size() ? homeless[next++] : -1);
  }
  return out;
}
}  // namespace

StepCost::Loss LayeredCost::lose_gpus(int first, int count, bool mask, bool restart) {
  if (!bank_ || s_.parallel.experts_tensor || s_.parallel.tensor > 1 || restart || s_.parallel.pipeline > 1 ||
      count >= s_.parallel.stage_gpus())
    return {.fatal = true,
            .reload = {},
            .masked_share = 0,
            .answer = "restart"};  // a broken tensor group or stage cannot go on
  Loss out;
  int most = 0;
  double masked = 0;
  for (std::size_t l = 0; l < bank_->layers(); ++l) {
    const ExpertMap map = bank_->maps()[l];
    const std::vector<int> homeless = uncovered(map, first, first + count);
    if (mask && !homeless.empty()) {
      const std::vector<double> loads = bank_->loads(step_, 1, weights_);
      for (int e : homeless) masked += loads[l * std::size_t(map.experts) + std::size_t(e)];
      bank_->mask(l, homeless);
    }
    const ExpertMap next = without(map, first, first + count, homeless);
    most = std::max(most, next.slots_per_gpu - map.slots_per_gpu);
    bank_->set_map(l, next);
  }
  out.masked_share = masked / double(bank_->layers());
  out.answer = most == 0 ? "redundancy" : mask ? "mask" : "replace";
  if (most > 0 && !mask) {
    const Node& node = s_.topology->cluster().node;
    const double rate = node.host_bandwidth.v > 0 ? node.host_bandwidth.v : node.nic.v;
    out.reload = from_seconds(expert_bytes(*s_.model, s_.options) * most * double(bank_->layers()) / rate);
  }
  return out;
}

void LayeredCost::restore() {
  if (!bank_) return;
  to_move_.clear();
  for (std::size_t l = 0; l < bank_->layers(); ++l) {
    bank_->mask(l, {});
    bank_->set_map(l, original_[l]);
  }
}

std::vector<ExpertMap> LayeredCost::plan_maps(std::int64_t step, int steps) {
  Loads loads;
  loads.experts = s_.model->moe->experts;
  loads.layers = bank_->setup().layers;
  loads.hidden_layers = s_.model->layers;
  loads.counts = bank_->loads(step, steps, weights_);
  return plan(*s_.policy, {loads, s_.problem, nullptr, nullptr});
}

/// Mean over layers of mean / max GPU load if the rows were exactly in proportion to `loads`.
double LayeredCost::expected_balance(const std::vector<ExpertMap>& maps, std::span<const double> loads) const {
  double sum = 0;
  for (std::size_t l = 0; l < maps.size(); ++l) {
    const ExpertMap& map = maps[l];
    const ReplicaTable table = replica_table(map);
    std::vector<double> gpu(std::size_t(map.gpus));
    for (int e = 0; e < map.experts; ++e) {
      const int a = table.first[std::size_t(e)], b = table.first[std::size_t(e) + 1];
      for (int i = a; i < b; ++i)
        gpu[std::size_t(map.gpu_of(table.slots[std::size_t(i)]))] +=
            loads[l * std::size_t(map.experts) + std::size_t(e)] / (b - a);
    }
    sum += std::accumulate(gpu.begin(), gpu.end(), 0.0) / double(map.gpus) / std::ranges::max(gpu);
  }
  return sum / double(maps.size());
}

/// Time for the weights that change place in one layer: each GPU takes its new experts in through its adapter.
Time LayeredCost::move_layer(std::size_t ordinal, const ExpertMap& to) {
  const ExpertMap& from = bank_->maps()[ordinal];
  int most = 0, moved = 0;
  for (int g = 0; g < to.gpus; ++g) {
    int here = 0;
    for (int s = g * to.slots_per_gpu; s < (g + 1) * to.slots_per_gpu; ++s) {
      const int e = to.slot_to_expert[std::size_t(s)];
      bool had = e < 0;
      for (int t = g * from.slots_per_gpu; t < (g + 1) * from.slots_per_gpu && !had; ++t)
        had = from.slot_to_expert[std::size_t(t)] == e;
      here += !had;
    }
    most = std::max(most, here);
    moved += here;
  }
  const double bytes = expert_bytes(*s_.model, s_.options);
  rebalances_.moved_experts += moved;
  rebalances_.moved_bytes += bytes * moved;
  const Cluster& cluster = s_.topology->cluster();
  const double rate =
      cluster.nodes > 1 ? cluster.node.nic.v * cluster.node.nics / cluster.node.gpus : cluster.node.gpu.nvlink.v;
  return from_seconds(bytes * most / rate);
}

Time LayeredCost::rebalance() {
  if (!bank_ || s_.policy == nullptr || steps_ == 0 || weights_.empty()) return {};
  constexpr int kLooks = 16;  // steps of the window that are looked at, so that a plan costs O(experts) a layer
  const std::int64_t from = std::max<std::int64_t>(0, step_ - s_.rebalance.window);
  const int looks = int(std::min<std::int64_t>(kLooks, step_ - from + 1));
  const std::vector<ExpertMap> maps = plan_maps(from, looks);
  const std::vector<double> now = bank_->loads(step_, 1, weights_);
  ++rebalances_.plans;
  rebalances_.balance_before += expected_balance(bank_->maps(), now);
  rebalances_.balance_after += expected_balance(maps, now);
  if (s_.rebalance.layerwise) {
    to_move_.clear();
    for (std::size_t l = maps.size(); l-- > 0;)
      if (maps[l] != bank_->maps()[l]) to_move_.emplace_back(l, maps[l]);
    return {};
  }
  Time sum{};
  for (std::size_t l = 0; l < maps.size(); ++l) {
    sum += move_layer(l, maps[l]);
    bank_->set_map(l, maps[l]);
  }
  rebalances_.seconds += seconds(sum);
  return sum;
}
}  // namespace moesim
