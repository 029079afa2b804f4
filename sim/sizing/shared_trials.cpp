#include "sizing/shared_trials.h"

namespace moesim::sizing {

serving::SharedDraws SharedTrials::of(const Plan& plan, const Deployment& deployment) {
  const std::lock_guard lock(mutex_);
  serving::SharedDraws out{&draws_, {}};
  for (const PoolDesign& pool : deployment.pools) {
    const Deployment one{deployment.node, deployment.engine, {pool}, {1}};
    out.products[std::string(name_of(pool.role))] = &products_[scenario_text(plan, one, {})];
  }
  return out;
}
}  // namespace moesim::sizing
