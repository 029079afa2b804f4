// LongCat-Flash as a model to run: each of its layers is two, attention and a dense network each, and its experts take
// the first one's input to the dense network and give to the second one's end.
#include <algorithm>

#include "spec/release/as_model.h"

namespace moesim::spec {
bool joins_later(const Release& release) {
  return !release.layers.empty() && std::ranges::all_of(release.layers, [](const ReleaseLayer& layer) {
    return layer.feed == FeedKind::both && layer.mixers == std::vector{MixerKind::latent, MixerKind::latent};
  });
}

Plan layers_apart(Plan plan) {
  std::vector<LayerPlan> out;
  for (const LayerPlan& layer : plan.layers)
    for (std::size_t half = 0; half < layer.mixers.size(); ++half) {
      LayerPlan& one = out.emplace_back(layer);
      one.mixers = {layer.mixers[half]};
      one.dense = {layer.dense.at(half)};
      one.norms = layer.norms / int(layer.mixers.size());
      if (half > 0) one.experts.reset();
    }
  plan.layers = std::move(out);
  return plan;
}
}  // namespace moesim::spec
