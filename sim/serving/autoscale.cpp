// Instances switched on and off along a daily curve.
#include "serving/service.h"

#include <algorithm>
#include <cmath>

namespace moesim {
void Service::set_power(Member& member, Power power) {
  const bool was = member.power != Power::off, is = power != Power::off;
  if (was && !is) totals_[member.pool].on_time += seconds(engine_.now() - member.since);
  if (!was && is) member.since = engine_.now();
  member.power = power;
}

/// Brings the number of running instances to what the curve asks for now.
void Service::scale(std::size_t p) {
  const PoolShape& pool = shape_.pools[p];
  const double n = double(pool.curve.size());
  const double place =
      std::fmod(seconds(engine_.now() + pool.curve_start + pool.start_up) / seconds(pool.period), 1.0) * n;
  const std::size_t at = std::size_t(place) % pool.curve.size();
  const double part = place - std::floor(place);
  const double share = pool.curve[at] * (1 - part) + pool.curve[(at + 1) % pool.curve.size()] * part;
  const int want = std::clamp(int(std::ceil(share * pool.instances - 1e-9)), 1, pool.instances);
  int have = 0;
  for (const Member& m : instances_) have += m.pool == p && (m.power == Power::on || m.power == Power::starting);
  for (std::size_t i = 0; i < instances_.size() && have < want; ++i) {
    Member& m = instances_[i];
    if (m.pool != p || m.power == Power::on || m.power == Power::starting) continue;
    ++have;
    if (m.power == Power::draining) {
      m.power = Power::on;
      continue;
    }
    set_power(m, Power::starting);
    engine_.after(pool.start_up, "instance up", [this, i] {
      if (instances_[i].power == Power::starting) instances_[i].power = Power::on;
      empty_lobby();
    });
  }
  for (std::size_t i = instances_.size(); i-- > 0 && have > want;) {
    Member& m = instances_[i];
    if (m.pool != p || m.power != Power::on) continue;
    --have;
    m.power = Power::draining;
    if (m.instance->empty()) set_power(m, Power::off);
  }
  if (engine_.now() < shape_.duration && (next_ || live_ > 0 || engine_.now().v == 0))
    engine_.after(pool.check_every, "autoscale", [this, p] { scale(p); });
}
}  // namespace moesim
