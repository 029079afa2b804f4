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
  struck_.resize(reports_.size());
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
  if (fault.kind == FaultKind::node) return happen_to_node(f);
  lose_gpus(f, std::size_t(m.instance->shape().number), fault.gpu, 1);
}

/// Every instance that has GPUs on the node loses them.
void FaultHandler::happen_to_node(std::size_t f) {
  const Fault& fault = reports_[f].fault;
  const int from = (member_of(fault).first_gpu + fault.gpu) / gpus_per_node_ * gpus_per_node_;
  for (std::size_t i = 0; i < fleet_.size(); ++i) {
    const Fleet::Member& m = fleet_[i];
    const int first = std::max(from, m.first_gpu) - m.first_gpu;
    const int end = std::min(from + gpus_per_node_ - m.first_gpu, fleet_.pool_of(m).gpus);
    if (first < end && m.power != PowerState::off) lose_gpus(f, i, first, end - first);
  }
}

/// GPUs of an instance are gone, with the ranks on them; or the whole instance, where it cannot go on without.  The
/// fault's report is of all its instances: what was lost in all, and of what was done the most.
void FaultHandler::lose_gpus(std::size_t f, std::size_t member, int first, int count) {
  FaultReport& report = reports_[f];
  const Fault& fault = report.fault;
  Fleet::Member& m = fleet_[member];
  Instance& instance = *m.instance;
  const PoolShape& pool = fleet_.pool_of(m);
  const StepModel::Loss loss = instance.step_model().lose_gpus(first, count, fault.answer == FaultAnswer::mask,
                                                               fault.answer == FaultAnswer::restart);
  const bool whole = fault.answer == FaultAnswer::restart || loss.fatal;
  const Time stalled = fault.detect + (whole ? pool.start_up : loss.reload);
  report.masked_share = std::max(report.masked_share, loss.masked_share);
  if (report.answer != "restart") report.answer = whole ? "restart" : loss.answer;
  report.stalled = std::max(report.stalled, stalled);
  struck_[f].push_back(member);
  if (whole) restart(member, stalled);
  const int per_stage = pool.width() * instance.ranks();
  std::vector<bool> lost(std::size_t(instance.ranks()), whole);
  for (int g = first; g < first + count; ++g) lost[std::size_t(g % per_stage / pool.width())] = true;
  for (int r = 0; r < instance.ranks(); ++r)
    if (lost[std::size_t(r)]) {
      report.retried += instance.load(r).requests;
      report.lost_tokens += instance.lose_rank(r, true);
    }
  instance.hold_until(engine_.now() + stalled);
}

/// The instance starts anew, with all its ranks and its experts where they were.
void FaultHandler::restart(std::size_t member, Time after) {
  fleet_[member].power = PowerState::starting;
  engine_.after(after, "instance up", [this, member] {
    Fleet::Member& back = fleet_[member];
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
  for (const std::size_t struck : struck_[f]) {
    Fleet::Member& back = fleet_[struck];
    if (back.power == PowerState::starting) continue;  // it comes back as a whole
    back.instance->step_model().restore();
    for (int r = 0; r < back.instance->ranks(); ++r) back.instance->restore_rank(r);
  }
  dispatcher_.empty_lobby();
}
}  // namespace moesim::serving
