#include "exchange/copy_shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/random.h"
#include "exchange/batch_balance.h"
#include "unit/exchange/copied_map.h"

namespace moesim::exchange {
namespace {

std::vector<double> gpu_rows(const ExpertMap& map, std::span<const double> shares, std::span<const double> load) {
  std::vector<double> out(std::size_t(map.gpus), 0);
  for (std::size_t s = 0; s < shares.size(); ++s)
    if (const int e = map.slot_to_expert[s]; e >= 0)
      out[s / std::size_t(map.slots_per_gpu)] += load[std::size_t(e)] * shares[s];
  return out;
}

std::vector<double> random_load(Random& random) {
  std::vector<double> out;
  for (int e = 0; e < 16; ++e) out.push_back(std::floor(1e5 * random.log_normal(0, 0.7)));
  return out;
}

TEST(CopyShares, LevelWhatEvenSharingCannot) {
  // GPU 0 holds A and B, GPU 1 holds A and C.  A 10, B 6, C 2: 9 and 9 if GPU 0 takes 3 of A.
  const ExpertMap map{3, 2, 2, {0, 1, 0, 2}};
  const std::vector<std::vector<double>> one{{10, 6, 2}};
  const std::vector<double> shares = level_shares(map, one);
  EXPECT_NEAR(shares[0], 0.3, 1e-9);
  EXPECT_NEAR(shares[2], 0.7, 1e-9);
  EXPECT_EQ(shares[1], 1);
  // GPU 1 twice as fast: both are done at 6 when it takes all of A but what GPU 0 is short of, which is nothing.
  const std::vector<double> speed{1, 2};
  const std::vector<double> fast = level_shares(map, one, speed);
  EXPECT_NEAR(fast[0], 0, 1e-9);
}

TEST(CopyShares, ServeSeveralWindowsWithOneSet) {
  // A in both GPUs; B, alone on GPU 0, has 4 rows in the first window and none in the second, C on GPU 1 the reverse.
  const ExpertMap map{3, 2, 2, {0, 1, 0, 2}};
  const std::vector<std::vector<double>> both{{8, 4, 0}, {8, 0, 4}}, first{{8, 4, 0}};
  EXPECT_NEAR(level_shares(map, both)[0], 0.5, 1e-9);
  EXPECT_NEAR(level_shares(map, first)[0], 0.25, 1e-9);
}

TEST(CopyShares, KeepASecondCopyOnOneGpuIdleAndShareEvenlyWithoutRows) {
  const ExpertMap map{2, 2, 3, {0, 0, 1, 0, 1, -1}};
  const std::vector<std::vector<double>> one{{10, 0}};
  const std::vector<double> shares = level_shares(map, one);
  EXPECT_NEAR(shares[0], 0.5, 1e-9);
  EXPECT_EQ(shares[1], 0);
  EXPECT_EQ(shares[2], 0.5);
  EXPECT_EQ(shares[4], 0.5);
  EXPECT_EQ(shares[5], 0);
}

TEST(CopyShares, ReachTheLinearProgrammesOptimum) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed, "copy shares");
    const ExpertMap map = copied_map(random);
    const std::vector<std::vector<double>> load{random_load(random)};
    const std::vector<double> shares = level_shares(map, load);
    for (int e = 0; e < 16; ++e) {
      double sum = 0;
      for (const int s : map.copies_of(e)) sum += shares[std::size_t(s)];
      EXPECT_NEAR(sum, 1, 1e-9) << "expert " << e;
    }
    const std::vector<std::int64_t> rows(load[0].begin(), load[0].end());
    const std::vector<std::int32_t> solved = balanced_slot_rows(map, rows);
    std::vector<double> least(4, 0);
    for (std::size_t s = 0; s < solved.size(); ++s) least[s / 6] += solved[s];
    const double got = std::ranges::max(gpu_rows(map, shares, load[0])), best = std::ranges::max(least);
    EXPECT_GE(got, best - 6);  // whole rows
    EXPECT_LE(got, best * 1.001);
  }
}

TEST(CopyShares, AndTheProgrammeWaitForTheSlowestGpuWhereSpeedsDiffer) {
  const std::vector<double> speed{1, 1, 1, 0.4};
  const auto slowest = [&](std::vector<double> rows) {
    for (std::size_t g = 0; g < rows.size(); ++g) rows[g] /= speed[g];
    return std::ranges::max(rows);
  };
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed, "copy shares with speeds");
    const ExpertMap map = copied_map(random);
    const std::vector<std::vector<double>> load{random_load(random)};
    std::vector<double> even;
    for (const int e : map.slot_to_expert) even.push_back(1 / double(map.copies_of(e).size()));
    const std::vector<std::int32_t> solved =
        balanced_slot_rows(map, std::vector<std::int64_t>(load[0].begin(), load[0].end()), speed);
    std::vector<double> rows(4, 0);
    for (std::size_t s = 0; s < solved.size(); ++s) rows[s / 6] += solved[s];
    const double best = slowest(rows);
    EXPECT_LE(best, slowest(gpu_rows(map, even, load[0])) + 6 / 0.4);
    EXPECT_LE(best, slowest(gpu_rows(map, level_shares(map, load, speed), load[0])) + 6 / 0.4);
  }
}

TEST(CopyShares, GiveExchangesTheRowsOfTheirSlots) {
  Random random(5, "copy shares");
  const ExpertMap map = copied_map(random);
  const std::vector<double> load = random_load(random);
  ExchangeSums level, even;
  balanced_exchange_sums(load, 1e5, {16, 8, 1, 1}, map, {4, 2}, level);
  exchange_sums(load, 1e5, {16, 8, 1, 1}, map, copy_table(map), {4, 2}, even);
  const double total = std::accumulate(load.begin(), load.end(), 0.0);
  EXPECT_NEAR(std::accumulate(level.gpu_rows.begin(), level.gpu_rows.end(), 0.0), total, total * 1e-9);
  EXPECT_LT(std::ranges::max(level.gpu_rows), std::ranges::max(even.gpu_rows));
  EXPECT_EQ(level.tokens, even.tokens);
}
}  // namespace
}  // namespace moesim::exchange
