#include "sizing/pretraining/step_trial.h"

#include <algorithm>

#include "core/interrupt.h"
#include "results/summary.h"
#include "sizing/trial_book.h"
#include "training/costs.h"
#include "training/step.h"

namespace moesim::sizing {
namespace {
constexpr int kFewMicroBatches = 5;  // times the pipeline's depth: two and three times are simulated anyhow

/// What fills the fullest GPU of a step.
std::string memory_of(training::TrainingSetup& setup, const schedule::StepOutcome& step) {
  const auto fullest = std::ranges::max_element(step.gpus, {}, &schedule::GpuOutcome::peak_memory);
  const compute::MemoryUse& use = setup.costs().resident_use(fullest->seat.rank);
  std::vector<compute::MemoryItem> items = use.items;
  items.push_back({"activations", fullest->peak_memory - use.total()});
  return compute::largest_items(items, items.size());
}

StepResult result_of(training::TrainingSetup& setup, const std::vector<schedule::StepOutcome>& steps) {
  const training::StepFigures f = training::figures_of(setup.plan(), steps);
  const auto spent = [&](schedule::Spent s) { return f.spent[std::size_t(s)]; };
  return {f.step_time,
          f.mfu_bf16_causal,
          spent(schedule::Spent::bubble),
          spent(schedule::Spent::exposed_communication),
          f.peak_memory,
          false,
          memory_of(setup, steps.back())};
}

/// A step of so many sequences; 0: the job's own.
StepResult simulated(const std::string& text, const Job& job, int batch) {
  if (job.book != nullptr)
    if (const std::optional<StepResult> known = job.book->find({text, job.seed, batch})) return *known;
  const Config scenario = Config::from_text(text, job.file);
  training::TrainingSetup setup(scenario, job.seed, {.batch = batch});
  std::vector<schedule::StepOutcome> steps;  // as many as the answer's scenario has
  for (int step = 0; step < setup.plan().section.steps; ++step) {
    steps.push_back(setup.run(step, nullptr));
    stop_if_interrupted();
  }
  const StepResult out = result_of(setup, steps);
  if (job.book != nullptr) job.book->add({text, job.seed, batch}, out);
  return out;
}

/// The line through a shorter and a longer step, at the job's batch.
StepResult drawn_out(const StepResult& shorter, const StepResult& longer, double from, double to, double at) {
  const auto line = [&](double a, double b) { return a + (b - a) * (at - from) / (to - from); };
  StepResult out = longer;
  out.step = line(shorter.step, longer.step);
  out.bubble = line(shorter.bubble, longer.bubble);
  out.exposed = line(shorter.exposed, longer.exposed);
  out.mfu_bf16 = longer.mfu_bf16 * (longer.step / to) / (out.step / at);
  out.drawn_out = true;
  return out;
}
}  // namespace

std::string days_text(double days) {
  return days < 1 ? results::pretty(days * 86400, "s") : fmt::format("{:.1f} days", days);
}

double least_step(const Job& job, const Mapping& mapping) {
  const Config scenario = Config::from_text(scenario_text(job, mapping), job.file);
  training::TrainingSetup setup(scenario, job.seed);
  const training::TrainingPlan& plan = setup.plan();
  double most = 0;
  for (int rank = 0; rank < plan.schedule.ranks; ++rank) {
    double busy = 0;
    for (int chunk = 0; chunk < plan.schedule.chunks; ++chunk)
      for (const training::PlanBlock& block : plan.stages[std::size_t(plan.schedule.stage_of(rank, chunk))])
        busy += training::block_seconds(plan, block, setup.kernels());
    most = std::max(most, busy);
  }
  return most * plan.micro_batches_of_chunk();
}

StepResult simulate_step(const Job& job, const Mapping& m, bool full) {
  const std::string scenario = scenario_text(job, m);
  const int replica = m.data() * m.micro_batch;  // sequences of one micro-batch of all replicas
  const int micro_batches = job.batch / replica;
  if (full || micro_batches <= kFewMicroBatches * m.pipeline + 3) return simulated(scenario, job, 0);
  const int few = std::max(2, 2 * m.pipeline), more = std::max(4, 3 * m.pipeline);
  const StepResult shorter = simulated(scenario, job, few * replica), longer = simulated(scenario, job, more * replica);
  return drawn_out(shorter, longer, few, more, micro_batches);
}
}  // namespace moesim::sizing
