#include "serving/step/growing_cost.h"

#include <algorithm>
#include <set>

#include "core/ceil_div.h"
#include "core/check.h"

namespace moesim::serving {
namespace {
/// Experts of all layers that the GPU holds afterwards and did not hold before.
std::int64_t experts_new_to(int gpu, const std::vector<exchange::ExpertMap>& before,
                            const std::vector<exchange::ExpertMap>& after) {
  const auto held = [gpu](const exchange::ExpertMap& map) {
    std::set<int> out;
    for (int s = gpu * map.slots_per_gpu; s < (gpu + 1) * map.slots_per_gpu; ++s)
      if (const int e = map.slot_to_expert[std::size_t(s)]; e >= 0) out.insert(e);
    return out;
  };
  std::int64_t out = 0;
  for (std::size_t layer = 0; layer < after.size(); ++layer) {
    const std::set<int> old = held(before[layer]);
    out += std::ranges::count_if(held(after[layer]), [&](int expert) { return !old.contains(expert); });
  }
  return out;
}

/// From the group's first GPU to its last, which is on another node if any is.
Time message(const LayeredCost::Setup& of, Bytes bytes) {
  if (bytes.v == 0) return {};
  const GpuId pair[] = {GpuId(0), GpuId(std::uint32_t(of.parallel.stage_gpus() - 1))};
  return network::collective_time(*of.topology, of.calibration, network::Collective::point_to_point,
                                  network::CollectiveAlgorithm::best, pair, bytes);
}
}  // namespace

GrowthStep growth_step(const LayeredCost::Setup& from, const LayeredCost::Setup& to, Bytes weights) {
  const int there = from.parallel.stage_gpus(), come = to.parallel.stage_gpus() - there;
  GrowthStep out;
  out.prepare = message(to, weights) * std::int64_t{ceil_div(come, there)};
  out.sent = {ceil_div(weights.v * come, std::int64_t{there})};
  std::int64_t most = 0;
  for (int gpu = 0; to.experts && gpu < there; ++gpu)
    most = std::max(most, experts_new_to(gpu, from.experts->maps, to.experts->maps));
  if (most > 0) out.move = message(to, expert_bytes(*to.model, to.options) * most);
  return out;
}

GrowingCost::GrowingCost(std::vector<std::unique_ptr<LayeredCost>> sizes, std::vector<GrowthStep> steps)
    : sizes_(std::move(sizes)), steps_(std::move(steps)) {
  check(sizes_.size() > 1 && steps_.size() + 1 == sizes_.size(), "{} sizes of a group in {} steps", sizes_.size(),
        steps_.size());
}

void GrowingCost::cost(const StepWork& work, StepTimes& out) {
  const std::size_t ranks = std::size_t(now().setup().parallel.data);
  if (work.ranks.size() == ranks) return now().cost(work, out);
  work_ = work;
  for (std::size_t r = ranks; r < work.ranks.size(); ++r)
    check(work.ranks[r].tokens == 0, "rank {} computes before it is there", r);
  work_.ranks.resize(ranks);
  now().cost(work_, out);
}

StepModel::GrowthTimes GrowingCost::prepare_growth() {
  const GrowthStep& step = steps_.at(at_);
  const LayeredCost::Setup& next = sizes_[at_ + 1]->setup();
  const bool nvlink = next.parallel.stage_gpus() <= next.topology->gpus_per_node();
  for (int gpu = 0; gpu < now().setup().parallel.stage_gpus(); ++gpu) crosses(gpu, nvlink, step.sent, step.prepare);
  return {step.prepare, step.move};
}
}  // namespace moesim::serving
