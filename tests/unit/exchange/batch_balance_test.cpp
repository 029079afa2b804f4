#include "exchange/batch_balance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/random.h"
#include "exchange/replica_choice.h"
#include "unit/exchange/copied_map.h"

namespace moesim::exchange {
namespace {

std::int64_t slowest(const ExpertMap& map, std::span<const std::int32_t> slot_rows) {
  std::vector<std::int64_t> gpu(std::size_t(map.gpus), 0);
  for (std::size_t s = 0; s < slot_rows.size(); ++s) gpu[s / std::size_t(map.slots_per_gpu)] += slot_rows[s];
  return std::ranges::max(gpu);
}

TEST(BatchBalance, EvensOutWhatEvenSharingCannot) {
  // GPU 0 holds A and B, GPU 1 holds A and C.  A 10, B 6, C 2: even sharing gives 11 and 7; the optimum is 9 and 9.
  const ExpertMap map{3, 2, 2, {0, 1, 0, 2}};
  const std::vector<std::int32_t> rows = balanced_slot_rows(map, std::vector<std::int64_t>{10, 6, 2});
  EXPECT_EQ(rows, (std::vector<std::int32_t>{3, 6, 7, 2}));
}

TEST(BatchBalance, KeepsASecondCopyOnTheSameGpuIdle) {
  const ExpertMap map{2, 2, 2, {0, 0, 1, 0}};
  const std::vector<std::int32_t> rows = balanced_slot_rows(map, std::vector<std::int64_t>{10, 4});
  EXPECT_EQ(rows, (std::vector<std::int32_t>{7, 0, 4, 3}));
}

/// The least slowest GPU by another method: binary search on it, and a maximal flow from experts to GPUs.
std::int64_t least_by_flow(const ExpertMap& map, std::span<const std::int64_t> rows) {
  const int experts = map.experts, gpus = map.gpus, nodes = experts + gpus + 2, source = nodes - 2, sink = nodes - 1;
  const auto fits = [&](std::int64_t cap) {
    std::vector<std::vector<std::int64_t>> left(std::size_t(nodes), std::vector<std::int64_t>(std::size_t(nodes), 0));
    std::int64_t total = 0;
    for (int e = 0; e < experts; ++e) total += left[std::size_t(source)][std::size_t(e)] = rows[std::size_t(e)];
    for (int s = 0; s < map.slots(); ++s)
      if (map.slot_to_expert[std::size_t(s)] >= 0)
        left[std::size_t(map.slot_to_expert[std::size_t(s)])][std::size_t(experts + map.gpu_of(s))] = INT64_MAX / 4;
    for (int g = 0; g < gpus; ++g) left[std::size_t(experts + g)][std::size_t(sink)] = cap;
    for (;;) {  // Edmonds and Karp
      std::vector<int> from(std::size_t(nodes), -1), queue{source};
      from[std::size_t(source)] = source;
      for (std::size_t i = 0; i < queue.size(); ++i)
        for (int v = 0; v < nodes; ++v)
          if (from[std::size_t(v)] < 0 && left[std::size_t(queue[i])][std::size_t(v)] > 0) {
            from[std::size_t(v)] = queue[i];
            queue.push_back(v);
          }
      if (from[std::size_t(sink)] < 0) break;
      std::int64_t step = INT64_MAX;
      for (int v = sink; v != source; v = from[std::size_t(v)])
        step = std::min(step, left[std::size_t(from[std::size_t(v)])][std::size_t(v)]);
      for (int v = sink; v != source; v = from[std::size_t(v)]) {
        left[std::size_t(from[std::size_t(v)])][std::size_t(v)] -= step;
        left[std::size_t(v)][std::size_t(from[std::size_t(v)])] += step;
      }
      total -= step;
    }
    return total == 0;
  };
  std::int64_t low = 0, high = std::accumulate(rows.begin(), rows.end(), std::int64_t(0));
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    fits(middle) ? high = middle : low = middle + 1;
  }
  return low;
}

TEST(BatchBalance, EqualsTheMaximalFlowWithinTheRounding) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed, "batch");
    const ExpertMap map = copied_map(random);
    std::vector<std::int64_t> rows;
    for (int e = 0; e < 16; ++e) rows.push_back(std::int64_t(1000 * random.log_normal(0, 0.7)));
    const std::vector<std::int32_t> got = balanced_slot_rows(map, rows);
    for (int e = 0; e < 16; ++e) {
      std::int64_t sum = 0;
      for (const int s : map.copies_of(e)) sum += got[std::size_t(s)];
      EXPECT_EQ(sum, rows[std::size_t(e)]) << "expert " << e;
    }
    const std::int64_t least = least_by_flow(map, rows);
    EXPECT_GE(slowest(map, got), least);
    EXPECT_LE(slowest(map, got), least + map.slots_per_gpu);
  }
}

TEST(BatchBalance, SplitsEverySourcesRows) {
  Random random(1, "rows");
  const ExpertMap map = copied_map(random);
  routing::Traffic traffic;
  traffic.gate = {16, 2, 1, 1};
  traffic.sources = 4;
  std::vector<std::int64_t> rows(16, 0);
  for (std::size_t i = 0; i < 64; ++i) {
    traffic.rows.push_back(std::int32_t(random.below(50)));
    rows[i % 16] += traffic.rows.back();
  }
  std::vector<std::int32_t> by_slot(4 * 24, 0), total(24, 0);
  replica_choices().make(Config::from_text("balanced", "test"), map, {4, 2})->split(traffic, by_slot);
  for (std::size_t source = 0; source < 4; ++source)
    for (int e = 0; e < 16; ++e) {
      std::int32_t sum = 0;
      for (const int s : map.copies_of(e)) sum += by_slot[source * 24 + std::size_t(s)];
      EXPECT_EQ(sum, traffic.rows[source * 16 + std::size_t(e)]);
    }
  for (std::size_t i = 0; i < by_slot.size(); ++i) total[i % 24] += by_slot[i];
  EXPECT_EQ(total, balanced_slot_rows(map, rows));
}
}  // namespace
}  // namespace moesim::exchange
