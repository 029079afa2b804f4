#include "placement/policies/eplb.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <numeric>

#include "core/check.h"
#include "placement/planning/packing.h"

namespace moesim::placement {
namespace {
/// Sorts as an integer the way (weight, index) sorts; the bits of floats that are not negative grow with their value.
std::uint64_t key(float weight, std::size_t index) {
  return std::uint64_t(std::bit_cast<std::uint32_t>(weight)) << 32 | index;
}
std::uint64_t descending_key(float weight, std::size_t index) {
  return std::uint64_t(~std::bit_cast<std::uint32_t>(weight)) << 32 | index;
}
std::size_t index_of(std::uint64_t key) { return key & 0xffffffff; }
float weight_of(std::uint64_t key) { return std::bit_cast<float>(std::uint32_t(key >> 32)); }
}  // namespace

Eplb::Eplb(int experts, int slots, int groups, int nodes, int gpus)
    : experts_(experts), slots_(slots), groups_(groups), nodes_(nodes), gpus_(gpus) {
  check(nodes > 0 && gpus % nodes == 0 && slots % gpus == 0 && groups % nodes == 0 && experts % groups == 0 &&
            slots >= experts,
        "EPLB cannot place {} experts in {} groups in {} slots of {} GPUs on {} nodes", experts, groups, slots, gpus,
        nodes);
  const auto most = std::size_t(std::max(slots, groups));
  for (auto* ints : {&item_, &pack_of_, &rank_of_}) ints->resize(most);
  item_weight_.resize(most);
  expert_at_.resize(std::size_t(experts));
  weight_.resize(std::size_t(experts));
  ratio_.resize(std::size_t(experts / nodes));
  count_.resize(std::size_t(experts / nodes));
  group_weight_.resize(std::size_t(groups));
  used_.resize(std::size_t(std::max(gpus, nodes)));
}

/// Heaviest item first, to the lightest pack that still has room; every pack gets equally many.
void Eplb::pack(std::span<const float> weights, int packs, std::span<int> pack_of, std::span<int> rank_of) {
  const int room = int(weights.size()) / packs;
  if (room == 1) {
    std::iota(pack_of.begin(), pack_of.end(), 0);
    std::ranges::fill(rank_of, 0);
    return;
  }
  sorted_.clear();
  for (std::size_t i = 0; i < weights.size(); ++i) sorted_.push_back(descending_key(weights[i], i));
  std::ranges::sort(sorted_);
  heap_.clear();  // lightest pack on top; ascending keys already form a heap
  for (std::size_t i = 0; i < std::size_t(packs); ++i) heap_.push_back(key(0, i));
  std::fill_n(used_.begin(), packs, 0);
  for (const std::uint64_t item : sorted_) {
    std::ranges::pop_heap(heap_, std::greater());
    const std::size_t to = index_of(heap_.back());
    pack_of[index_of(item)] = int(to);
    rank_of[index_of(item)] = used_[to]++;
    if (used_[to] == room) {
      heap_.pop_back();
    } else {
      heap_.back() = key(weight_of(heap_.back()) + weights[index_of(item)], to);
      std::ranges::push_heap(heap_, std::greater());
    }
  }
}

/// Step 1: packs groups onto nodes, and lists the experts node by node.
void Eplb::order_experts(std::span<const double> load) {
  const int size = experts_ / groups_;
  for (int g = 0; g < groups_; ++g) {
    float sum = 0;
    for (int e = g * size; e < (g + 1) * size; ++e) sum += float(load[std::size_t(e)]);
    group_weight_[std::size_t(g)] = sum;
  }
  pack(group_weight_, nodes_, std::span(pack_of_).first(group_weight_.size()),
       std::span(rank_of_).first(group_weight_.size()));
  for (int g = 0; g < groups_; ++g) {
    const int first = (pack_of_[std::size_t(g)] * (groups_ / nodes_) + rank_of_[std::size_t(g)]) * size;
    for (int i = 0; i < size; ++i) {
      expert_at_[std::size_t(first + i)] = g * size + i;
      weight_[std::size_t(first + i)] = float(load[std::size_t(g * size + i)]);
    }
  }
}

/// Step 2: one copy of each of the node's experts, then one more of the heaviest a copy until the slots are full.
void Eplb::replicate(int node) {
  const std::size_t here = ratio_.size(), first = std::size_t(node) * here;
  std::copy_n(weight_.begin() + std::ptrdiff_t(first), here, ratio_.begin());
  std::ranges::fill(count_, 1);
  std::iota(item_.begin(), item_.begin() + std::ptrdiff_t(here), 0);
  for (std::size_t i = here; i < std::size_t(slots_ / nodes_); ++i) {
    const auto hottest = std::size_t(std::ranges::max_element(ratio_) - ratio_.begin());
    item_[i] = int(hottest);
    ratio_[hottest] = weight_[first + hottest] / float(++count_[hottest]);
  }
}

void Eplb::place(std::span<const double> load, std::span<int> slot_to_expert) {
  check(load.size() == std::size_t(experts_) && slot_to_expert.size() == std::size_t(slots_),
        "EPLB for {} experts and {} slots got {} and {}", experts_, slots_, load.size(), slot_to_expert.size());
  order_experts(load);
  const auto items = std::size_t(slots_ / nodes_);
  const int slots = slots_ / gpus_;
  for (int node = 0; node < nodes_; ++node) {
    replicate(node);
    for (std::size_t i = 0; i < items; ++i) item_weight_[i] = ratio_[std::size_t(item_[i])];
    const auto pack_of = std::span(pack_of_).first(items), rank_of = std::span(rank_of_).first(items);
    pack(std::span(item_weight_).first(items), gpus_ / nodes_, pack_of, rank_of);
    for (std::size_t i = 0; i < items; ++i) {
      const auto slot = std::size_t(node) * items + std::size_t(pack_of[i] * slots + rank_of[i]);
      slot_to_expert[slot] = expert_at_[std::size_t(node) * ratio_.size() + std::size_t(item_[i])];
    }
  }
}

namespace {
enum class Policy { automatic, hierarchical, global };

template <Policy policy>
class EplbPlacement final : public Placement {
 public:
  struct Params {
    static void fields(auto&, auto&) {}
  };
  explicit EplbPlacement(Params) {}

  std::vector<exchange::ExpertMap> place(const PlacementInput& input) const override {
    const PlacementProblem& p = input.problem;
    if (p.gpu_slots.empty() && p.slots % p.gpus != 0)
      throw ConfigError(fmt::format("slots must be a multiple of the {} GPUs, got {}", p.gpus, p.slots));
    if (!p.even())
      throw ConfigError("gives every GPU the same slots and load; greedy, robust and local_search know uneven GPUs");
    bool by_node = p.groups % p.nodes == 0;
    if (policy == Policy::hierarchical && !by_node)
      throw ConfigError(fmt::format("groups must be a multiple of the {} nodes, got {}", p.nodes, p.groups));
    if (policy == Policy::global) by_node = false;
    Eplb eplb(input.loads.experts, p.slots, by_node ? p.groups : 1, by_node ? p.nodes : 1, p.gpus);
    std::vector<exchange::ExpertMap> out;
    out.reserve(input.loads.rows());
    for (std::size_t row = 0; row < input.loads.rows(); ++row) {
      out.push_back(empty_map(input.loads.experts, p));
      eplb.place(input.loads.row(row), out.back().slot_to_expert);
    }
    return out;
  }
};
}  // namespace

Strategy<Placement> eplb() {
  return strategy<EplbPlacement<Policy::automatic>, Placement>(
      "eplb", "the published algorithm: hierarchical if the nodes divide the groups, else global");
}
Strategy<Placement> eplb_hierarchical() {
  return strategy<EplbPlacement<Policy::hierarchical>, Placement>(
      "eplb_hierarchical", "the published algorithm, expert groups kept on a node");
}
Strategy<Placement> eplb_global() {
  return strategy<EplbPlacement<Policy::global>, Placement>("eplb_global",
                                                            "the published algorithm, copies of any expert anywhere");
}
}  // namespace moesim::placement
