// What a service counts as it goes: steps, time series, the state at the end of the warm-up.
#include "serving/service/service.h"

#include <algorithm>

namespace moesim {
void Service::stepped(const StepEnd& step) {
  const std::size_t p = instances_[std::size_t(step.instance)].pool;
  PoolTotals& t = totals_[p];
  const double length = seconds(step.times->total());
  for (std::size_t i = 0; i < kStepParts; ++i) t.parts[i] += step.times->parts[i];
  t.balancedness += step.times->balancedness * length;
  t.waiting += step.times->waiting;
  t.sequences += step.requests;
  const double prompts = double(step.prefill) / double(std::max<std::int64_t>(1, step.prefill + step.decode));
  t.prompt_time += length * prompts;
  t.decode_time += length * (1 - prompts);
  t.step_times.push_back(float(seconds(step.end - step.start)));
  Member& m = instances_[std::size_t(step.instance)];
  if (m.power == Power::draining && m.instance->empty()) set_power(m, Power::off);
  log_.step(int(p), step);
}

void Service::token_gap(Time gap, std::int64_t tokens) { outcome_.itl.add(seconds(gap), tokens); }

Instance::Totals Service::pool_sum(std::size_t pool) const {
  Instance::Totals sum;
  for (const Member& m : instances_) {
    if (m.pool != pool) continue;
    const Instance::Totals& s = m.instance->totals();
    sum.steps += s.steps;
    sum.preemptions += s.preemptions;
    sum.prefill_tokens += s.prefill_tokens;
    sum.decode_tokens += s.decode_tokens;
    sum.verified_tokens += s.verified_tokens;
    sum.prompt_tokens += s.prompt_tokens;
    sum.cached_tokens += s.cached_tokens;
    sum.busy += s.busy;
  }
  return sum;
}

void Service::end_warmup() {
  for (std::size_t p = 0; p < totals_.size(); ++p) {
    totals_[p].warm = pool_sum(p);
    totals_[p].warm_on = on_time(p, engine_.now());
    totals_[p].warm_all = totals_[p].warm_on + twins_time(p, engine_.now());
    totals_[p].step_times.clear();
    totals_[p].parts = {};
    totals_[p].balancedness = totals_[p].waiting = totals_[p].prompt_time = totals_[p].decode_time = 0;
    totals_[p].sequences = 0;
  }
}

void Service::take_sample() {
  for (std::size_t p = 0; p < shape_.pools.size(); ++p) {
    ServiceLog::Sample s{.at = engine_.now(), .pool = int(p)};
    const Instance::Totals sum = pool_sum(p);
    double kv = 0;
    const double on = on_time(p, engine_.now());
    for (const Member& m : instances_) {
      if (m.pool != p || m.power == Power::off) continue;
      ++s.instances;
      s.running += m.instance->running();
      for (int r = 0; r < m.instance->ranks(); ++r) s.waiting += m.instance->load(r).requests;
      kv += m.instance->kv_share();
    }
    s.waiting -= s.running;
    s.kv_share = s.instances > 0 ? kv / s.instances : 0;
    s.instances += twins_[p].powered;
    totals_[p].kv_peak = std::max(totals_[p].kv_peak, s.kv_share);
    const double span = on - sampled_on_[p];
    s.utilisation = span > 0 ? std::min(1.0, seconds(sum.busy - sampled_[p].busy) / span) : 0;
    const double asked = double(sum.prompt_tokens - sampled_[p].prompt_tokens);
    s.hit_rate = asked > 0 ? double(sum.cached_tokens - sampled_[p].cached_tokens) / asked : 0;
    s.output_rate = double(sum.decode_tokens - sampled_[p].decode_tokens) / seconds(shape_.sample);
    sampled_[p] = sum;
    sampled_on_[p] = on;
    log_.sample(s);
  }
  if (next_ || live_ > 0 || !followers_.empty())
    engine_.after(
        shape_.sample, "sample", [this] { take_sample(); }, Phase::observe);
}
}  // namespace moesim
