// The GPUs of one expert-parallel group: how many, and how they lie on nodes.
#pragma once
#include <algorithm>

#include "core/ceil_div.h"

namespace moesim::spec {

/// Numbered node by node: GPU g is on node g / gpus_per_node.  The last node may have fewer.
struct GroupShape {
  int gpus = 1;
  int gpus_per_node = 8;
  int nodes() const { return ceil_div(gpus, gpus_per_node); }
  int node_of(int gpu) const { return gpu / gpus_per_node; }
  int first_of(int node) const { return node * gpus_per_node; }
  /// GPUs on this node.
  int size_of(int node) const { return std::min(gpus_per_node, gpus - first_of(node)); }
};

/// Experts of each GPU where they lie in order: expert e on GPU e / contiguous_experts(experts, gpus).  The last GPUs
/// have fewer if it does not divide.
inline int contiguous_experts(int experts, int gpus) { return ceil_div(experts, gpus); }
}  // namespace moesim::spec
