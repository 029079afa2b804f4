#include "serving/deployment/layout.h"

#include <functional>
#include <numeric>
#include <set>
#include <tuple>

#include "core/ceil_div.h"

namespace moesim::serving {

int whole_nodes(int gpus, int per_node) {
  return per_node > 0 && gpus >= per_node ? ceil_div(gpus, per_node) * per_node : std::max(1, gpus);
}

std::int64_t next_place(std::int64_t taken, int gpus, int per_node) {
  const int step = per_node <= 0 || gpus < 1 ? 1 : gpus >= per_node ? per_node : per_node % gpus == 0 ? gpus : 1;
  return (taken + step - 1) / step * step;
}

Places packed_places(const std::vector<Taken>& pools, int per_node) {
  Places out;
  std::int64_t next = 0;
  for (const Taken& pool : pools) {
    next = next_place(next, pool.gpus, per_node);
    std::vector<int>& own = out.emplace_back();
    for (int i = 0; i < pool.instances; ++i, next += pool.gpus) own.push_back(int(next));
  }
  return out;
}

namespace {
/// Nodes that instances of less than one share.
class SharedNodes {
 public:
  SharedNodes(int first, int count, int per_node) : first_(first), per_node_(per_node), taken_(std::size_t(count)) {}
  /// Puts each on the node that has fewest of them, the emptiest of these; false if they do not all fit.
  bool put(const Taken& pool, std::vector<int>& places) {
    std::set<std::tuple<int, int, std::size_t>> nodes;  // by instances of this pool, and GPUs taken
    for (std::size_t n = 0; n < taken_.size(); ++n) nodes.emplace(0, taken_[n], n);
    while (int(places.size()) < pool.instances) {
      if (nodes.empty()) return false;
      const auto [own, taken, node] = *nodes.begin();
      nodes.erase(nodes.begin());
      const int at = int(next_place(taken, pool.gpus, per_node_));
      if (at + pool.gpus > per_node_) continue;
      places.push_back((first_ + int(node)) * per_node_ + at);
      taken_[node] = at + pool.gpus;
      nodes.emplace(own + 1, taken_[node], node);
    }
    std::ranges::sort(places);
    return true;
  }

 private:
  int first_, per_node_;
  std::vector<int> taken_;
};
}  // namespace

std::optional<Places> spread_places(const std::vector<Taken>& pools, int per_node, int nodes) {
  std::int64_t shared = nodes;
  for (const Taken& pool : pools)
    if (pool.gpus >= per_node) shared -= std::int64_t{pool.gpus} / per_node * pool.instances;
  if (shared < 0) return std::nullopt;
  Places out(pools.size());
  int next = 0, first_shared = -1;
  for (std::size_t p = 0; p < pools.size(); ++p) {
    if (pools[p].gpus < per_node && first_shared < 0) first_shared = next, next += int(shared);
    for (int i = 0; pools[p].gpus >= per_node && i < pools[p].instances; ++i, next += pools[p].gpus / per_node)
      out[p].push_back(next * per_node);
  }
  // The largest first: then what is left of a node has room for those that divide them.
  std::vector<std::size_t> order(pools.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater<>{}, [&](std::size_t p) { return pools[p].gpus; });
  SharedNodes rest(first_shared, int(shared), per_node);
  for (const std::size_t p : order)
    if (pools[p].gpus < per_node && !rest.put(pools[p], out[p])) return std::nullopt;
  return out;
}
}  // namespace moesim::serving
