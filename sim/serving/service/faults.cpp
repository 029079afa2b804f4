#include "serving/service/faults.h"

#include <fmt/format.h>

#include <algorithm>

namespace moesim::serving {

FaultHandler::FaultHandler(Engine& engine, Fleet& fleet, Dispatcher& dispatcher, KvMover* mover,
                           const std::vector<Fault>& faults, int gpus_per_node)
    : engine_(engine), fleet_(fleet), dispatcher_(dispatcher), mover_(mover), gpus_per_node_(gpus_per_node) {
  for (const Fault& fault : faults) {
    // What is not there is named before anything runs.
    at_key(fmt::format("faults[{}]", reports_.size()), [&] { (void)member_of(fault); });
    reports_.push_back({.fault = fault, .answer = {}});
  }
}

void FaultHandler::start() {
  for (std::size_t f = 0; f < reports_.size(); ++f) engine_.at(reports_[f].fault.at, "fault", [this, f] { happen(f); });
}

Fleet::Member& FaultHandler::member_of(const Fault& fault) {
  if (!(fault.share > 0 && fault.share <= 1))
    throw ConfigError("share", fmt::format("must be above 0 and at most 1, got {}", fault.share));
  for (std::size_t p = 0; p < fleet_.pools().size(); ++p) {
    if (!fault.pool.empty() && fleet_.pools()[p].name != fault.pool) continue;
    int number = fault.instance;
    for (Fleet::Member& m : fleet_)
      if (m.pool == p && number-- == 0) {
        const int gpus = fleet_.pools()[p].gpus;
        if (fault.gpu < 0 || fault.gpu >= gpus)
          throw ConfigError("gpu", fmt::format("there is no GPU {} in an instance of {}", fault.gpu, gpus));
        return m;
      }
  }
  const bool known =
      fault.pool.empty() || std::ranges::find(fleet_.pools(), fault.pool, &PoolShape::name) != fleet_.pools().end();
  throw ConfigError(known ? "instance" : "pool",
                    fmt::format("there is no instance {} in pool \"{}\"", fault.instance, fault.pool));
}

void FaultHandler::slow_adapter(const Fault& fault, const Fleet::Member& member, double share) {
  if (mover_ != nullptr) mover_->slow(member.first_gpu + fault.gpu, share);
}

void FaultHandler::slow_down(const Fault& fault, Fleet::Member& member, double share) {
  StepModel& model = member.instance->step_model();
  if (fault.kind == FaultKind::slow_gpu) return model.slow_gpu(fault.gpu, share);
  model.slow_link(fault.gpu, share);
  slow_adapter(fault, member, share);
}

void FaultHandler::happen(std::size_t f) {
  FaultReport& report = reports_[f];
  const Fault& fault = report.fault;
  Fleet::Member& m = member_of(fault);
  if (fault.repair.v > 0) engine_.after(fault.repair, "repaired", [this, f] { repair(f); });
  if (fault.kind == FaultKind::slow_gpu || fault.kind == FaultKind::slow_link) {
    report.answer = "slower";
    return slow_down(fault, m, fault.share);
  }
  if (fault.kind == FaultKind::nic)
    if (const double left = m.instance->step_model().set_adapter(fault.gpu, false); left > 0) {
      report.answer = "reroute";
      slow_adapter(fault, m, left);
      report.stalled = fault.detect;
      return m.instance->hold_until(engine_.now() + fault.detect);
    }
  lose_gpus(f);
}

/// The fault's GPU or node is gone, with the ranks on it; or the whole instance, where it cannot go on without.
void FaultHandler::lose_gpus(std::size_t f) {
  FaultReport& report = reports_[f];
  const Fault& fault = report.fault;
  Fleet::Member& m = member_of(fault);
  Instance& instance = *m.instance;
  const PoolShape& pool = fleet_.pool_of(m);
  const bool node = fault.kind == FaultKind::node;
  const int first = node ? fault.gpu / gpus_per_node_ * gpus_per_node_ : fault.gpu;
  const int count = node ? std::min(gpus_per_node_, pool.gpus - first) : 1;
  const StepModel::Loss loss = instance.step_model().lose_gpus(first, count, fault.answer == FaultAnswer::mask,
                                                               fault.answer == FaultAnswer::restart);
  const bool whole = fault.answer == FaultAnswer::restart || loss.fatal;
  report.masked_share = loss.masked_share;
  report.answer = whole ? "restart" : loss.answer;
  report.stalled = fault.detect + (whole ? pool.start_up : loss.reload);
  if (whole) restart(f, report.stalled);
  const int per_stage = pool.tensor * instance.ranks();
  std::vector<bool> lost(std::size_t(instance.ranks()), whole);
  for (int g = first; g < first + count; ++g) lost[std::size_t(g % per_stage / pool.tensor)] = true;
  for (int r = 0; r < instance.ranks(); ++r)
    if (lost[std::size_t(r)]) {
      report.retried += instance.load(r).requests;
      report.lost_tokens += instance.lose_rank(r, true);
    }
  instance.hold_until(engine_.now() + report.stalled);
}

/// The instance starts anew, with all its ranks and its experts where they were.
void FaultHandler::restart(std::size_t f, Time after) {
  member_of(reports_[f].fault).power = PowerState::starting;
  engine_.after(after, "instance up", [this, f] {
    Fleet::Member& back = member_of(reports_[f].fault);
    for (int r = 0; r < back.instance->ranks(); ++r) back.instance->restore_rank(r);
    back.instance->step_model().restore();
    if (back.power == PowerState::starting) back.power = PowerState::on;
    dispatcher_.empty_lobby();
  });
}

void FaultHandler::repair(std::size_t f) {
  const Fault& fault = reports_[f].fault;
  Fleet::Member& m = member_of(fault);
  StepModel& model = m.instance->step_model();
  if (fault.kind == FaultKind::slow_gpu || fault.kind == FaultKind::slow_link) return slow_down(fault, m, 1);
  if (fault.kind == FaultKind::nic) {
    slow_adapter(fault, m, 1);
    if (model.set_adapter(fault.gpu, true) > 0 && reports_[f].answer == "reroute") return;
  }
  if (m.power == PowerState::starting) return;  // it comes back as a whole
  model.restore();
  for (int r = 0; r < m.instance->ranks(); ++r) m.instance->restore_rank(r);
  dispatcher_.empty_lobby();
}
}  // namespace moesim::serving
