#include "serving/service/pool_totals.h"

#include <algorithm>

namespace moesim::serving {

PoolBooks::PoolBooks(const Fleet& fleet, const PowerControl& power)
    : fleet_(fleet), power_(power), totals_(fleet.pools().size()), sampled_(fleet.pools().size()) {
  for (std::size_t p = 0; p < totals_.size(); ++p) totals_[p].instances = fleet.pools()[p].instances;
}

void PoolBooks::add(const InstanceOwner::StepEnd& step) {
  PoolTotals& t = totals_[fleet_[std::size_t(step.instance)].pool];
  const double length = seconds(step.times->total());
  for (std::size_t i = 0; i < kStepParts; ++i) t.parts[i] += step.times->parts[i];
  t.balancedness += step.times->balancedness * length;
  t.drawn += step.times->drawn;
  t.waiting += step.times->waiting;
  t.sequences += step.requests;
  const double prompts = double(step.prefill) / double(std::max<std::int64_t>(1, step.prefill + step.decode));
  t.prompt_time += length * prompts;
  t.decode_time += length * (1 - prompts);
  t.step_times.push_back(float(seconds(step.end - step.start)));
}

InstanceTotals PoolBooks::sum_of(std::size_t pool) const {
  InstanceTotals sum;
  for (const Fleet::Member& m : fleet_)
    if (m.pool == pool) sum += m.instance->totals();
  return sum;
}

double PoolBooks::all_time(std::size_t pool, Time now) const {
  return power_.on_time(pool, now) + power_.folded_time(pool, now);
}

void PoolBooks::end_warmup(Time now) {
  for (std::size_t p = 0; p < totals_.size(); ++p) {
    PoolTotals& t = totals_[p];
    t.warm = sum_of(p);
    t.warm_on = power_.on_time(p, now);
    t.warm_all = all_time(p, now);
    t.step_times.clear();
    t.parts = {};
    t.balancedness = t.drawn = t.waiting = t.prompt_time = t.decode_time = 0;
    t.sequences = 0;
  }
}

void PoolBooks::read(Time now, Time interval, ServiceLog& log) {
  for (std::size_t p = 0; p < totals_.size(); ++p) {
    ServiceLog::Reading s{.at = now, .pool = int(p)};
    double kv = 0;
    for (const Fleet::Member& m : fleet_) {
      if (m.pool != p || m.power == PowerState::off) continue;
      ++s.instances;
      s.running += m.instance->running();
      for (int r = 0; r < m.instance->ranks(); ++r) s.waiting += m.instance->load(r).requests;
      kv += m.instance->kv_share();
    }
    s.waiting -= s.running;
    s.kv_share = s.instances > 0 ? kv / s.instances : 0;
    s.instances += power_.folded_on(p);
    totals_[p].kv_peak = std::max(totals_[p].kv_peak, s.kv_share);
    const LastSample here{sum_of(p), power_.on_time(p, now)}, &last = sampled_[p];
    const double span = here.on_time - last.on_time;
    s.utilisation = span > 0 ? std::min(1.0, seconds(here.sum.busy - last.sum.busy) / span) : 0;
    const double asked = double(here.sum.prompt_tokens - last.sum.prompt_tokens);
    s.hit_rate = asked > 0 ? double(here.sum.cached_tokens - last.sum.cached_tokens) / asked : 0;
    s.output_rate = double(here.sum.decode_tokens - last.sum.decode_tokens) / seconds(interval);
    sampled_[p] = here;
    log.reading(s);
  }
}

void PoolBooks::close(Time now) {
  for (std::size_t p = 0; p < totals_.size(); ++p) {
    PoolTotals& t = totals_[p];
    t.on_time = power_.on_time(p, now);
    t.all_time = all_time(p, now);
    t.idle = power_.idle_time(p);
    t.sum = sum_of(p);
    t.busy = seconds(t.sum.busy);
  }
}
}  // namespace moesim::serving
