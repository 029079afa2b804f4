// What a service does when a GPU, an adapter or a node fails or slows down.
#include <algorithm>

#include "serving/service/service.h"

namespace moesim {

Service::Member& Service::member_of(const Fault& fault) {
  if (!(fault.share > 0 && fault.share <= 1))
    throw ConfigError(fmt::format("serving.faults: share: must be above 0 and at most 1, got {}", fault.share));
  for (std::size_t p = 0; p < shape_.pools.size(); ++p) {
    if (!fault.pool.empty() && shape_.pools[p].name != fault.pool) continue;
    int number = fault.instance;
    for (Member& m : instances_)
      if (m.pool == p && number-- == 0) {
        const int gpus = shape_.pools[p].gpus;
        if (fault.gpu < 0 || fault.gpu >= gpus)
          throw ConfigError(fmt::format("serving.faults: there is no GPU {} in an instance of {}", fault.gpu, gpus));
        return m;
      }
  }
  throw ConfigError(fmt::format("serving.faults: there is no instance {} in pool \"{}\"", fault.instance, fault.pool));
}

void Service::fail(std::size_t f) {
  const Fault& fault = shape_.faults[f];
  FaultReport& report = fault_reports_[f];
  Member& m = member_of(fault);
  Instance& instance = *m.instance;
  const PoolShape& pool = shape_.pools[m.pool];
  if (fault.repair.v > 0) engine_.after(fault.repair, "repaired", [this, f] { repair(f); });
  StepCost& cost = instance.step_cost();
  if (fault.kind == FaultKind::slow_gpu || fault.kind == FaultKind::slow_link) {
    report.answer = "slower";
    if (fault.kind == FaultKind::slow_gpu) return cost.slow_gpu(fault.gpu, fault.share);
    cost.slow_link(fault.gpu, fault.share);
    if (mover_ != nullptr) mover_->slow(m.first_gpu + fault.gpu, fault.share);
    return;
  }
  if (fault.kind == FaultKind::nic)
    if (const double left = cost.set_adapter(fault.gpu, false); left > 0) {
      report.answer = "reroute";
      if (mover_ != nullptr) mover_->slow(m.first_gpu + fault.gpu, left);
      report.stalled = fault.detect;
      return instance.hold_until(engine_.now() + fault.detect);
    }
  const int first = fault.kind == FaultKind::node ? fault.gpu / shape_.gpus_per_node * shape_.gpus_per_node : fault.gpu;
  const int count = fault.kind == FaultKind::node ? std::min(shape_.gpus_per_node, pool.gpus - first) : 1;
  const int per_stage = pool.tensor * instance.ranks();
  const StepCost::Loss loss =
      cost.lose_gpus(first, count, fault.answer == FaultAnswer::mask, fault.answer == FaultAnswer::restart);
  const bool whole = fault.answer == FaultAnswer::restart || loss.fatal;
  Time stalled = fault.detect + loss.reload;
  std::vector<bool> lost(std::size_t(instance.ranks()), whole);
  for (int g = first; g < first + count; ++g) lost[std::size_t(g % per_stage / pool.tensor)] = true;
  std::int64_t retried = 0;
  if (whole) {
    stalled = fault.detect + pool.start_up;
    m.power = Power::starting;
    engine_.after(stalled, "instance up", [this, f] {
      Member& back = member_of(shape_.faults[f]);
      for (int r = 0; r < back.instance->ranks(); ++r) back.instance->restore_rank(r);
      back.instance->step_cost().restore();
      if (back.power == Power::starting) back.power = Power::on;
      empty_lobby();
    });
  }
  for (int r = 0; r < instance.ranks(); ++r)
    if (lost[std::size_t(r)]) {
      retried += instance.load(r).requests;
      report.lost_tokens += instance.lose_rank(r, true);
    }
  instance.hold_until(engine_.now() + stalled);
  report.retried = retried;
  report.stalled = stalled;
  report.masked_share = loss.masked_share;
  report.answer = whole ? "restart" : loss.answer;
}

void Service::repair(std::size_t f) {
  const Fault& fault = shape_.faults[f];
  Member& m = member_of(fault);
  StepCost& cost = m.instance->step_cost();
  if (fault.kind == FaultKind::slow_gpu) return cost.slow_gpu(fault.gpu, 1);
  if (mover_ != nullptr && (fault.kind == FaultKind::slow_link || fault.kind == FaultKind::nic))
    mover_->slow(m.first_gpu + fault.gpu, 1);
  if (fault.kind == FaultKind::slow_link) return cost.slow_link(fault.gpu, 1);
  if (fault.kind == FaultKind::nic && cost.set_adapter(fault.gpu, true) > 0 && fault_reports_[f].answer == "reroute")
    return;
  if (m.power == Power::starting) return;  // it comes back as a whole
  cost.restore();
  for (int r = 0; r < m.instance->ranks(); ++r) m.instance->restore_rank(r);
  empty_lobby();
}
}  // namespace moesim
