#include "exchange/copy_shares.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"

namespace moesim::exchange {
namespace {
constexpr int kMostSweeps = 200;
constexpr double kStill = 1e-7;  // a change of share that is none

/// One expert in several places, and what it does to its GPUs.
class Leveller {
 public:
  Leveller(const ExpertMap& map, std::span<const std::vector<double>> windows, std::span<const double> speed)
      : map_(map), windows_(windows), speed_(speed), table_(copy_table(map)), share_(std::size_t(map.slots()), 0) {
    for (int e = 0; e < map.experts; ++e) {
      const std::vector<int> slots = places(e);
      for (const int s : slots) share_[std::size_t(s)] = 1 / double(slots.size());
    }
    for (const auto& window : windows) {
      totals_.push_back(std::max(std::accumulate(window.begin(), window.end(), 0.0), 1e-300));
      load_.emplace_back(std::size_t(map.gpus), 0);
      for (std::size_t s = 0; s < share_.size(); ++s)
        if (const int e = map.slot_to_expert[s]; e >= 0) load_.back()[gpu(s)] += rows(load_.size() - 1, e) * share_[s];
    }
  }

  std::vector<double> operator()() {
    std::vector<int> copied;
    for (int e = 0; e < map_.experts; ++e)
      if (places(e).size() > 1) copied.push_back(e);
    for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
      double most = 0;
      for (const int e : copied) most = std::max(most, level(e));
      if (most < kStill) break;
    }
    return std::move(share_);
  }

 private:
  std::size_t gpu(std::size_t slot) const { return slot / std::size_t(map_.slots_per_gpu); }
  double slow(std::size_t g) const { return speed_.empty() ? 1 : 1 / speed_[g]; }
  /// The expert's part of the window's rows: windows weigh the same, whatever their size.
  double rows(std::size_t window, int expert) const { return windows_[window][std::size_t(expert)] / totals_[window]; }
  /// The expert's slots, one a GPU.
  std::vector<int> places(int expert) const {
    std::vector<int> out;
    for (int i = table_.first[std::size_t(expert)]; i < table_.first[std::size_t(expert) + 1]; ++i)
      if (const int s = table_.slots[std::size_t(i)]; out.empty() || map_.gpu_of(out.back()) != map_.gpu_of(s))
        out.push_back(s);
    return out;
  }

  /// Shares of one expert for the least squares, the others as they are.  Returns the largest change of one.
  double level(int expert) {
    const std::vector<int> slots = places(expert);
    double squares = 0;  // of its rows, over the windows
    for (std::size_t w = 0; w < windows_.size(); ++w) squares += rows(w, expert) * rows(w, expert);
    if (squares == 0) return 0;
    // With share p on a GPU: sum over w of ((rest + rows p) slow)^2, whose slope is 2 slow^2 squares (base + p).
    struct Place {
      std::size_t slot;
      double base, stiffness;
    };
    std::vector<Place> order;
    for (const int s : slots) {
      const auto slot = std::size_t(s), g = gpu(slot);
      double sum = 0;
      for (std::size_t w = 0; w < windows_.size(); ++w)
        sum += rows(w, expert) * (load_[w][g] - rows(w, expert) * share_[slot]);
      order.push_back({slot, sum / squares, slow(g) * slow(g)});
    }
    std::ranges::stable_sort(order, {}, [](const Place& p) { return p.base * p.stiffness; });
    double level = 0, room = 1, ease = 0;  // of the places that get some: stiffness (base + p) = level
    for (std::size_t n = 0; n < order.size(); ++n) {
      if (n > 0 && order[n].base * order[n].stiffness >= level) break;
      room += order[n].base;
      ease += 1 / order[n].stiffness;
      level = room / ease;
    }
    double most = 0;
    for (const Place& p : order) {
      const double share = std::max(0.0, level / p.stiffness - p.base), change = share - share_[p.slot];
      for (std::size_t w = 0; w < windows_.size(); ++w) load_[w][gpu(p.slot)] += rows(w, expert) * change;
      share_[p.slot] = share;
      most = std::max(most, std::abs(change));
    }
    return most;
  }

  const ExpertMap& map_;
  std::span<const std::vector<double>> windows_;
  std::span<const double> speed_;
  CopyTable table_;
  std::vector<double> share_;  // (slots)
  std::vector<double> totals_;
  std::vector<std::vector<double>> load_;  // (windows, gpus)
};
}  // namespace

std::vector<double> level_shares(const ExpertMap& map, std::span<const std::vector<double>> windows,
                                 std::span<const double> speed) {
  for (const auto& window : windows)
    check(window.size() == std::size_t(map.experts), "{} experts have rows of {}", map.experts, window.size());
  check(speed.empty() || speed.size() == std::size_t(map.gpus), "{} GPUs have {} speeds", map.gpus, speed.size());
  return Leveller(map, windows, speed)();
}

void balanced_exchange_sums(std::span<const double> load, double tokens, const routing::GateShape& gate,
                            const ExpertMap& map, const spec::GroupShape& group, ExchangeSums& out) {
  const std::vector<double> rows(load.begin(), load.end());
  shared_exchange_sums(load, tokens, gate, map, level_shares(map, std::span(&rows, 1)), group, out);
}

void shared_exchange_sums(std::span<const double> load, double tokens, const routing::GateShape& gate,
                          const ExpertMap& map, std::span<const double> shares, const spec::GroupShape& group,
                          ExchangeSums& out) {
  check(load.size() == std::size_t(map.experts), "{} experts have {} loads", map.experts, load.size());
  check(map.gpus == group.gpus, "a placement on {} GPUs does not fit a group of {}", map.gpus, group.gpus);
  check(shares.size() == std::size_t(map.slots()), "{} slots have {} shares", map.slots(), shares.size());
  out.tokens = tokens;
  out.slot_rows.assign(std::size_t(map.slots()), 0);
  out.gpu_rows.assign(std::size_t(map.gpus), 0);
  for (std::size_t slot = 0; slot < shares.size(); ++slot) {
    const int e = map.slot_to_expert[slot];
    if (e < 0) continue;
    out.slot_rows[slot] = load[std::size_t(e)] * shares[slot];
    out.gpu_rows[slot / std::size_t(map.slots_per_gpu)] += out.slot_rows[slot];
  }
  estimate_fan_out(out.slot_rows, tokens, gate, 0, map, group, out.fan_out);
}
}  // namespace moesim::exchange
