// What fixed shares of copies keep, whatever comes: rows, their shares, and where they stand between even and solved.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/random.h"
#include "exchange/batch_balance.h"
#include "exchange/copy_shares.h"

namespace moesim::exchange {
namespace {
/// 16 experts on four GPUs of six slots; experts 0 to 7 have two copies, at random places.
ExpertMap copied_map(Random& random) {
  ExpertMap map{16, 4, 6, {}};
  for (int slot = 0; slot < 24; ++slot) map.slot_to_expert.push_back(slot % 16);
  random.shuffle<int>(map.slot_to_expert);
  return map;
}
std::vector<double> random_load(Random& random) {
  std::vector<double> out;
  for (int e = 0; e < 16; ++e) out.push_back(std::floor(1e5 * random.log_normal(0, 0.7)));
  return out;
}
/// Random shares that sum to 1 over the copies of every expert.
std::vector<double> random_shares(const ExpertMap& map, Random& random) {
  std::vector<double> out(std::size_t(map.slots()), 0);
  for (int e = 0; e < map.experts; ++e) {
    double sum = 0;
    for (const int s : map.copies_of(e)) sum += out[std::size_t(s)] = double(random.below(10));
    for (const int s : map.copies_of(e))
      out[std::size_t(s)] = sum > 0 ? out[std::size_t(s)] / sum : s == map.copies_of(e).front() ? 1 : 0;
  }
  return out;
}
routing::Traffic random_traffic(Random& random, std::uint32_t most) {
  routing::Traffic t;
  t.gate = {16, 4, 1, 1};
  t.sources = 8;
  t.tokens.assign(8, 1000);
  for (int i = 0; i < 8 * 16; ++i) t.rows.push_back(std::int32_t(random.below(3) == 0 ? 0 : random.below(most)));
  return t;
}
double fullest(const ExpertMap& map, std::span<const double> shares, std::span<const double> load) {
  ExchangeSums out;
  shared_exchange_sums(load, 1e5, {16, 8, 1, 1}, map, shares, {4, 2}, out);
  return std::ranges::max(out.gpu_rows);
}

TEST(FixedShares, EveryRowIsComputedOnceAndCopiesHaveTheirSharesButForARow) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed, "fixed shares");
    const ExpertMap map = copied_map(random);
    const std::vector<double> shares = random_shares(map, random);
    const routing::Traffic traffic = random_traffic(random, seed % 2 == 0 ? 500 : 3);  // prompts; decoding
    std::vector<std::int32_t> by_slot(std::size_t(8 * map.slots()), 0);
    const auto choice = fixed_share_choice(map, shares);
    choice->split(traffic, by_slot);
    std::vector<std::int32_t> rows(8 * 16, 0);
    std::vector<double> slot(std::size_t(map.slots()), 0), expert(16, 0);
    for (std::size_t i = 0; i < by_slot.size(); ++i) {
      const std::size_t source = i / std::size_t(map.slots()), s = i % std::size_t(map.slots());
      EXPECT_GE(by_slot[i], 0);
      rows[source * 16 + std::size_t(map.slot_to_expert[s])] += by_slot[i];
      slot[s] += by_slot[i];
      expert[std::size_t(map.slot_to_expert[s])] += by_slot[i];
    }
    ASSERT_EQ(rows, traffic.rows);
    for (std::size_t s = 0; s < slot.size(); ++s)
      EXPECT_NEAR(slot[s], shares[s] * expert[std::size_t(map.slot_to_expert[s])], 1 + 1e-9) << "slot " << s;
    std::vector<std::int32_t> again(by_slot.size(), 0);
    choice->split(traffic, again);
    EXPECT_EQ(again, by_slot) << "the same again";
  }
}

TEST(FixedShares, AreEvenWhereTheOthersLoadEveryCopysGpuAlike) {
  // Four GPUs, each with an expert of its own and a copy of A and B: whatever A and B have, a quarter each.
  const ExpertMap map{6, 4, 3, {0, 1, 2, 0, 1, 3, 0, 1, 4, 0, 1, 5}};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed, "fixed shares even");
    const double own = random.uniform();
    const std::vector<std::vector<double>> load{{random.uniform(), 3 * random.uniform(), own, own, own, own}};
    const std::vector<double> shares = level_shares(map, load);
    for (const std::size_t s : {0u, 1u, 3u, 4u, 6u, 7u, 9u, 10u}) EXPECT_NEAR(shares[s], 0.25, 1e-9) << "seed " << seed;
  }
}

TEST(FixedShares, EvenOnesAreTheEvenExchange) {
  Random random(7, "fixed shares");
  const ExpertMap map = copied_map(random);
  const std::vector<double> load = random_load(random);
  std::vector<double> shares;
  for (int s = 0; s < map.slots(); ++s)
    shares.push_back(1 / double(map.copies_of(map.slot_to_expert[std::size_t(s)]).size()));
  ExchangeSums fixed, even;
  shared_exchange_sums(load, 1e5, {16, 8, 1, 1}, map, shares, {4, 2}, fixed);
  exchange_sums(load, 1e5, {16, 8, 1, 1}, map, copy_table(map), {4, 2}, even);
  for (std::size_t g = 0; g < 4; ++g) {
    EXPECT_NEAR(fixed.gpu_rows[g], even.gpu_rows[g], 1e-6);
    EXPECT_NEAR(fixed.fan_out.gpu_reach[g], even.fan_out.gpu_reach[g], 1e-9);
  }
}

TEST(FixedShares, StandBetweenEvenAndSolvedOnWhatTheyWerePlannedOn) {
  int better = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed, "fixed shares planned");
    const ExpertMap map = copied_map(random);
    const std::vector<double> load = random_load(random);
    const double planned = fullest(map, level_shares(map, std::span(&load, 1)), load);
    ExchangeSums even;
    exchange_sums(load, 1e5, {16, 8, 1, 1}, map, copy_table(map), {4, 2}, even);
    const std::vector<std::int32_t> solved =
        balanced_slot_rows(map, std::vector<std::int64_t>(load.begin(), load.end()));
    std::vector<double> gpu(4, 0);
    for (std::size_t s = 0; s < solved.size(); ++s) gpu[s / 6] += solved[s];
    EXPECT_LE(planned, std::ranges::max(even.gpu_rows) * (1 + 1e-9));
    EXPECT_GE(planned, std::ranges::max(gpu) - 6) << "whole rows";
    better += planned < std::ranges::max(even.gpu_rows) * 0.99;
  }
  EXPECT_GT(better, 30) << "planning is worth something";
}
}  // namespace
}  // namespace moesim::exchange
