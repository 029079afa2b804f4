#include "study/place_section.h"

#include <fmt/format.h>

namespace moesim {

std::vector<ExpertMap> read_placement(const Config& scenario, const Model& model, const GroupShape& group) {
  const Config config = scenario.at_or_empty("placement");
  config.resolve("kind", "contiguous");
  std::vector<ExpertMap> out;
  for ([[maybe_unused]] int layer : model.moe_layers()) out.push_back(contiguous_map(model.moe->experts, group.gpus));
  return out;
}
}  // namespace moesim
