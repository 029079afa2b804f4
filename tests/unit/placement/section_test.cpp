#include "placement/section.h"

#include <gtest/gtest.h>

#include "spec/catalogue.h"
#include "support/refusal.h"

namespace moesim::placement {
namespace {
ModelPlacement placed(const std::string& section) {
  const spec::Model model = spec::load_model("mixtral-8x7b");
  const spec::GroupShape group{2, 2};
  const Config routing = Config::from_text("balanced", "routing");
  const routing::TrafficContext context{{8, 2, 1, 1}, group, 1, routing::TracePhase::decode};
  const auto source = routing::make_traffic(routing, context);
  return read_placement(Config::from_text("placement: " + section, "s.yaml"), model, group,
                        {source.get(), routing, context});
}
int held(const exchange::ExpertMap& map, int gpu) {
  int out = 0;
  for (int s = gpu * map.slots_per_gpu; s < (gpu + 1) * map.slots_per_gpu; ++s)
    out += map.slot_to_expert[std::size_t(s)] >= 0;
  return out;
}

TEST(PlacementSection, WeighsGpusThatAreNotAlike) {
  const ModelPlacement slots = placed("{strategy: greedy, gpu_slots: [6, 2]}");
  for (const exchange::ExpertMap& map : slots.maps) {
    EXPECT_EQ(held(map, 0), 6);
    EXPECT_EQ(held(map, 1), 2);
  }
  // Three times as fast: even loads end at the same time if it computes three quarters of the rows.
  const ModelPlacement speed = placed("{strategy: greedy, gpu_slots: [8, 8], gpu_speed: [3, 1]}");
  for (const exchange::ExpertMap& map : speed.maps) EXPECT_GE(held(map, 0), 6);
  EXPECT_EQ(test::refusal_of([] { (void)placed("{strategy: greedy, gpu_speed: [1, 2, 3]}"); }),
            "s.yaml:1:42: placement.gpu_speed: must list the 2 GPUs, got 3");
  EXPECT_EQ(
      test::refusal_of([] { (void)placed("{strategy: eplb, gpu_slots: [6, 2]}"); }),
      "s.yaml:1:23: placement.strategy: gives every GPU the same slots and load; greedy, robust and local_search know "
      "uneven GPUs");
}
}  // namespace
}  // namespace moesim::placement
