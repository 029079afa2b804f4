// Instances of a service switched on and off along a daily curve, and those they stand for.
#include <algorithm>

#include "serving/service/service.h"

namespace moesim {

void Service::set_power(Member& member, Power power) {
  const bool was = member.power != Power::off, is = power != Power::off;
  if (was && !is) totals_[member.pool].on_time += seconds(engine_.now() - member.since);
  if (!was && is) member.since = engine_.now();
  member.power = power;
}

int Service::simulated_on(std::size_t pool) const {
  int on = 0;
  for (const Member& m : instances_) on += m.pool == pool && (m.power == Power::on || m.power == Power::starting);
  return on;
}

double Service::on_time(std::size_t pool, Time now) const {
  double on = totals_[pool].on_time;
  for (const Member& m : instances_)
    if (m.pool == pool && m.power != Power::off) on += seconds(now - m.since);
  return on;
}

double Service::twins_time(std::size_t pool, Time now) const {
  const Twins& t = twins_[pool];
  return t.seconds + double(t.powered) * seconds(now - t.since);
}

/// Changes how many folded instances draw power.
void Service::power_twins(std::size_t pool, int change) {
  Twins& t = twins_[pool];
  t.seconds = twins_time(pool, engine_.now());
  t.since = engine_.now();
  t.powered += change;
}

/// Folded instances that are switched off still serve what they have: as much, and as long, as the simulated ones at
/// this moment.
void Service::drain_twins(std::size_t pool, int count) {
  Drain drain{.instances = count, .before = ids_, .left = 0, .since = engine_.now()};
  for (const Member& m : instances_)
    if (m.pool == pool)
      for (int r = 0; r < m.instance->ranks(); ++r) drain.left += m.instance->load(r).requests;
  if (drain.left == 0) return power_twins(pool, -count);
  twins_[pool].drains.push_back(drain);
}

/// Switches folded instances on: first those that still drain, the youngest first; the others have to start.
void Service::start_twins(std::size_t pool, int count) {
  std::vector<Drain>& drains = twins_[pool].drains;
  for (auto d = drains.rbegin(); d != drains.rend() && count > 0; ++d) {
    const int back = std::min(count, d->instances);
    d->instances -= back;
    count -= back;
  }
  std::erase_if(drains, [](const Drain& d) { return d.instances == 0; });
  power_twins(pool, count);
  if (engine_.now().v > 0) totals_[pool].idle += count * seconds(shape_.pools[pool].start_up);
}

/// A request has left the instances of a pool.
void Service::left(std::size_t pool, const Live& live) {
  std::vector<Drain>& drains = twins_[pool].drains;
  for (Drain& d : drains)
    if (live.id < d.before && --d.left == 0) {
      power_twins(pool, -d.instances);
      totals_[pool].idle += d.instances * seconds(engine_.now() - d.since);
    }
  std::erase_if(drains, [](const Drain& d) { return d.left == 0; });
}

/// Brings the number of running instances to what the curve asks for now.
void Service::scale(std::size_t p) {
  const PoolShape& pool = shape_.pools[p];
  const int all = wanted(pool.autoscale, pool.all(), engine_.now() + pool.start_up),
            want = std::min(all, pool.instances);
  Twins& twins = twins_[p];
  const int others = all - want, more = others - twins.serving;
  if (more > 0) start_twins(p, more);
  if (more < 0) drain_twins(p, -more);
  twins.serving = others;
  int have = simulated_on(p);
  for (std::size_t i = 0; i < instances_.size() && have < want; ++i) {
    Member& m = instances_[i];
    if (m.pool != p || m.power == Power::on || m.power == Power::starting) continue;
    ++have;
    if (m.power == Power::draining)
      m.power = Power::on;
    else
      start_up(i);
  }
  for (const Power victim : {Power::starting, Power::on})  // the last first, those that serve nobody yet before all
    for (std::size_t i = instances_.size(); i-- > 0 && have > want;) {
      Member& m = instances_[i];
      if (m.pool != p || m.power != victim) continue;
      --have;
      m.power = Power::draining;
      if (m.instance->empty()) set_power(m, Power::off);
    }
  if (engine_.now() < shape_.duration && (next_ || live_ > 0 || engine_.now().v == 0))
    engine_.after(pool.autoscale.check, "autoscale", [this, p] { scale(p); });
}

void Service::start_up(std::size_t member) {
  Member& m = instances_[member];
  set_power(m, Power::starting);
  engine_.after(shape_.pools[m.pool].start_up, "instance up", [this, member, since = m.since] {
    Member& up = instances_[member];
    if (up.power == Power::starting && up.since == since) up.power = Power::on;
    empty_lobby();
  });
}
}  // namespace moesim
