// What a pool of equal instances is built from.
#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "serving/fleet/autoscale.h"
#include "serving/fleet/growth.h"
#include "serving/instance/batcher.h"
#include "serving/instance/instance_shape.h"
#include "serving/step/step_model.h"

namespace moesim::serving {

/// Equal instances.
struct PoolShape {
  std::string name = "pool";
  Role role = Role::both;
  int instances = 1;
  int tensor = 1;             ///< GPUs that share a rank's KV cache, of each stage
  int context = 1;            ///< copies of it, each on as many GPUs
  int gpus = 1;               ///< of an instance
  int first_gpu = 0;          ///< of the pool's first instance; the others follow, unless they have
  std::vector<int> places{};  ///< of their own: the first GPU of each
  InstanceShape instance;     ///< its number is filled in
  const Batcher* batcher = nullptr;
  std::function<std::unique_ptr<StepModel>(int instance)> cost;
  Time start_up{};
  bool layerwise_transfer = true;  ///< the KV cache leaves layer by layer during prefill: only the last layer's is late
  Autoscale autoscale;
  int first_ranks = 0;         ///< of an instance, until its group grows
  std::vector<Growth> growth;  ///< to instance.ranks in the end; empty: it has them from the beginning
  int described = 0;           ///< instances that the simulated ones stand for; 0: themselves
  /// GPUs of a rank and stage.
  int width() const { return tensor * context; }
  int first_of(int i) const { return places.empty() ? first_gpu + i * gpus : places[std::size_t(i)]; }
  int all() const { return std::max(described, instances); }
};
}  // namespace moesim::serving
