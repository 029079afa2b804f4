#include "exchange/batch_balance.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"
#include "exchange/linear_program.h"
#include "exchange/replica_kinds.h"

namespace moesim::exchange {
namespace {
/// Shares `rows` in the ratio of `ideal`, largest remainders rounded up, the first of equals.
std::vector<std::int32_t> whole_rows(std::span<const double> ideal, std::int64_t rows) {
  std::vector<std::int32_t> out;
  std::int64_t left = rows;
  for (const double x : ideal) {
    out.push_back(std::int32_t(std::floor(x + 1e-6)));
    left -= out.back();
  }
  std::vector<std::size_t> order(ideal.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](auto a, auto b) { return ideal[a] - out[a] > ideal[b] - out[b]; });
  for (std::size_t i = 0; left > 0; ++i, --left) ++out[order[i % order.size()]];
  return out;
}
}  // namespace

std::vector<std::int32_t> balanced_slot_rows(const ExpertMap& map, std::span<const std::int64_t> rows,
                                             std::span<const double> speed) {
  check(rows.size() == std::size_t(map.experts), "{} experts got rows of {}", map.experts, rows.size());
  check(speed.empty() || speed.size() == std::size_t(map.gpus), "{} GPUs have {} speeds", map.gpus, speed.size());
  const auto slow = [&](int gpu) { return speed.empty() ? 1 : 1 / speed[std::size_t(gpu)]; };
  const CopyTable table = copy_table(map);
  std::vector<std::int32_t> out(std::size_t(map.slots()), 0);
  std::vector<double> fixed(std::size_t(map.gpus), 0);  // rows that have no choice
  LinearProgram lp;
  const int most = lp.add_column(1);
  std::vector<int> gpu_row;
  for (int g = 0; g < map.gpus; ++g) gpu_row.push_back(lp.add_row(-LinearProgram::kNone, 0));
  std::vector<int> column(out.size(), -1);
  for (std::size_t e = 0; e < rows.size(); ++e) {
    const auto slots =
        std::span(table.slots).subspan(std::size_t(table.first[e]), std::size_t(table.first[e + 1] - table.first[e]));
    if (slots.size() == 1) {
      out[std::size_t(slots[0])] = std::int32_t(rows[e]);
      fixed[std::size_t(map.gpu_of(slots[0]))] += double(rows[e]);
      continue;
    }
    const int all = lp.add_row(double(rows[e]), double(rows[e]));
    for (std::size_t i = 0; i < slots.size(); ++i) {
      // A second copy on the same GPU is no choice: it stays empty.
      const auto same = std::find_if(slots.begin(), slots.begin() + std::ptrdiff_t(i),
                                     [&](int s) { return map.gpu_of(s) == map.gpu_of(slots[i]); });
      if (same != slots.begin() + std::ptrdiff_t(i)) continue;
      const int c = column[std::size_t(slots[i])] = lp.add_column(0);
      lp.terms.push_back({all, c, 1});
      const int gpu = map.gpu_of(slots[i]);
      lp.terms.push_back({gpu_row[std::size_t(gpu)], c, slow(gpu)});
    }
  }
  for (std::size_t g = 0; g < fixed.size(); ++g) {
    lp.upper[std::size_t(gpu_row[g])] = -fixed[g] * slow(int(g));
    lp.terms.push_back({gpu_row[g], most, -1});
  }
  const std::vector<double> x = solve(lp, "a batch's balance");
  for (std::size_t e = 0; e < rows.size(); ++e) {
    std::vector<double> ideal;
    std::vector<std::size_t> at;
    for (int i = table.first[e]; i < table.first[e + 1]; ++i)
      if (const auto s = std::size_t(table.slots[std::size_t(i)]); column[s] >= 0) {
        ideal.push_back(x[std::size_t(column[s])]);
        at.push_back(s);
      }
    const std::vector<std::int32_t> whole = whole_rows(ideal, rows[e] * !ideal.empty());
    for (std::size_t i = 0; i < at.size(); ++i) out[at[i]] = whole[i];
  }
  return out;
}

namespace {
/// After the totals of the slots, sources fill their own GPU's and node's copies first.
class Balanced final : public ReplicaChoice {
 public:
  using Params = BalancedParams;
  Balanced(Params, const ExpertMap& map, const spec::GroupShape& group)
      : map_(map), group_(group), table_(copy_table(map_)) {}

  void split(const routing::Traffic& traffic, std::span<std::int32_t> by_slot) const override {
    const auto experts = std::size_t(map_.experts), slots = std::size_t(map_.slots());
    std::vector<std::int64_t> rows(experts, 0);
    for (std::size_t source = 0; source < std::size_t(traffic.sources); ++source)
      for (std::size_t e = 0; e < experts; ++e) rows[e] += traffic.rows[source * experts + e];
    std::vector<std::int32_t> left = balanced_slot_rows(map_, rows);
    std::vector<std::int32_t> wanted(traffic.rows.begin(), traffic.rows.end());
    for (const int distance : {0, 1, 2})  // own GPU, own node, anywhere
      for (std::size_t source = 0; source < std::size_t(traffic.sources); ++source)
        for (std::size_t e = 0; e < experts; ++e) {
          std::int32_t& need = wanted[source * experts + e];
          for (int i = table_.first[e]; need > 0 && i < table_.first[e + 1]; ++i) {
            const int slot = table_.slots[std::size_t(i)], gpu = map_.gpu_of(slot);
            if (distance == 0 && gpu != int(source)) continue;
            if (distance == 1 && group_.node_of(gpu) != group_.node_of(int(source))) continue;
            const std::int32_t n = std::min(need, left[std::size_t(slot)]);
            by_slot[source * slots + std::size_t(slot)] += n;
            left[std::size_t(slot)] -= n;
            need -= n;
          }
        }
  }

 private:
  ExpertMap map_;
  spec::GroupShape group_;
  CopyTable table_;
};
}  // namespace

ReplicaStrategy choose_balanced() {
  return replica_choice<Balanced>(
      "balanced", "least rows on the fullest GPU, by a linear programme a layer and step, solved before its dispatch");
}
}  // namespace moesim::exchange
