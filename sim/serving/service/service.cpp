#include "serving/service/service.h"

#include <algorithm>

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
      twins_(shape.pools.size()),
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
    twins_[p].serving = twins_[p].powered = pool.all() - pool.instances;
    prompters_ = prompters_ || pool.role == Role::prefill;
    decoders_ = decoders_ || pool.role == Role::decode;
    mixed_ = mixed_ || pool.role == Role::both;
  }
  prompt_board_.build(instances_, shape_.pools, false);
  decode_board_.build(instances_, shape_.pools, true);
  for (const Fault& fault : shape_.faults) {
    (void)member_of(fault);  // what is not there is named before anything runs
    fault_reports_.push_back({.fault = fault, .answer = {}});
  }
}

bool Service::run() {
  for (std::size_t p = 0; p < shape_.pools.size(); ++p)
    if (!shape_.pools[p].autoscale.curve.empty()) {
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

/// Adds up what is still under way.
void Service::close() {
  requests_.each([&](const Live& live) {
    const bool runs = live.started && live.stage != Stage::waiting;
    live_output_ += live.generated;
    if (live.request.outside) return;
    (runs ? running_ : waiting_) += 1;
    log_.request({live, runs ? "running" : "waiting", ""});
  });
  for (std::size_t p = 0; p < totals_.size(); ++p) {
    totals_[p].on_time = on_time(p, ended_);
    totals_[p].all_time = totals_[p].on_time + twins_time(p, ended_);
    totals_[p].sum = pool_sum(p);
    totals_[p].busy = seconds(totals_[p].sum.busy);
  }
}
}  // namespace moesim
