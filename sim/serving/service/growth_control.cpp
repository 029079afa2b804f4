#include "serving/service/growth_control.h"

#include <algorithm>

namespace moesim::serving {

GrowthControl::GrowthControl(Engine& engine, Fleet& fleet, Dispatcher& dispatcher)
    : engine_(engine), fleet_(fleet), dispatcher_(dispatcher) {
  for (std::size_t p = 0; p < fleet.pools().size(); ++p)
    for (const Growth& g : fleet.pools()[p].growth) reports_.push_back({.pool = p, .ranks = g.data});
}

const Growth& GrowthControl::entry(std::size_t report) const {
  std::size_t number = report;
  while (number > 0 && reports_[number - 1].pool == reports_[report].pool) --number;
  return fleet_.pools()[reports_[report].pool].growth[report - number];
}

void GrowthControl::start() {
  for (Fleet::Member& m : fleet_) {
    const PoolShape& pool = fleet_.pool_of(m);
    for (int r = pool.first_ranks; !pool.growth.empty() && r < m.instance->ranks(); ++r) m.instance->lose_rank(r, true);
  }
  for (std::size_t r = 0; r < reports_.size(); ++r)
    if (r == 0 || reports_[r - 1].pool != reports_[r].pool)
      engine_.at(entry(r).at, "group grows", [this, r] { decide(r); });
}

/// Processes start and take their weights from those that serve, which go on.
void GrowthControl::decide(std::size_t r) {
  GrowthReport& report = reports_[r];
  const PoolShape& pool = fleet_.pools()[report.pool];
  StepModel::GrowthTimes longest;
  for (Fleet::Member& m : fleet_) {
    if (m.pool != report.pool) continue;
    const StepModel::GrowthTimes times = m.instance->step_model().prepare_growth();
    longest.prepare = std::max(longest.prepare, times.prepare);
    longest.move = std::max(longest.move, times.move);
  }
  report.prepare = pool.start_up + longest.prepare;
  engine_.after(report.prepare, "ranks join", [this, r, pause = entry(r).pause + longest.move] { join(r, pause); });
}

void GrowthControl::join(std::size_t r, Time pause) {
  GrowthReport& report = reports_[r];
  report.pause = pause;
  report.done = true;
  for (Fleet::Member& m : fleet_) {
    if (m.pool != report.pool) continue;
    m.instance->step_model().grow();
    m.instance->hold_until(engine_.now() + pause);
    for (int rank = 0; rank < report.ranks; ++rank)
      if (!m.instance->rank_up(rank)) m.instance->restore_rank(rank);
  }
  dispatcher_.empty_lobby();
  if (r + 1 < reports_.size() && reports_[r + 1].pool == report.pool)
    engine_.at(std::max(engine_.now(), entry(r + 1).at), "group grows", [this, r] { decide(r + 1); });
}
}  // namespace moesim::serving
