// Every pool that could be built of the plan's nodes, and what its closed form says.
#pragma once
#include <string>
#include <vector>

#include "sizing/steady.h"

namespace moesim::sizing {

struct Proposal {
  const PricedNode* node = nullptr;
  std::string engine;
  PoolDesign design;
  Steady steady;
  std::string dropped{};  // why it is part of no deployment, though it could be used; "": it is
  /// USD of a request at the operating point.
  double request_cost() const { return design.gpus() * node->gpu_hour / 3600 / steady.rate; }
  bool usable() const { return steady.refused.empty(); }
};

/// All of them, in a fixed order, priced on `jobs` threads; those that cannot be used say why.
std::vector<Proposal> propose(const Plan& plan, int jobs);

/// Whether DeepEP's kernels run on these nodes: they need Hopper or newer, and NVLink.
bool has_deepep(const spec::Node& node);
/// The kernels by which an engine exchanges prompts, or next tokens, on these nodes: its own where it has some,
/// DeepEP's elsewhere, and where those do not run what it falls back to.
network::ExchangeKernel exchange_of(const std::string& engine, serving::Role role, const spec::Node& node);
}  // namespace moesim::sizing
