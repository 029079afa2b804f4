#include "sizing/pretraining/whole_run.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/interrupt.h"
#include "results/study.h"
#include "sizing/pretraining/judging.h"

namespace moesim::sizing {
namespace {
constexpr double kHour = 3600, kDay = 86400;
}  // namespace

Spread spread_of(std::vector<double> values, double share) {
  constexpr double kRounding = 1e-9;  // 0.9 of ten are nine
  const double count = double(values.size());
  const auto at = std::clamp(std::ceil(share * count * (1 - kRounding)), 1.0, count);
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  const auto nth = values.begin() + std::ptrdiff_t(at) - 1;
  std::ranges::nth_element(values, nth);
  return {sum / count, *nth};
}

void Interruptions::add(double begin, double end) {
  const One before = all_.empty() ? One{} : all_.back();
  all_.push_back({before.worked + (begin - before.end), end});
}

double Interruptions::least_days(double work) const {
  constexpr double kRounding = 1e-9;  // a run is a sum of many steps, this is a product
  const auto next = std::ranges::lower_bound(all_, work, {}, &One::worked);
  const One last = next == all_.begin() ? One{} : next[-1];
  return (last.end + work - last.worked) / kDay * (1 - kRounding);
}

WholeRun::WholeRun(const Job& job, const Mapping& mapping, double step)
    : job_(job), mapping_(mapping), section_(job.campaign) {
  section_.checkpoint.interval_hours = interval_hours(job, mapping);
  const Config scenario = Config::from_text(run_scenario_text(job, mapping, 0), job.file);
  results::StudyEnd end;
  const bool needs_schedule = section_.ramp.from > 0;
  const training::TrainingPlan plan = needs_schedule ? training::read_plan(scenario) : training::read_shape(scenario);
  steps_ = training::campaign_steps(scenario, job.seed, section_, plan, step, end);
  stop_if_interrupted();
}

RunFigures WholeRun::play(int spares, const RunChange& change, int draw, Interruptions* seen) const {
  training::CampaignSection section = section_;
  section.failures.spare_nodes = spares;
  for (double* mtbf : {&section.failures.gpu_mtbf_hours, &section.failures.nic_mtbf_hours,
                       &section.failures.node_mtbf_hours, &section.stragglers.gpu_mtbf_hours})
    *mtbf *= change.mtbf;
  training::CampaignSteps steps = steps_;
  steps.parts.front().tokens *= change.tokens;
  const training::CampaignOutcome out = steps.play(section, job_.seed + std::uint64_t(draw));
  if (seen != nullptr && section.stragglers.gpu_mtbf_hours <= 0)
    for (const training::Incident& i : out.incidents) seen->add(i.time, i.time + i.waiting + i.restart);
  RunFigures f;
  f.spares = spares;
  f.days = out.seconds / kDay;
  f.gpu_hours = out.seconds / kHour * steps.gpus;
  f.paid_gpus = paid_gpus(mapping_, spares);
  f.cost = f.paid_gpu_hours() * mapping_.node->gpu_hour;
  f.goodput = out.productive / out.seconds;
  f.energy = out.seconds * steps.gpus * mapping_.node->node.gpu.power.v * section.power_share;
  f.failures = double(out.gpu_failures + out.nic_failures + out.node_failures);
  f.saving = out.checkpoints / kDay;
  f.lost = out.lost / kDay;
  f.restarting = out.restarting / kDay;
  f.waiting = out.waiting / kDay;
  f.straggling = out.straggling / kDay;
  return f;
}

DrawnRun WholeRun::drawn(int spares, const RunChange& change, DrawnInterruptions* seen) const {
  const int draws = job_.draws();
  if (seen != nullptr) seen->assign(std::size_t(draws), {});
  DrawnRun out;
  std::vector<RunFigures> all;
  std::vector<double> days;
  int met = 0;
  for (int k = 0; k < draws; ++k) {
    const RunFigures& f =
        all.emplace_back(play(spares, change, k, seen != nullptr ? &(*seen)[std::size_t(k)] : nullptr));
    days.push_back(f.days);
    met += missed(job_, f.days, f.cost, true).empty();
    stop_if_interrupted();
  }
  out.own = all.front();
  static_cast<RunFigures&>(out) = all.front();  // nodes in waiting, and what is paid for
  for (double RunFigures::*figure : {&RunFigures::days, &RunFigures::gpu_hours, &RunFigures::cost, &RunFigures::goodput,
                                     &RunFigures::energy, &RunFigures::failures, &RunFigures::saving, &RunFigures::lost,
                                     &RunFigures::restarting, &RunFigures::waiting, &RunFigures::straggling}) {
    double sum = 0;
    for (const RunFigures& f : all) sum += f.*figure;
    out.*figure = sum / draws;
  }
  out.within_days = spread_of(std::move(days), job_.section.targets.share).within;
  out.within_cost = out.within_days * 24 * out.paid_gpus * mapping_.node->gpu_hour;
  out.met = double(met) / draws;
  return out;
}

std::vector<int> spares_of(const Job& job, const Mapping& m) {
  const int most_gpus = job.section.targets.gpus;
  const auto may_be_had = [&](int spares) {
    return spares <= m.node->choice.most - m.nodes &&
           (most_gpus == 0 || (std::int64_t(m.nodes) + spares) * m.used_of_node <= most_gpus);
  };
  std::vector<int> out = job.spares;
  if (out.empty()) {
    out.push_back(0);
    for (int n = 1; may_be_had(n); n *= 2) out.push_back(n);
  }
  std::erase_if(out, [&](int n) { return !may_be_had(n); });
  return out;
}

double paid_gpus(const Mapping& m, int spares) { return (double(m.nodes) + spares) * m.node->node.gpus; }
}  // namespace moesim::sizing
