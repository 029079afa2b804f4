// The family of replica choices: which copy of an expert computes a source's rows.
#include <algorithm>
#include <numeric>

#include "network/exchange.h"

namespace moesim {
namespace {
struct NoParams {
  static void fields(auto&, auto&) {}
};

class Nearest final : public ReplicaChoice {
 public:
  using Params = NoParams;
  Nearest(Params, const ExpertMap& map, const GroupShape& group) : choice_(nearest_replica(map, group)) {}
  void split(const Traffic& traffic, std::span<std::int32_t> by_slot) const override {
    choice_->split(traffic, by_slot);
  }

 private:
  std::unique_ptr<ReplicaChoice> choice_;
};

/// Calls use(source, expert, rows, its slots) for every source and expert with rows, in that order.
template <class Use>
void each_share(const Traffic& traffic, const ReplicaTable& replicas, Use use) {
  const auto experts = std::size_t(traffic.router.experts);
  for (std::size_t source = 0; source < std::size_t(traffic.sources); ++source)
    for (std::size_t e = 0; e < experts; ++e) {
      const std::int32_t rows = traffic.rows[source * experts + e];
      const auto first = std::size_t(replicas.first[e]), last = std::size_t(replicas.first[e + 1]);
      if (rows > 0) use(source, rows, std::span(replicas.slots).subspan(first, last - first));
    }
}

/// Copies take turns, wherever they are: even shares of every source, the first of them differing by source.
class RoundRobin final : public ReplicaChoice {
 public:
  using Params = NoParams;
  RoundRobin(Params, const ExpertMap& map, const GroupShape&) : replicas_(replica_table(map)), slots_(map.slots()) {}
  void split(const Traffic& traffic, std::span<std::int32_t> by_slot) const override {
    each_share(traffic, replicas_, [&](std::size_t source, std::int32_t rows, std::span<const int> copies) {
      const auto n = std::int32_t(copies.size());
      for (std::int32_t i = 0; i < n; ++i) {
        const int slot = copies[(source + std::size_t(i)) % std::size_t(n)];
        by_slot[source * std::size_t(slots_) + std::size_t(slot)] += rows / n + (i < rows % n ? 1 : 0);
      }
    });
  }

 private:
  ReplicaTable replicas_;
  int slots_;
};

/// Source by source, the copies on the GPUs with the fewest rows so far are filled up to one level first.
/// Experts without copies are counted beforehand, since nothing can move them.
class LeastLoaded final : public ReplicaChoice {
 public:
  using Params = NoParams;
  LeastLoaded(Params, const ExpertMap& map, const GroupShape&) : map_(map), replicas_(replica_table(map)) {}
  void split(const Traffic& traffic, std::span<std::int32_t> by_slot) const override {
    std::vector<std::int64_t> load(std::size_t(map_.gpus));
    const auto take = [&](std::size_t source, int slot, std::int64_t rows) {
      by_slot[source * std::size_t(map_.slots()) + std::size_t(slot)] += std::int32_t(rows);
      load[std::size_t(map_.gpu_of(slot))] += rows;
    };
    each_share(traffic, replicas_, [&](std::size_t source, std::int32_t rows, std::span<const int> copies) {
      if (copies.size() == 1) take(source, copies[0], rows);
    });
    std::vector<int> order;
    each_share(traffic, replicas_, [&](std::size_t source, std::int32_t rows, std::span<const int> copies) {
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
  ReplicaTable replicas_;
};

template <class Choice>
Strategy<ReplicaChoice, const ExpertMap&, const GroupShape&> choice(std::string_view kind, std::string_view summary) {
  return strategy<Choice, ReplicaChoice, const ExpertMap&, const GroupShape&>(kind, summary);
}
}  // namespace

const Family<ReplicaChoice, const ExpertMap&, const GroupShape&>& replica_choices() {
  static const Family<ReplicaChoice, const ExpertMap&, const GroupShape&> family(
      "replica choice", {choice<Nearest>("nearest", "copies on the own GPU, else on the own node, else all, evenly"),
                         choice<RoundRobin>("round_robin", "all copies in turn, wherever they are"),
                         choice<LeastLoaded>("least_loaded", "the copies on the GPUs with the fewest rows so far")});
  return family;
}
}  // namespace moesim
