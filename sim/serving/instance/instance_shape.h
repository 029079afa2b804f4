// What an instance is built from.
#pragma once
#include <cstdint>
#include <vector>

#include "compute/layers/inventory.h"
#include "core/config.h"
#include "core/units.h"
#include "serving/instance/kv_cache.h"
#include "serving/step/speculation.h"

namespace moesim::serving {

enum class Role { both, prefill, decode };
constexpr auto enum_names(Role) {
  return std::to_array<std::pair<std::string_view, Role>>(
      {{"both", Role::both}, {"prefill", Role::prefill}, {"decode", Role::decode}});
}
enum class Preemption { recompute, swap };
constexpr auto enum_names(Preemption) {
  return std::to_array<std::pair<std::string_view, Preemption>>(
      {{"recompute", Preemption::recompute}, {"swap", Preemption::swap}});
}

struct InstanceShape {
  int number = 0;
  Role role = Role::both;
  int ranks = 1;   ///< attention data-parallel ranks
  int stages = 1;  ///< pipeline stages; as many batches are under way
  KvShape kv;
  std::vector<std::int64_t> kv_capacity;  ///< of single ranks, where it differs (placements leave uneven memory)
  Bytes kv_token{};                       ///< of the KV cache of one token on a rank, all its GPUs together
  Bandwidth host{}, disk{}, remote{};  ///< to the GPU, for swapped blocks and lower tiers of the prefix cache; 0: free
  Preemption preemption = Preemption::recompute;
  double watermark = 0.01;  ///< share of the KV cache that admission leaves free
  spec::KeysRead window;    ///< of sliding-window layers
  int domains = 1;
  bool own_routing = false;  ///< a step's cost depends on which requests' tokens are in it
  SpeculationSpec speculation;
  /// Of a request's first `tokens`.
  Bytes kv_bytes(std::int64_t tokens) const { return kv_token * kv.space(tokens); }
};
}  // namespace moesim::serving
