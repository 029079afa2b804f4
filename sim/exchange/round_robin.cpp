#include "exchange/replica_kinds.h"

namespace moesim::exchange {
namespace {
/// Copies take turns, wherever they are: even shares of every source, the first of them differing by source.
class RoundRobin final : public ReplicaChoice {
 public:
  using Params = NoParams;
  RoundRobin(Params, const ExpertMap& map, const spec::GroupShape&) : copies_(copy_table(map)), slots_(map.slots()) {}
  void split(const routing::Traffic& traffic, std::span<std::int32_t> by_slot) const override {
    each_share(traffic, copies_, [&](std::size_t source, std::int32_t rows, std::span<const int> copies) {
      const auto n = std::int32_t(copies.size());
      for (std::int32_t i = 0; i < n; ++i) {
        const int slot = copies[(source + std::size_t(i)) % std::size_t(n)];
        by_slot[source * std::size_t(slots_) + std::size_t(slot)] += rows / n + (i < rows % n ? 1 : 0);
      }
    });
  }

 private:
  CopyTable copies_;
  int slots_;
};
}  // namespace

ReplicaStrategy choose_round_robin() {
  return replica_choice<RoundRobin>("round_robin", "all copies in turn, wherever they are");
}
}  // namespace moesim::exchange
