// The number formats that a scenario asks for, and those that are chosen.
#pragma once
#include <optional>
#include <string>

#include "compute/layers/inventory.h"
#include "core/config.h"
#include "spec/model.h"

namespace moesim::forward {

/// The `precision` of a scenario; what is not given follows the model's release.
struct AskedPrecision {
  std::optional<spec::Dtype> linear{}, projections{}, attention{}, kv_cache{}, experts{}, expert_weights{}, dispatch{};
  static void fields(auto& f, auto& p) {
    f("linear", p.linear, "linear layers: bf16, fp8 (1x128 and 128x128 scales) or fp4; none: as released");
    f("projections", p.projections, "attention projections; none: as linear, or as released if that is not given");
    f("attention", p.attention, "attention core; none: bf16");
    f("kv_cache", p.kv_cache, "stored keys and values; none: bf16");
    f("experts", p.experts, "products of the routed experts; none: as linear, or as released if that is not given");
    f("expert_weights", p.expert_weights, "routed experts as stored, where narrower than computed; none: as released");
    f("dispatch", p.dispatch,
      "rows on their way to experts: bf16 or fp8; none: fp8 where experts compute in it, but bf16 by all_to_all and "
      "all_gather");
  }
};

/// The formats of a step, and why these: "as released", "released in fp8, which a100 lacks".
struct ChosenPrecision {
  compute::Precisions formats;
  std::string reason;
};
}  // namespace moesim::forward
