#include <algorithm>

#include "exchange/replica_kinds.h"

namespace moesim::exchange {
namespace {
/// Source by source, the copies on the GPUs with the fewest rows so far are filled up to one level first.
/// Experts without copies are counted beforehand, since nothing can move them.
class LeastLoaded final : public ReplicaChoice {
 public:
  using Params = NoParams;
  LeastLoaded(Params, const ExpertMap& map, const spec::GroupShape&) : map_(map), copies_(copy_table(map)) {}
  void split(const routing::Traffic& traffic, std::span<std::int32_t> by_slot) const override {
    std::vector<std::int64_t> load(std::size_t(map_.gpus));
    const auto take = [&](std::size_t source, int slot, std::int64_t rows) {
      by_slot[source * std::size_t(map_.slots()) + std::size_t(slot)] += std::int32_t(rows);
      load[std::size_t(map_.gpu_of(slot))] += rows;
    };
    each_share(traffic, copies_, [&](std::size_t source, std::int32_t rows, std::span<const int> copies) {
      if (copies.size() == 1) take(source, copies[0], rows);
    });
    std::vector<int> order;
    each_share(traffic, copies_, [&](std::size_t source, std::int32_t rows, std::span<const int> copies) {
      if (copies.size() == 1) return;
      order.assign(copies.begin(), copies.end());
      const auto load_of = [&](int slot) { return load[std::size_t(map_.gpu_of(slot))]; };
      std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return load_of(a) < load_of(b); });
      std::int64_t left = rows;
      for (std::size_t k = 1; left > 0; ++k) {  // lift the k least loaded to the next one's level
        std::int64_t lift = left;
        if (k < order.size()) lift = (load_of(order[k]) - load_of(order[k - 1])) * std::int64_t(k);
        lift = std::clamp(lift, std::int64_t(0), left);
        for (std::size_t i = 0; i < k; ++i)
          take(source, order[i], lift / std::int64_t(k) + (std::int64_t(i) < lift % std::int64_t(k) ? 1 : 0));
        left -= lift;
      }
    });
  }

 private:
  ExpertMap map_;
  CopyTable copies_;
};
}  // namespace

ReplicaStrategy choose_least_loaded() {
  return replica_choice<LeastLoaded>("least_loaded", "the copies on the GPUs with the fewest rows so far");
}
}  // namespace moesim::exchange
