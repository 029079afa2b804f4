#include "serving/service/pool_totals.h"

#include <algorithm>

namespace moesim::serving {

PoolSums& PoolSums::operator-=(const PoolSums& other) {
  instances -= other.instances;
  on_time -= other.on_time;
  all_time -= other.all_time;
  idle -= other.idle;
  for (std::size_t i = 0; i < kStepParts; ++i) parts[i] -= other.parts[i];
  balancedness -= other.balancedness;
  drawn -= other.drawn;
  experts_waiting -= other.experts_waiting;
  length -= other.length;
  requests -= other.requests;
  prompt_time -= other.prompt_time;
  decode_time -= other.decode_time;
  running -= other.running;
  waiting -= other.waiting;
  kv -= other.kv;
  steps -= other.steps;
  return *this;
}

PoolBooks::PoolBooks(const Fleet& fleet, const PowerControl& power)
    : fleet_(fleet),
      power_(power),
      totals_(fleet.pools().size()),
      now_(totals_.size()),
      running_(totals_.size()),
      from_(totals_.size()),
      read_(totals_.size()) {
  for (std::size_t p = 0; p < totals_.size(); ++p) totals_[p].instances = fleet.pools()[p].instances;
  for (const Fleet::Member& m : fleet)
    for (int r = 0; r < m.instance->ranks(); ++r) totals_[m.pool].kv_capacity += m.instance->cache(r).capacity();
}

void PoolBooks::add(const InstanceOwner::StepEnd& step) {
  const std::size_t pool = fleet_[std::size_t(step.instance)].pool;
  PoolSums& t = running_[pool];
  const double length = seconds(step.times->total());
  for (std::size_t i = 0; i < kStepParts; ++i) t.parts[i] += step.times->parts[i];
  t.balancedness += step.times->balancedness * length;
  t.drawn += step.times->drawn;
  t.experts_waiting += step.times->waiting;
  t.length += length;
  t.requests += step.requests * length;
  const double prompts = double(step.prefill) / double(std::max<std::int64_t>(1, step.prefill + step.decode));
  t.prompt_time += length * prompts;
  t.decode_time += length * (1 - prompts);
  totals_[pool].step_times.push_back(float(seconds(step.end - step.start)));
  InstanceOwner::StepEnd& longest = totals_[pool].longest_step;
  if (step.end - step.start > longest.end - longest.start) {
    longest = step;
    longest.times = nullptr;
  }
}

void PoolBooks::advance(std::size_t pool, Time now) {
  Now& n = now_[pool];
  const double span = seconds(now - n.since);
  running_[pool].running += double(n.placed) * span;
  running_[pool].waiting += double(n.waiting) * span;
  running_[pool].kv += double(n.kv) * span;
  n.since = now;
}

void PoolBooks::changed(int instance, const InstanceOwner::Change& change, Time now) {
  const std::size_t pool = fleet_[std::size_t(instance)].pool;
  advance(pool, now);
  Now& n = now_[pool];
  n.placed += change.placed;
  n.waiting += change.waiting;
  n.kv += change.kv;
  n.most_kv = std::max(n.most_kv, n.kv);
}

InstanceTotals PoolBooks::sum_of(std::size_t pool) const {
  InstanceTotals sum;
  for (const Fleet::Member& m : fleet_)
    if (m.pool == pool) sum += m.instance->totals();
  return sum;
}

/// Everything until now.
PoolSums PoolBooks::sums(std::size_t pool, Time now) {
  advance(pool, now);
  PoolSums out = running_[pool];
  out.instances = sum_of(pool);
  out.on_time = power_.on_time(pool, now);
  out.all_time = out.on_time + power_.folded_time(pool, now);
  out.idle = power_.idle_time(pool);
  out.steps = totals_[pool].step_times.size();
  return out;
}

void PoolBooks::begin_window(Time now) {
  for (std::size_t p = 0; p < totals_.size(); ++p) {
    from_[p] = sums(p, now);
    totals_[p].longest_step = {};
  }
}

void PoolBooks::end_window(Time now, WindowEnd end) {
  std::vector<PoolSums>& until = until_[std::size_t(end)];
  until.resize(totals_.size());
  for (std::size_t p = 0; p < totals_.size(); ++p) until[p] = sums(p, now);
}

void PoolBooks::read(Time now, Time interval, ServiceLog& log) {
  for (std::size_t p = 0; p < totals_.size(); ++p) {
    ServiceLog::Reading s{.at = now, .pool = int(p)};
    for (const Fleet::Member& m : fleet_) s.instances += m.pool == p && m.power != PowerState::off;
    s.instances += power_.folded_on(p);
    const PoolSums here = sums(p, now);
    PoolSums since = here;
    since -= read_[p];
    read_[p] = here;
    const double span = seconds(interval), capacity = double(totals_[p].kv_capacity) / totals_[p].instances;
    s.running = since.running / span;
    s.waiting = since.waiting / span;
    s.kv_share = capacity * since.on_time > 0 ? std::min(1.0, since.kv / (capacity * since.on_time)) : 0;
    s.utilisation = since.on_time > 0 ? std::min(1.0, seconds(since.instances.busy) / since.on_time) : 0;
    const double asked = double(since.instances.prompt_tokens);
    s.hit_rate = asked > 0 ? double(since.instances.cached_tokens) / asked : 0;
    s.output_rate = double(since.instances.decode_tokens + since.instances.prompt_outputs) / span;
    log.reading(s);
  }
}

void PoolBooks::close(Time now, WindowEnd window) {
  for (std::size_t p = 0; p < totals_.size(); ++p) {
    PoolTotals& t = totals_[p];
    const PoolSums end = sums(p, now);
    t.sum = end.instances;
    t.on_time = end.on_time;
    t.all_time = end.all_time;
    t.in = window == WindowEnd::run ? end : until_[std::size_t(window)][p];
    t.step_times.resize(t.in.steps);
    t.step_times.erase(t.step_times.begin(), t.step_times.begin() + std::ptrdiff_t(from_[p].steps));
    t.in -= from_[p];
    t.kv_peak = t.kv_capacity > 0 ? double(now_[p].most_kv) / double(t.kv_capacity) : 0;
  }
}
}  // namespace moesim::serving
