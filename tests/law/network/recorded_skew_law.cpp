// The closed form beside the fluid network on expert loads recorded in production, where the recordings are at hand.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/exchange_loads.h"
#include "common/test_cluster.h"
#include "network/exchanges/exchange.h"
#include "support/places.h"

namespace moesim::network {
namespace {
TEST(RecordedSkew, TheClosedFormStaysWithinTwoPercentOfFluid) {
  const std::string file = test::source_dir() + "/../shared/data/expert_load/deepseek_v3_prefill_in1024.json";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no recorded loads; log-normal ones are tested elsewhere";
  std::ifstream in(file);
  const auto counts = nlohmann::json::parse(in).at("logical_count").get<std::vector<std::vector<double>>>();
  double above = 0, below = 0, slowdown = 0;
  for (const std::size_t layer : {3u, 20u, 40u, 60u}) {
    const exchange::ExchangeLoad load = test::drawn_load({32, 8}, 256, 8, counts.at(layer), layer);
    for (const ExchangeKernel kernel : {ExchangeKernel::deepep_normal, ExchangeKernel::deepep_low_latency})
      for (const ExchangeDirection direction : {ExchangeDirection::dispatch, ExchangeDirection::combine}) {
        const ExchangeSpec spec{kernel, direction, fp8_row(7168), 24, true};
        const Time fluid = test::last_arrival("fluid", spec, load),
                   closed = test::last_arrival("bottleneck", spec, load);
        const double error = seconds(closed) / seconds(fluid) - 1;
        above = std::max(above, error);
        below = std::max(below, -error);
        const std::vector<double> even(256, 1);
        const exchange::ExchangeLoad balanced = test::drawn_load({32, 8}, 256, 8, even, layer);
        slowdown = std::max(slowdown, seconds(fluid) / seconds(test::last_arrival("fluid", spec, balanced)));
      }
  }
  RecordProperty("above", std::to_string(above));
  RecordProperty("below", std::to_string(below));
  RecordProperty("slower_than_balanced", std::to_string(slowdown));
  EXPECT_LE(above, 0.02);
  EXPECT_LE(below, 0.02);
  EXPECT_GT(slowdown, 1.2) << "skew that costs nothing would make this test empty";
}
}  // namespace
}  // namespace moesim::network
