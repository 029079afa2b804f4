// Picks the rank (an attention data-parallel rank of an instance) that serves a request.
#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "core/family.h"
#include "serving/requests/request.h"

namespace moesim {

/// A rank as a balancer sees it.
struct RankLoad {
  int instance = 0;
  int requests = 0;          ///< waiting and running
  std::int64_t tokens = 0;   ///< prompt tokens still to be computed
  std::int64_t kv_used = 0;  ///< tokens held, and those promised to requests that wait
  std::int64_t kv_capacity = 1;
  std::int64_t cached = 0;  ///< prompt tokens of this request in its prefix cache; filled if the balancer asks
};

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
}  // namespace moesim
