#include "placement/rebalancing/migration.h"

#include <algorithm>

#include "core/check.h"

namespace moesim::placement {
namespace {
std::span<const int> held(const exchange::ExpertMap& map, int gpu) {
  return std::span(map.slot_to_expert).subspan(std::size_t(gpu * map.slots_per_gpu), std::size_t(map.slots_per_gpu));
}
bool holds(const exchange::ExpertMap& map, int gpu, int expert) {
  return std::ranges::find(held(map, gpu), expert) != held(map, gpu).end();
}
/// Experts that GPUs [first, first + count) of both maps share, counted with their copies' GPUs.
int overlap(const exchange::ExpertMap& before, int old_first, const exchange::ExpertMap& after, int new_first,
            int count) {
  int n = 0;
  for (int g = new_first; g < new_first + count; ++g)
    for (const int e : held(after, g))
      for (int h = old_first; e >= 0 && h < old_first + count; ++h) n += holds(before, h, e);
  return n;
}
/// Pairs blocks of `size` GPUs inside [first, first + blocks * size), largest overlap first: old block of each new one.
std::vector<int> matched(const exchange::ExpertMap& before, int old_first, const exchange::ExpertMap& after,
                         int new_first, int blocks, int size) {
  struct Pair {
    int shared, old_block, new_block;
  };
  std::vector<Pair> pairs;
  for (int o = 0; o < blocks; ++o)
    for (int n = 0; n < blocks; ++n)
      pairs.push_back({overlap(before, old_first + o * size, after, new_first + n * size, size), o, n});
  std::ranges::stable_sort(pairs, [](const Pair& a, const Pair& b) { return a.shared > b.shared; });
  std::vector<int> out(std::size_t(blocks), -1);
  std::vector<bool> taken(std::size_t(blocks), false);
  for (const Pair& p : pairs)
    if (out[std::size_t(p.new_block)] < 0 && !taken[std::size_t(p.old_block)]) {
      out[std::size_t(p.new_block)] = p.old_block;
      taken[std::size_t(p.old_block)] = true;
    }
  return out;
}
}  // namespace

std::vector<ExpertMove> moves(int layer, const exchange::ExpertMap& before, const exchange::ExpertMap& after,
                              const spec::GroupShape& group) {
  check(before.experts == after.experts && before.gpus == after.gpus, "placements of {} and {} GPUs", before.gpus,
        after.gpus);
  const exchange::CopyTable old = exchange::copy_table(before);
  std::vector<ExpertMove> out;
  for (int gpu = 0; gpu < after.gpus; ++gpu)
    for (std::size_t i = 0; i < held(after, gpu).size(); ++i) {
      const int e = held(after, gpu)[i];
      if (e < 0 || holds(before, gpu, e)) continue;
      const auto first = held(after, gpu).begin();
      if (std::find(first, first + std::ptrdiff_t(i), e) != first + std::ptrdiff_t(i))
        continue;  // one weight, two slots
      int from = -1;
      for (int k = old.first[std::size_t(e)]; k < old.first[std::size_t(e) + 1]; ++k) {
        const int g = before.gpu_of(old.slots[std::size_t(k)]);
        if (from < 0 || (group.node_of(from) != group.node_of(gpu) && group.node_of(g) == group.node_of(gpu))) from = g;
      }
      out.push_back({layer, e, from, gpu});
    }
  return out;
}

exchange::ExpertMap aligned(const exchange::ExpertMap& before, const exchange::ExpertMap& after,
                            const spec::GroupShape& group) {
  check(before.gpus == after.gpus && group.gpus == after.gpus, "placements of {} and {} GPUs", before.gpus, after.gpus);
  const int per_node = group.gpus_per_node, nodes = group.nodes();
  check(after.gpus % per_node == 0, "{} GPUs on nodes of {}", after.gpus, per_node);
  exchange::ExpertMap out = after;
  const std::vector<int> node_at = matched(before, 0, after, 0, nodes, per_node);
  for (int node = 0; node < nodes; ++node) {
    const int to = node_at[std::size_t(node)];
    const std::vector<int> gpu_at = matched(before, to * per_node, after, node * per_node, per_node, 1);
    for (int g = 0; g < per_node; ++g) {
      const int target = to * per_node + gpu_at[std::size_t(g)];
      std::vector<int> slots(std::size_t(after.slots_per_gpu), -1), rest;
      for (const int e : held(after, node * per_node + g)) {  // what stays keeps its slot
        const auto same = std::ranges::find(held(before, target), e);
        const auto at = std::size_t(same - held(before, target).begin());
        if (e >= 0 && same != held(before, target).end() && at < slots.size() && slots[at] < 0)
          slots[at] = e;
        else if (e >= 0)
          rest.push_back(e);
      }
      for (const int e : rest) *std::ranges::find(slots, -1) = e;
      std::ranges::copy(slots, out.slot_to_expert.begin() + target * after.slots_per_gpu);
    }
  }
  // Taking the largest overlaps first can lose to leaving everything as it is.
  return moves(0, before, out, group).size() < moves(0, before, after, group).size() ? out : after;
}

MovePorts busiest_ports(std::span<const ExpertMove> moves, const spec::GroupShape& group) {
  const auto gpus = std::size_t(group.gpus);
  std::vector<int> inside_in(gpus, 0), inside_out(gpus, 0), between_in(gpus, 0), between_out(gpus, 0);
  for (const ExpertMove& m : moves) {
    const bool inside = group.node_of(m.from) == group.node_of(m.to);
    ++(inside ? inside_out : between_out)[std::size_t(m.from)];
    ++(inside ? inside_in : between_in)[std::size_t(m.to)];
  }
  return {std::max(std::ranges::max(inside_in), std::ranges::max(inside_out)),
          std::max(std::ranges::max(between_in), std::ranges::max(between_out))};
}
}  // namespace moesim::placement
