// The loads of all ranks that a balancer may choose from, kept up to date rank by rank.
#include "serving/service/service.h"

namespace moesim {

/// Neighbours on the board are on different instances, for balancers that rotate.
void Service::LoadBoard::build(const std::vector<Member>& instances, const std::vector<PoolShape>& pools,
                               bool decodes) {
  int most_ranks = 0;
  for (std::size_t i = 0; i < instances.size(); ++i) {
    if ((pools[instances[i].pool].role == Role::decode) != decodes) continue;
    members.push_back(i);
    places.emplace_back(std::size_t(instances[i].instance->ranks()));
    most_ranks = std::max(most_ranks, instances[i].instance->ranks());
  }
  for (int r = 0; r < most_ranks; ++r)
    for (std::size_t k = 0; k < members.size(); ++k) {
      const Instance& instance = *instances[members[k]].instance;
      if (r >= instance.ranks()) continue;
      places[k][std::size_t(r)] = loads.size();
      loads.push_back(instance.load(r));
      loads.back().instance = int(members[k]);
      ranks.push_back(r);
      smallest = std::min(smallest, loads.back().kv_capacity);
    }
}

void Service::LoadBoard::refresh(std::vector<Member>& instances) {
  for (std::size_t k = 0; k < members.size(); ++k) {
    Instance& instance = *instances[members[k]].instance;
    instance.take_changed(changed);
    for (int r : changed) {
      RankLoad& load = loads[places[k][std::size_t(r)]];
      load = instance.load(r);
      load.instance = int(members[k]);
    }
  }
}

bool Service::LoadBoard::all_can_take(const std::vector<Member>& instances, std::int64_t tokens) const {
  if (tokens > smallest) return false;
  for (const std::size_t m : members)
    if (instances[m].power != Power::on || instances[m].instance->ranks_down() > 0) return false;
  return !members.empty();
}
}  // namespace moesim
