#include "sizing/shared_trials.h"

namespace moesim::sizing {

serving::SharedDraws SharedTrials::of(const Deployment& deployment) {
  const std::lock_guard lock(mutex_);
  serving::SharedDraws out{&draws_, {}};
  for (const PoolDesign& pool : deployment.pools)
    out.products[std::string(name_of(pool.role))] = &products_[{deployment.node->text, deployment.engine}];
  return out;
}
}  // namespace moesim::sizing
