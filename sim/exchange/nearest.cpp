#include <algorithm>

#include "exchange/replica_kinds.h"

namespace moesim::exchange {
namespace {
/// Copies of an expert that are equally near a source share its rows.
class Nearest final : public ReplicaChoice {
 public:
  using Params = NoParams;
  Nearest(Params, const ExpertMap& map, const spec::GroupShape& group)
      : experts_(std::size_t(map.experts)), slots_(std::size_t(map.slots())) {
    const CopyTable table = copy_table(map);
    for (int e = 0; e < map.experts; ++e) {
      const std::span<const int> all(table.slots.data() + table.first[std::size_t(e)],
                                     table.slots.data() + table.first[std::size_t(e) + 1]);
      all.size() == 1 ? single_.push_back({e, all[0]}) : replicated_.push_back(e);
    }
    std::sort(single_.begin(), single_.end(), [](Single a, Single b) { return a.slot < b.slot; });
    for (int source = 0; source < group.gpus; ++source)
      for (const int e : replicated_) {
        near_.push_back(int(near_slots_.size()));
        add_nearest(
            map, group, source,
            {table.slots.data() + table.first[std::size_t(e)], table.slots.data() + table.first[std::size_t(e) + 1]});
      }
    near_.push_back(int(near_slots_.size()));
    identity_ = replicated_.empty() && experts_ == slots_ &&
                std::all_of(single_.begin(), single_.end(), [](Single s) { return s.expert == s.slot; });
  }

  void split(const routing::Traffic& traffic, std::span<std::int32_t> by_slot) const override {
    if (identity_) return void(std::copy(traffic.rows.begin(), traffic.rows.end(), by_slot.begin()));
    for (std::size_t source = 0; source < std::size_t(traffic.sources); ++source) {
      const std::int32_t* const rows = &traffic.rows[source * experts_];
      std::int32_t* const out = &by_slot[source * slots_];
      for (const Single s : single_) out[s.slot] = rows[s.expert];
      for (std::size_t i = 0; i < replicated_.size(); ++i) {
        const int first = near_[source * replicated_.size() + i],
                  n = near_[source * replicated_.size() + i + 1] - first;
        const std::int32_t r = rows[replicated_[i]];
        for (int j = 0; j < n; ++j)  // the copy at `source` mod n takes the first of what is left over
          out[near_slots_[std::size_t(first + j)]] = r / n + ((j + n - int(source) % n) % n < r % n);
      }
    }
  }

 private:
  struct Single {
    int expert, slot;
  };
  void add_nearest(const ExpertMap& map, const spec::GroupShape& group, int source, std::span<const int> all) {
    const auto distance = [&](int slot) {
      const int gpu = map.gpu_of(slot);
      return gpu == source ? 0 : group.node_of(gpu) == group.node_of(source) ? 1 : 2;
    };
    int best = 2;
    for (const int slot : all) best = std::min(best, distance(slot));
    for (const int slot : all)
      if (distance(slot) == best) near_slots_.push_back(slot);
  }
  std::size_t experts_, slots_;
  std::vector<Single> single_;   // experts with one copy, by slot
  std::vector<int> replicated_;  // the others
  std::vector<int> near_;        // (sources, replicated) and one more: where their list in near_slots_ begins
  std::vector<int> near_slots_;
  bool identity_ = false;
};
}  // namespace

std::unique_ptr<ReplicaChoice> nearest_replica(const ExpertMap& map, const spec::GroupShape& group) {
  return std::make_unique<Nearest>(NoParams{}, map, group);
}

ReplicaStrategy choose_nearest() {
  return replica_choice<Nearest>("nearest", "copies on the own GPU, else on the own node, else all, evenly");
}
}  // namespace moesim::exchange
