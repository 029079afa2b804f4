#include "serving/service/power.h"

#include <algorithm>

namespace moesim::serving {

PowerControl::PowerControl(Engine& engine, Fleet& fleet, const Requests& requests, const Arrivals& arrivals,
                           Dispatcher& dispatcher, Time until)
    : engine_(engine),
      fleet_(fleet),
      requests_(requests),
      arrivals_(arrivals),
      dispatcher_(dispatcher),
      until_(until),
      pools_(fleet.pools().size()) {
  for (std::size_t p = 0; p < pools_.size(); ++p)
    pools_[p].serving = pools_[p].powered = fleet.pools()[p].all() - fleet.pools()[p].instances;
}

void PowerControl::start() {
  for (std::size_t p = 0; p < pools_.size(); ++p) {
    if (fleet_.pools()[p].autoscale.curve.empty()) continue;
    follow_curve(p);
    for (Fleet::Member& m : fleet_)
      if (m.pool == p && m.power == PowerState::starting)
        m.power = PowerState::on;  // the run begins with what the curve asks for
  }
}

void PowerControl::stepped(Fleet::Member& member) {
  if (member.power == PowerState::draining && member.instance->empty()) set(member, PowerState::off);
}

void PowerControl::set(Fleet::Member& member, PowerState state) {
  const bool was = member.power != PowerState::off, is = state != PowerState::off;
  if (was && !is) pools_[member.pool].on_before += seconds(engine_.now() - member.since);
  if (!was && is) member.since = engine_.now();
  member.power = state;
}

int PowerControl::simulated_on(std::size_t pool) const {
  int on = 0;
  for (const Fleet::Member& m : fleet_)
    on += m.pool == pool && (m.power == PowerState::on || m.power == PowerState::starting);
  return on;
}

double PowerControl::on_time(std::size_t pool, Time now) const {
  double on = pools_[pool].on_before;
  for (const Fleet::Member& m : fleet_)
    if (m.pool == pool && m.power != PowerState::off) on += seconds(now - m.since);
  return on;
}

double PowerControl::folded_time(std::size_t pool, Time now) const {
  const PoolPower& p = pools_[pool];
  return p.folded + double(p.powered) * seconds(now - p.since);
}

/// Changes how many folded instances draw power.
void PowerControl::power_folded(std::size_t pool, int change) {
  PoolPower& p = pools_[pool];
  p.folded = folded_time(pool, engine_.now());
  p.since = engine_.now();
  p.powered += change;
}

/// Folded instances that are switched off still serve what they have: as much, and as long, as the simulated ones at
/// this moment.
void PowerControl::drain_folded(std::size_t pool, int count) {
  Drain drain{.instances = count, .before = arrivals_.count(), .left = 0, .since = engine_.now()};
  for (const Fleet::Member& m : fleet_)
    if (m.pool == pool)
      for (int r = 0; r < m.instance->ranks(); ++r) drain.left += m.instance->load(r).requests;
  if (drain.left == 0) return power_folded(pool, -count);
  pools_[pool].drains.push_back(drain);
}

/// Switches folded instances on: first those that still drain, the youngest first; the others have to start.
void PowerControl::start_folded(std::size_t pool, int count) {
  std::vector<Drain>& drains = pools_[pool].drains;
  for (auto d = drains.rbegin(); d != drains.rend() && count > 0; ++d) {
    const int back = std::min(count, d->instances);
    d->instances -= back;
    count -= back;
  }
  std::erase_if(drains, [](const Drain& d) { return d.instances == 0; });
  power_folded(pool, count);
  if (engine_.now().v > 0) pools_[pool].idle += count * seconds(fleet_.pools()[pool].start_up);
}

void PowerControl::left(std::size_t pool, const Live& live) {
  std::vector<Drain>& drains = pools_[pool].drains;
  for (Drain& d : drains)
    if (live.id < d.before && --d.left == 0) {
      power_folded(pool, -d.instances);
      pools_[pool].idle += d.instances * seconds(engine_.now() - d.since);
    }
  std::erase_if(drains, [](const Drain& d) { return d.left == 0; });
}

/// Brings the number of instances in service to what the curve asks for now.
void PowerControl::follow_curve(std::size_t p) {
  const PoolShape& pool = fleet_.pools()[p];
  const int all = wanted(pool.autoscale, pool.all(), engine_.now() + pool.start_up),
            want = std::min(all, pool.instances);
  scale_folded(p, all - want);
  const int have = simulated_on(p);
  if (have < want) switch_on(p, want - have);
  if (have > want) switch_off(p, have - want);
  if (engine_.now() < until_ && (arrivals_.streaming() || requests_.size() > 0 || engine_.now().v == 0))
    engine_.after(pool.autoscale.check, "autoscale", [this, p] { follow_curve(p); });
}

void PowerControl::scale_folded(std::size_t pool, int want) {
  const int more = want - pools_[pool].serving;
  if (more > 0) start_folded(pool, more);
  if (more < 0) drain_folded(pool, -more);
  pools_[pool].serving = want;
}

/// The first that are off or draining; those that drain need not start.
void PowerControl::switch_on(std::size_t pool, int count) {
  for (std::size_t i = 0; i < fleet_.size() && count > 0; ++i) {
    Fleet::Member& m = fleet_[i];
    if (m.pool != pool || m.power == PowerState::on || m.power == PowerState::starting) continue;
    --count;
    if (m.power == PowerState::draining)
      m.power = PowerState::on;
    else
      start_up(i);
  }
}

/// The last first, those that serve nobody yet before all.
void PowerControl::switch_off(std::size_t pool, int count) {
  for (const PowerState victim : {PowerState::starting, PowerState::on})
    for (std::size_t i = fleet_.size(); i-- > 0 && count > 0;) {
      Fleet::Member& m = fleet_[i];
      if (m.pool != pool || m.power != victim) continue;
      --count;
      m.power = PowerState::draining;
      if (m.instance->empty()) set(m, PowerState::off);
    }
}

void PowerControl::start_up(std::size_t member) {
  Fleet::Member& m = fleet_[member];
  set(m, PowerState::starting);
  engine_.after(fleet_.pool_of(m).start_up, "instance up", [this, member, since = m.since] {
    Fleet::Member& up = fleet_[member];
    if (up.power == PowerState::starting && up.since == since) up.power = PowerState::on;
    dispatcher_.empty_lobby();
  });
}
}  // namespace moesim::serving
