// What every replica choice of the family keeps.
#include <gtest/gtest.h>

#include <numeric>

#include "core/random.h"
#include "exchange/exchanger.h"
#include "exchange/port_load.h"

namespace moesim::exchange {
namespace {
/// 8 GPUs of 3 slots, 16 experts; experts 0 to 7 have two copies, each on another GPU.
ExpertMap copied_map() {
  ExpertMap map{16, 8, 3, {}};
  for (int g = 0; g < 8; ++g) map.slot_to_expert.insert(map.slot_to_expert.end(), {2 * g, 2 * g + 1, (g + 3) % 8});
  return map;
}

routing::Traffic random_traffic(std::uint64_t seed) {
  Random random(seed, "replica law");
  routing::Traffic t;
  t.gate = {16, 4, 1, 1};
  t.sources = 8;
  t.tokens.assign(8, 1000);
  for (int i = 0; i < 8 * 16; ++i) t.rows.push_back(std::int32_t(random.below(3) == 0 ? 0 : random.below(500)));
  return t;
}

class ReplicaLaw : public testing::TestWithParam<std::string> {
 protected:
  std::vector<std::int32_t> split(const routing::Traffic& traffic) const {
    const ExpertMap map = copied_map();
    const auto choice =
        replica_choices().make(Config::from_text(GetParam(), "replicas.yaml"), map, spec::GroupShape{8, 4});
    std::vector<std::int32_t> out(std::size_t(8 * map.slots()));
    choice->split(traffic, out);
    return out;
  }
};

TEST_P(ReplicaLaw, EveryRowIsComputedOnceBySomeCopyOfItsExpert) {
  const ExpertMap map = copied_map();
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const routing::Traffic traffic = random_traffic(seed);
    const std::vector<std::int32_t> by_slot = split(traffic);
    std::vector<std::int32_t> rows(8 * 16);
    for (int s = 0; s < 8; ++s)
      for (int slot = 0; slot < map.slots(); ++slot) {
        EXPECT_GE(by_slot[std::size_t(s * map.slots() + slot)], 0);
        rows[std::size_t(s * 16 + map.slot_to_expert[std::size_t(slot)])] +=
            by_slot[std::size_t(s * map.slots() + slot)];
      }
    ASSERT_EQ(rows, traffic.rows) << "seed " << seed;
    ASSERT_EQ(split(traffic), by_slot) << "the same again";
  }
}
std::vector<std::string> kinds() {
  std::vector<std::string> out;
  for (const auto& choice : replica_choices().table()) out.emplace_back(choice.kind);
  return out;
}
INSTANTIATE_TEST_SUITE_P(All, ReplicaLaw, testing::ValuesIn(kinds()));

std::int64_t fullest(const std::string& kind, const routing::Traffic& traffic) {
  const ExpertMap map = copied_map();
  std::vector<std::int32_t> by_slot(std::size_t(8 * map.slots()));
  replica_choices()
      .make(Config::from_text(kind, "replicas.yaml"), map, spec::GroupShape{8, 4})
      ->split(traffic, by_slot);
  std::vector<std::int64_t> gpu(8);
  for (std::size_t i = 0; i < by_slot.size(); ++i)
    gpu[std::size_t(map.gpu_of(int(i % std::size_t(map.slots()))))] += by_slot[i];
  return *std::max_element(gpu.begin(), gpu.end());
}
TEST(Replicas, LeastLoadedFillsNoGpuMoreThanTheOthersDoOnAverage) {
  std::int64_t least = 0, turns = 0, near = 0, balanced = 0;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const routing::Traffic traffic = random_traffic(seed);
    least += fullest("least_loaded", traffic);
    turns += fullest("round_robin", traffic);
    near += fullest("nearest", traffic);
    balanced += fullest("balanced", traffic);
  }
  EXPECT_LT(least, turns);
  EXPECT_LT(least, near);
  EXPECT_LT(balanced, turns);
  EXPECT_LT(balanced, near);
}

TEST(Replicas, ChoicesThatSpreadOverNodesSendMoreOverAdapters) {
  const ExpertMap map = copied_map();
  const spec::GroupShape group{8, 4};
  const auto crossing = [&](const std::string& kind, const routing::Traffic& traffic) {
    Exchanger exchange(map, group, replica_choices().make(Config::from_text(kind, "replicas.yaml"), map, group));
    ExchangeLoad load;
    exchange(traffic, load);
    PortLoad ports(group.gpus);
    ports.add(load, group);
    return std::accumulate(ports.nic_out.begin(), ports.nic_out.end(), 0.0);
  };
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const routing::Traffic traffic = random_traffic(seed);
    EXPECT_LT(crossing("nearest", traffic), crossing("round_robin", traffic)) << "seed " << seed;
  }
}
}  // namespace
}  // namespace moesim::exchange
