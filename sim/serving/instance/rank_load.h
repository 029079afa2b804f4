// A rank (an attention data-parallel rank of an instance) as a balancer sees it.
#pragma once
#include <cstdint>

namespace moesim::serving {

struct RankLoad {
  int instance = 0;
  int requests = 0;          ///< waiting and running
  std::int64_t tokens = 0;   ///< prompt tokens still to be computed
  std::int64_t kv_used = 0;  ///< tokens held, and those promised to requests that wait
  std::int64_t kv_capacity = 1;
  std::int64_t cached = 0;  ///< prompt tokens of this request in its prefix cache; filled if the balancer asks
};
}  // namespace moesim::serving
