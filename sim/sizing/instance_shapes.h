// Degrees that instances on a kind of node may have, as far as whole numbers say.
#pragma once
#include <string>
#include <vector>

#include "sizing/plan.h"

namespace moesim::sizing {

struct InstanceShape {
  int tensor = 1, data = 1, pipeline = 1;
  int expert = 1;          // GPUs that share the experts of a stage; 1: each has a slice of all, or a copy
  std::string obstacle{};  // "layout: ..."; "": none
};

/// What a plan asks for, or else what is usual.
std::vector<int> or_else(const std::vector<int>& asked, const std::vector<int>& usual);

/// All that a plan's degrees, or those left to the search, come to; in a fixed order.
std::vector<InstanceShape> instance_shapes(const Plan& plan, const PricedNode& node);
}  // namespace moesim::sizing
