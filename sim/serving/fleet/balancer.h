// Picks the rank (an attention data-parallel rank of an instance) that serves a request.
#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "core/family.h"
#include "serving/instance/rank_load.h"
#include "serving/requests/request.h"

namespace moesim::serving {

class Balancer {
 public:
  virtual ~Balancer() = default;
  /// ranks: at least one.  Returns a place in it; equal ranks by lower place unless the policy rotates.
  virtual std::size_t pick(const Request& request, std::span<const RankLoad> ranks) = 0;
  /// True if RankLoad::cached must be filled.
  virtual bool asks_cache() const { return false; }
};

/// The family `balancer`: round_robin, least_loaded, cache_aware, kv_aware.
const Family<Balancer>& balancers();
}  // namespace moesim::serving
