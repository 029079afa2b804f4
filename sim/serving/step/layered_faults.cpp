// What lost GPUs and adapters mean for an instance: where their experts and their traffic go.
#include <algorithm>
#include <span>

#include "compute/layers/memory.h"
#include "core/ceil_div.h"
#include "core/check.h"
#include "serving/step/layered_cost.h"

namespace moesim::serving {
namespace {
/// Experts of a map that have no slot outside GPUs [first, last).
std::vector<int> uncovered(const exchange::ExpertMap& map, int first, int last) {
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
exchange::ExpertMap without(const exchange::ExpertMap& map, int first, int last, const std::vector<int>& homeless) {
  const int alive = map.gpus - (last - first);
  const int more = alive > 0 ? ceil_div(int(homeless.size()), alive) : 0;
  exchange::ExpertMap out{map.experts, map.gpus, map.slots_per_gpu + more, {}};
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
/// Shares for the map `next` that without() made of `map`: copies that are left share what they had among them.
std::vector<double> shares_left(const exchange::ExpertMap& map, const exchange::ExpertMap& next,
                                std::span<const double> shares) {
  std::vector<double> out(std::size_t(next.slots()), 0), sum(std::size_t(map.experts), 0);
  std::vector<int> places = std::vector<int>(sum.size(), 0);
  for (int s = 0; s < next.slots(); ++s) {
    const int e = next.slot_to_expert[std::size_t(s)], local = s % next.slots_per_gpu;
    if (e < 0) continue;
    if (local < map.slots_per_gpu)
      out[std::size_t(s)] = shares[std::size_t(next.gpu_of(s) * map.slots_per_gpu + local)];
    sum[std::size_t(e)] += out[std::size_t(s)];
    ++places[std::size_t(e)];
  }
  for (int s = 0; s < next.slots(); ++s)
    if (const int e = next.slot_to_expert[std::size_t(s)]; e >= 0) {
      double& share = out[std::size_t(s)];
      share = sum[std::size_t(e)] > 0 ? share / sum[std::size_t(e)] : 1.0 / places[std::size_t(e)];
    }
  return out;
}
}  // namespace

Bytes expert_bytes(const spec::Model& model, const compute::LayerOptions& options) {
  return compute::weight_bytes((model.expert_inputs() + 1) * std::int64_t{model.moe->expert_width}, model.row_width(),
                               options.precision.stored_experts());
}

StepModel::Loss LayeredCost::lose_gpus(int first, int count, bool mask, bool restart) {
  if (!bank_ || s_.parallel.experts_tensor || s_.parallel.tensor > 1 || s_.parallel.context > 1 || restart ||
      s_.parallel.pipeline > 1 || count >= s_.parallel.stage_gpus())
    return {.fatal = true,
            .reload = {},
            .masked_share = 0,
            .answer = "restart"};  // a broken tensor group, prompt or stage cannot go on
  Loss out;
  int most = 0;
  double masked = 0;
  for (std::size_t l = 0; l < bank_->layers(); ++l) {
    const exchange::ExpertMap map = bank_->maps()[l];
    const std::vector<int> homeless = uncovered(map, first, first + count);
    if (mask && !homeless.empty()) {
      const std::vector<double> loads = bank_->loads(step_, 1, weights_);
      for (int e : homeless) masked += loads[l * std::size_t(map.experts) + std::size_t(e)];
      bank_->mask(l, homeless);
    }
    const exchange::ExpertMap next = without(map, first, first + count, homeless);
    most = std::max(most, next.slots_per_gpu - map.slots_per_gpu);
    const auto& shares = bank_->setup().copy_shares;
    bank_->set_map(l, next, shares.empty() ? std::vector<double>() : shares_left(map, next, shares[l]));
  }
  if (rebalancing_) rebalancing_->restart(true);
  out.masked_share = masked / double(bank_->layers());
  out.answer = most == 0 ? "redundancy" : mask ? "mask" : "replace";
  if (most > 0 && !mask) {
    const spec::Node& node = s_.topology->cluster().node;
    const double rate = node.host_bandwidth.v > 0 ? node.host_bandwidth.v : node.nic.v;
    out.reload = from_seconds(double(expert_bytes(*s_.model, s_.options).v) * most * double(bank_->layers()) / rate);
  }
  return out;
}

void LayeredCost::restore() {
  if (!bank_) return;
  for (std::size_t l = 0; l < bank_->layers(); ++l) {
    bank_->mask(l, {});
    bank_->set_map(l, original_[l], original_shares_.empty() ? std::vector<double>() : original_shares_[l]);
  }
  if (rebalancing_) rebalancing_->restart(false);
}

void LayeredCost::set_link(int gpu) {
  const std::size_t g = std::size_t(gpu);
  if (bank_ && !s_.parallel.experts_tensor) bank_->slow_link(gpu, slow_link_[g] * adapter_[g]);
}

void LayeredCost::slow_link(int gpu, double share) {
  const int local = gpu % s_.parallel.stage_gpus();
  slow_link_[std::size_t(local)] = share;
  set_link(local);
}

double LayeredCost::set_adapter(int gpu, bool works) {
  const spec::Node& node = s_.topology->cluster().node;
  const int local = gpu % s_.parallel.stage_gpus(), first = local / node.gpus * node.gpus;
  const int last = std::min(first + node.gpus, s_.parallel.stage_gpus());
  adapter_lost_[std::size_t(local)] = !works;
  std::vector<int> users(std::size_t(last - first)), way(users.size());  // of each adapter; which one a GPU uses
  int next = 0;                                                          // the lost ones' GPUs go to the others in turn
  for (int g = first; g < last; ++g) {
    int to = g - first;
    for (int tries = 0; adapter_lost_[std::size_t(first + to)]; to = next++ % (last - first))
      if (++tries > 2 * (last - first) || node.gpu.nvlink.v <= 0) return 0;
    way[std::size_t(g - first)] = to;
    ++users[std::size_t(to)];
  }
  for (int g = first; g < last; ++g) {
    adapter_[std::size_t(g)] = 1.0 / users[std::size_t(way[std::size_t(g - first)])];
    if (!ports_.nvlink()) set_link(g);  // exchanges that stay on NVLink do not notice
  }
  return adapter_[std::size_t(local)];
}

}  // namespace moesim::serving
