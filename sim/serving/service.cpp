#include "serving/service.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/log.h"

namespace moesim {

Service::Service(Engine& engine, Workload& workload, const ServiceShape& shape, std::unique_ptr<Balancer> prompts,
                 std::unique_ptr<Balancer> decodes, KvMover* mover, ServiceLog& log, std::uint64_t seed)
    : engine_(engine),
      workload_(workload),
      shape_(shape),
      prompts_(std::move(prompts)),
      decodes_(std::move(decodes)),
      mover_(mover),
      log_(log),
      totals_(shape.pools.size()),
      sampled_(shape.pools.size()),
      sampled_on_(shape.pools.size()) {
  for (std::size_t p = 0; p < shape_.pools.size(); ++p) {
    const PoolShape& pool = shape_.pools[p];
    for (int i = 0; i < pool.instances; ++i) {
      InstanceShape s = pool.instance;
      s.number = int(instances_.size());
      s.role = pool.role;
      instances_.push_back({std::make_unique<Instance>(engine, requests_, *this, s, *pool.batcher, pool.cost(i), seed),
                            p,
                            pool.first_gpu + i * pool.gpus,
                            Power::on,
                            {}});
    }
    totals_[p].instances = pool.instances;
    prompters_ = prompters_ || pool.role == Role::prefill;
    decoders_ = decoders_ || pool.role == Role::decode;
    mixed_ = mixed_ || pool.role == Role::both;
  }
  for (const Fault& fault : shape_.faults) fault_reports_.push_back({.fault = fault, .answer = {}});
}

bool Service::run() {
  for (std::size_t p = 0; p < shape_.pools.size(); ++p)
    if (!shape_.pools[p].curve.empty()) {
      scale(p);
      for (Member& m : instances_)
        if (m.pool == p && m.power == Power::starting)
          m.power = Power::on;  // the run begins with what the curve asks for
    }
  for (std::size_t f = 0; f < shape_.faults.size(); ++f)
    engine_.at(shape_.faults[f].at, "fault", [this, f] { fail(f); });
  if (shape_.sample.v > 0)
    engine_.at(
        shape_.sample, "sample", [this] { take_sample(); }, Phase::observe);
  if (shape_.rebalance.v > 0)
    engine_.at(
        shape_.rebalance, "rebalance", [this] { rebalance(); }, Phase::decide);
  if (shape_.warmup.v > 0)
    engine_.at(
        shape_.warmup, "warm", [this] { end_warmup(); }, Phase::observe);
  next_ = workload_.next();
  next_arrival();
  const bool timed = shape_.duration.v != INT64_MAX;
  Progress progress("serving", timed ? std::uint64_t(shape_.duration.v / 1'000'000'000'000) : 0);
  constexpr std::int64_t kSlices = 512;
  const Time end = shape_.drain ? Time{INT64_MAX} : shape_.duration;
  Time until = timed ? shape_.duration / kSlices : 10_s;
  bool complete = true;
  while (complete) {
    const std::uint64_t before = engine_.executed();
    engine_.run(std::min(until, end));
    progress.at(std::uint64_t(engine_.now().v / 1'000'000'000'000));
    const bool done = live_ == 0 && !next_ && followers_.empty() && lobby_.empty();
    if (done || until >= end || (engine_.executed() == before && until.v > INT64_MAX / 4)) break;
    until = engine_.executed() == before ? until * 2 : until + (timed ? shape_.duration / kSlices : 10_s);
    complete = !interrupted();
  }
  ended_ = shape_.drain || !complete ? engine_.now() : shape_.duration;
  close();
  return complete;
}

void Service::next_arrival() {
  if (next_)
    engine_.at(std::max(next_->arrival, engine_.now()), "arrival", [this] {
      Request now = std::move(*next_);
      next_ = workload_.next();
      arrive(std::move(now));
      next_arrival();
    });
}

/// Why the request can never be served; empty if it can.
std::string_view Service::problem(const Request& r) const {
  if (r.input < 1) return "has no input tokens";
  if (r.output < 1) return "asks for no output tokens";
  if (shape_.context > 0 && std::int64_t(r.input) + r.output > shape_.context) return "is longer than the context";
  if (r.output > 1 && !decoders_ && !mixed_) return "asks for more than one token, and no instance decodes";
  bool fits = !prompters_ && !mixed_, decodes = false, fits_decode = false;
  for (const Member& m : instances_) {
    const Instance& i = *m.instance;
    const std::int64_t largest = i.shape().kv.capacity / i.shape().kv.block * i.shape().kv.block;
    if (shape_.pools[m.pool].role == Role::decode) {
      decodes = true;
      fits_decode = fits_decode || std::int64_t(r.input) + r.output - 1 <= largest;
    } else {
      const bool whole = shape_.pools[m.pool].role == Role::both;
      fits = fits || (whole ? std::int64_t(r.input) + r.output - 1 : r.input) <= largest;
    }
  }
  return fits && (fits_decode || !decodes) ? "" : "is longer than the KV cache can hold";
}

void Service::arrive(Request request) {
  Live live;
  live.id = ids_++;
  live.arrival = engine_.now();
  live.target = request.input;
  live.request = std::move(request);
  (live.request.outside ? outcome_.outside_arrived : outcome_.arrived) += 1;
  if (const std::string_view why = problem(live.request); !why.empty()) {
    live.stage = Stage::rejected;
    if (!live.request.outside) ++outcome_.rejected;
    ++outcome_.reasons[std::string(why)];
    log_.request({live, "rejected", why});
    return;
  }
  ++live_;
  if (!prompters_ && !mixed_) come_prefilled(live);
  const std::uint32_t slot = requests_.add(std::move(live));
  if (requests_[slot].generated == requests_[slot].request.output) {  // the token that came with the prompt was all
    Live& done = requests_[slot];
    done.start = done.first = done.last = engine_.now();
    return finished(slot);
  }
  if (!dispatch(slot)) lobby_.push_back(slot);
}

/// Only decode instances are simulated: the prompt, and with it the first token, comes from elsewhere.
void Service::come_prefilled(Live& live) {
  live.generated = std::max(live.generated, 1);
  live.computed = live.request.input + live.generated - 1;
  live.remote = true;
  live.source = {};
}

/// Sends a request to a rank that is up; false if there is none now.
bool Service::dispatch(std::uint32_t slot) {
  const Live& live = requests_[slot];
  const bool decode = live.remote;
  Balancer& balancer = decode ? *decodes_ : *prompts_;
  loads_.clear();
  places_.clear();
  const std::int64_t need = std::int64_t(live.request.input) + live.request.output - 1;
  int most_ranks = 0;
  for (const Member& m : instances_) most_ranks = std::max(most_ranks, m.instance->ranks());
  for (int r = 0; r < most_ranks; ++r)  // neighbours in the list are on different instances, for balancers that rotate
    for (std::size_t i = 0; i < instances_.size(); ++i) {
      const Member& m = instances_[i];
      const Role role = shape_.pools[m.pool].role;
      if (m.power != Power::on || (decode ? role != Role::decode : role == Role::decode)) continue;
      if (r >= m.instance->ranks() || !m.instance->rank_up(r)) continue;
      RankLoad load = m.instance->load(r);
      if ((role == Role::prefill ? live.target : need) > load.kv_capacity) continue;
      load.instance = int(i);
      if (balancer.asks_cache()) load.cached = m.instance->cached_tokens(r, live.request);
      loads_.push_back(load);
      places_.push_back(r);
    }
  if (loads_.empty()) return false;
  const std::size_t pick = balancer.pick(live.request, loads_);
  instances_[std::size_t(loads_[pick].instance)].instance->enqueue(slot, places_[pick]);
  return true;
}

void Service::empty_lobby() {
  std::vector<std::uint32_t> still;
  for (std::uint32_t slot : lobby_)
    if (!dispatch(slot)) still.push_back(slot);
  lobby_ = std::move(still);
}

void Service::first_token(std::uint32_t) {}

void Service::finished(std::uint32_t slot) {
  Live& live = requests_[slot];
  live.stage = Stage::finished;
  const Request& r = live.request;
  check(live.generated == r.output, "request {} ended with {} of {} tokens", live.id, live.generated, r.output);
  check(live.arrival <= live.start && live.start <= live.first && live.first <= live.last,
        "request {} has times out of order", live.id);
  outcome_.preemptions += live.preemptions;
  outcome_.retries += live.retries;
  if (r.outside) {
    ++outcome_.outside_finished;
  } else {
    ++outcome_.finished;
    outcome_.input_tokens += r.input;
    outcome_.output_tokens += live.generated;
    outcome_.asked_tokens += r.output;
    outcome_.cached_tokens += live.cached;
    const Time ttft = live.first - live.arrival, e2e = live.last - live.arrival;
    const double tpot = r.output > 1 ? seconds(live.last - live.first) / double(r.output - 1) : 0;
    const Slo& slo = shape_.slo;
    outcome_.good += (slo.ttft.v == 0 || ttft <= slo.ttft) && (slo.e2e.v == 0 || e2e <= slo.e2e) &&
                     (slo.tpot.v == 0 || tpot <= seconds(slo.tpot));
    if (live.arrival >= shape_.warmup) {
      outcome_.ttft.push_back(float(seconds(ttft)));
      outcome_.e2e.push_back(float(seconds(e2e)));
      outcome_.queue.push_back(float(seconds(live.start - live.arrival)));
      if (r.output > 1) outcome_.tpot.push_back(float(tpot));
    }
    log_.request({live, "finished", ""});
  }
  if (std::optional<Request> next = workload_.follow_up(r, engine_.now())) {
    const std::int64_t key = follower_++;
    const Time at = next->arrival;
    followers_.emplace(key, std::move(*next));
    engine_.at(at, "next turn", [this, key] {
      Request now = std::move(followers_.at(key));
      followers_.erase(key);
      arrive(std::move(now));
    });
  }
  --live_;
  requests_.remove(slot);
}

void Service::prefilled(std::uint32_t slot) {
  if (!dispatch(slot)) lobby_.push_back(slot);
}

int Service::gpu_of(const Hold& hold) const {
  const Member& m = instances_[std::size_t(hold.instance)];
  return m.first_gpu + hold.rank * shape_.pools[m.pool].tensor;
}

void Service::fetch(std::uint32_t slot) {
  Live& live = requests_[slot];
  if (live.source.instance < 0) {
    if (!live.started) live.start = live.first = engine_.now();
    live.started = true;
    engine_.after({}, "kv here",
                  [this, slot] { instances_[std::size_t(requests_[slot].hold.instance)].instance->received(slot); });
    return;
  }
  const Member& from = instances_[std::size_t(live.source.instance)];
  const PoolShape& pool = shape_.pools[from.pool];
  // A rank's GPUs send side by side; the flow of the first stands for all of them.
  Bytes bytes = pool.instance.kv_token * live.computed / std::max(1, pool.tensor);
  if (pool.layerwise_transfer) bytes = bytes / shape_.layers;
  const auto done = [this, slot] {
    Live& moved = requests_[slot];
    instances_[std::size_t(moved.source.instance)].instance->release_source(slot);
    instances_[std::size_t(moved.hold.instance)].instance->received(slot);
  };
  if (mover_ == nullptr || bytes.v == 0)
    engine_.after({}, "kv moved", done);
  else
    mover_->move(gpu_of(live.source), gpu_of(live.hold), bytes, done);
}

void Service::homeless(std::uint32_t slot) {
  if (!prompters_ && !mixed_ && !requests_[slot].remote) come_prefilled(requests_[slot]);
  if (!dispatch(slot)) lobby_.push_back(slot);
}

void Service::stepped(const StepEnd& step) {
  const std::size_t p = instances_[std::size_t(step.instance)].pool;
  PoolTotals& t = totals_[p];
  const double length = seconds(step.times->total());
  for (std::size_t i = 0; i < kStepParts; ++i) t.parts[i] += step.times->parts[i];
  t.balancedness += step.times->balancedness * length;
  t.waiting += step.times->waiting;
  t.sequences += step.requests;
  t.step_times.push_back(float(seconds(step.end - step.start)));
  Member& m = instances_[std::size_t(step.instance)];
  if (m.power == Power::draining && m.instance->empty()) set_power(m, Power::off);
  log_.step(int(p), step);
}

void Service::token_gap(Time gap, std::int64_t tokens) { outcome_.itl.add(seconds(gap), tokens); }

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

/// New placements for every instance, from what each routed lately.
void Service::rebalance() {
  for (Member& m : instances_) {
    const Time pause = m.instance->step_cost().rebalance();
    if (pause.v > 0) m.instance->stall(pause);
  }
  if (next_ || live_ > 0)
    engine_.after(
        shape_.rebalance, "rebalance", [this] { rebalance(); }, Phase::decide);
}

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
    totals_[p].warm_on = totals_[p].on_time;
    for (const Member& m : instances_)
      if (m.pool == p && m.power != Power::off) totals_[p].warm_on += seconds(engine_.now() - m.since);
    totals_[p].step_times.clear();
  }
}

void Service::take_sample() {
  for (std::size_t p = 0; p < shape_.pools.size(); ++p) {
    ServiceLog::Sample s{.at = engine_.now(), .pool = int(p)};
    const Instance::Totals sum = pool_sum(p);
    double kv = 0, on = totals_[p].on_time;
    for (const Member& m : instances_) {
      if (m.pool != p || m.power == Power::off) continue;
      on += seconds(engine_.now() - m.since);
      ++s.instances;
      s.running += m.instance->running();
      for (int r = 0; r < m.instance->ranks(); ++r) s.waiting += m.instance->load(r).requests;
      kv += m.instance->kv_share();
    }
    s.waiting -= s.running;
    s.kv_share = s.instances > 0 ? kv / s.instances : 0;
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

/// Adds up what is still under way.
void Service::close() {
  requests_.each([&](const Live& live) {
    const bool runs = live.started && live.stage != Stage::waiting;
    live_output_ += live.generated;
    if (live.request.outside) return;
    (runs ? running_ : waiting_) += 1;
    log_.request({live, runs ? "running" : "waiting", ""});
  });
  for (const Member& m : instances_)
    if (m.power != Power::off) totals_[m.pool].on_time += seconds(ended_ - m.since);
  for (std::size_t p = 0; p < totals_.size(); ++p) {
    totals_[p].sum = pool_sum(p);
    totals_[p].busy = seconds(totals_[p].sum.busy);
  }
}
}  // namespace moesim
