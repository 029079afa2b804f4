#include "training/study.h"

#include <fmt/format.h>

#include <algorithm>

#include "compute/kernels/provenance.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "network/network_report.h"
#include "placement/section.h"
#include "placement/sharing_note.h"
#include "training/balance.h"
#include "training/campaign.h"
#include "training/step.h"

namespace moesim::training {
namespace {
void write_figures(results::Results& results, const StepFigures& f, std::string_view scope = "run") {
  results.metric("step_time", f.step_time, "s", scope);
  for (std::size_t k = 0; k < schedule::kSpent; ++k)
    results.metric(fmt::format("{}_time", name_of(schedule::Spent(k))), f.spent[k], "s", scope);
  results.metric("tokens_per_day", f.tokens_per_second * 86400, "tokens/day", scope);
  results.metric("tflops_causal", f.tflops_causal, "TFLOP/s", scope);
  results.metric("tflops_noncausal", f.tflops_noncausal, "TFLOP/s", scope);
  results.metric("mfu_bf16_causal", f.mfu_bf16_causal, "", scope);
  results.metric("mfu_bf16_noncausal", f.mfu_bf16_noncausal, "", scope);
  results.metric("mfu_fp8_causal", f.mfu_fp8_causal, "", scope);
  results.metric("mfu_fp8_noncausal", f.mfu_fp8_noncausal, "", scope);
  results.metric("gpu_hours_per_trillion_tokens", f.gpu_hours_per_trillion_tokens, "h", scope);
  results.metric("peak_memory", double(f.peak_memory), "B", scope);
}

void write_stages(results::Results& results, const StepFigures& f) {
  for (std::size_t stage = 0; stage < f.stages.size(); ++stage)
    for (std::size_t k = 0; k < schedule::kSpent; ++k) {
      results.add(results::Table::stage, {stage, name_of(schedule::Spent(k)), f.stages[stage][k]});
      results.metric(fmt::format("{}_time", name_of(schedule::Spent(k))), f.stages[stage][k], "s",
                     fmt::format("stage:{}", stage));
    }
}

/// What the pipeline of the first step did, for a picture of it.
void write_instructions(results::Results& results, const schedule::StepOutcome& step) {
  constexpr std::size_t kMost = 20'000;  // rows: about 1 MB
  if (step.instructions.size() >= kMost) return;
  for (const schedule::InstructionTime& t : step.instructions) {
    const bool numbered = t.instruction.op != schedule::Op::optimizer;
    results.add(results::Table::instruction,
                {t.rank, name_of(t.instruction.op), int(t.instruction.chunk),
                 numbered ? results::Results::Value(int(t.instruction.micro_batch)) : results::Results::null(), t.start,
                 t.end});
    results.reading("memory_in_use", t.end, double(t.held.v), "B", fmt::format("stage:{}", t.rank));
  }
}

/// One row a simulated GPU, of the last step.
void write_gpus(results::Results& results, TrainingSetup& setup, const schedule::StepOutcome& step) {
  const TrainingPlan& plan = setup.plan();
  for (const schedule::GpuOutcome& g : step.gpus) {
    const auto spent = [&](schedule::Spent s) { return g.spent[std::size_t(s)]; };
    const GpuId gpu = setup.costs().gpu(g.seat);
    const Time idle = spent(schedule::Spent::bubble), exposed = spent(schedule::Spent::exposed_communication);
    std::int64_t rows = 0;
    if (setup.loads() != nullptr)
      for (int chunk = 0; chunk < plan.schedule.chunks; ++chunk) {
        const int stage = plan.schedule.stage_of(g.seat.rank, chunk);
        rows += setup.loads()
                    ->statistics()
                    .gpu_rows[(std::size_t(g.seat.replica) * plan.stages.size() + std::size_t(stage)) *
                                  std::size_t(plan.members) +
                              std::size_t(g.seat.member)];
      }
    results.add(results::Table::gpu,
                {index(gpu), index(setup.network().topology().node_of(gpu)), g.seat.rank, step.step - idle - exposed,
                 g.communicating, exposed, idle, results::Results::null(), rows, g.peak_memory});
  }
}

void write_memory(results::Results& results, TrainingSetup& setup, const schedule::StepOutcome& step) {
  for (int rank = 0; rank < setup.plan().schedule.ranks; ++rank) {
    Bytes peak{};
    for (const schedule::GpuOutcome& g : step.gpus)
      if (g.seat.rank == rank) peak = std::max(peak, g.peak_memory);
    const compute::MemoryUse& use = setup.costs().resident_use(rank);
    const std::string scope = fmt::format("stage:{}", rank);
    for (const compute::MemoryItem& item : use.items)
      results.add(results::Table::memory, {scope, item.name, item.bytes});
    results.add(results::Table::memory, {scope, "activations in flight", peak - use.total()});
    results.metric("peak_memory", double(peak.v), "B", scope);
  }
}

void write_routing(results::Results& results, const TrainingLoads& loads) {
  const TrainingLoads::Statistics& s = loads.statistics();
  const double draws = std::max(1.0, s.draws);
  results.metric("balancedness", s.balancedness / draws, "");
  results.metric("imbalance", s.imbalance / draws, "");
  results.metric("expert_load_max_over_mean", s.expert_max_over_mean / draws, "");
  results.metric("expert_load_gini", s.expert_gini / std::min(256.0, draws), "");
  results.metric("nodes_per_token", s.nodes_per_token / draws, "");
  results.metric("tokens_dropped", s.rows > 0 ? double(s.dropped) / double(s.rows + s.dropped) : 0, "");
  for (std::size_t row = 0; row < s.layers.size(); ++row)
    for (std::size_t e = 0; e < s.tokens[row].size(); ++e)
      results.add(results::Table::expert_load, {s.layers[row], "train", e, s.tokens[row][e]});
}

void write_plan(results::Results& results, const TrainingPlan& plan) {
  results.metric("gpus", plan.gpus, "");
  results.metric("simulated_gpus", double(plan.replicas) * plan.schedule.ranks * plan.members, "");
  results.metric("data_parallel", plan.data, "");
  results.metric("micro_batches", plan.micro_batches, "");
  results.metric("batch_tokens", double(plan.tokens_per_step()), "tokens");
  if (plan.setup.options.adapters.rank > 0) results.metric("trained_parameters", adapter_parameters(plan), "");
  results.metric("cost_per_hour", plan.gpus * plan.cluster.node.gpu.price.v, "USD");
  for (int rank = 0; rank < plan.schedule.ranks; ++rank) {
    int layers = 0;
    for (int chunk = 0; chunk < plan.schedule.chunks; ++chunk)
      for (const PlanBlock& b : plan.stages[std::size_t(plan.schedule.stage_of(rank, chunk))])
        layers += b.kind == PlanBlock::Kind::layer;
    results.metric("layers", layers, "", fmt::format("stage:{}", rank));
  }
}

void write_balance(results::Results& results, const results::StudyRun& run, const TrainingSetup& setup) {
  const TrainingPlan& plan = setup.plan();
  if (!plan.model.moe || !run.scenario.at("training").has("balance")) return;
  const auto source = routing::make_traffic(run.scenario.at_or_empty("routing"),
                                            {routing::gate_shape(*plan.model.moe),
                                             {plan.members, std::min(plan.members, plan.cluster.node.gpus)},
                                             run.seed,
                                             std::nullopt});
  const BalanceHistory history = balance_history(run.scenario.at("training"), plan, *source);
  for (std::size_t i = 0; i < history.steps.size(); ++i)
    results.metric("expert_imbalance", history.imbalance[i], "", fmt::format("balance_step:{}", history.steps[i]));
}
/// The balancedness of each step, out of the sums that the loads keep.
class StepBalance {
 public:
  explicit StepBalance(const TrainingLoads* loads) : loads_(loads) {}
  results::Results::Value of_last_step() {
    if (loads_ == nullptr) return results::Results::null();
    const TrainingLoads::Statistics& s = loads_->statistics();
    const double sum = s.balancedness - balancedness_, draws = s.draws - draws_;
    balancedness_ = s.balancedness;
    draws_ = s.draws;
    return draws > 0 ? results::Results::Value(sum / draws) : results::Results::null();
  }

 private:
  const TrainingLoads* loads_;
  double balancedness_ = 0, draws_ = 0;
};
}  // namespace

std::vector<KeyHelp> training_keys() { return keys_of<TrainingSection>(); }

results::StudyEnd run_training(results::StudyRun& run) {
  if (run.scenario.at("training").has("run")) check_campaign(run.scenario);
  TrainingSetup setup(run.scenario, run.seed);
  const TrainingPlan& plan = setup.plan();
  write_plan(run.results, plan);
  forward::write_assumptions(run.results, "run", plan.setup);
  if (plan.model.moe)
    placement::write_sharing(run.results, "run", placement::read_replica_choice(run.scenario),
                             std::ranges::any_of(setup.placement(), exchange::has_copies));
  std::vector<schedule::StepOutcome> steps;
  results::StudyEnd end;
  StepBalance balance(setup.loads());
  {
    Progress progress("training", std::uint64_t(plan.section.steps), "steps");
    for (int step = 0; step < plan.section.steps && !end.interrupted; ++step) {
      const Time start = setup.engine().now();
      steps.push_back(setup.run(step, &run.spans));
      run.results.add(results::Table::step, {step, 0, "train", start, setup.engine().now(), plan.section.batch,
                                             plan.tokens_per_step(), balance.of_last_step()});
      progress.at(std::uint64_t(step) + 1);
      end.interrupted = interrupted();
    }
  }
  const StepFigures figures = figures_of(plan, steps);
  write_figures(run.results, figures);
  run.results.metric("tokens_per_gpu_second", figures.tokens_per_second / plan.gpus, "tokens/s");
  write_stages(run.results, figures);
  write_instructions(run.results, steps.front());
  write_gpus(run.results, setup, steps.back());
  write_memory(run.results, setup, steps.back());
  network::write_network(run.results, setup.network(), setup.link_totals_of_all());
  if (setup.loads() != nullptr) write_routing(run.results, *setup.loads());
  if (setup.rebalancing() != nullptr) write_rebalancing(run.results, *setup.rebalancing());
  compute::write_provenance(run.results, setup.kernels().summary());
  write_balance(run.results, run, setup);
  end.fingerprint = setup.engine().fingerprint();
  end.events = setup.engine().executed();
  end.simulated_time = setup.engine().now();
  if (run.scenario.at("training").has("run") && !end.interrupted) run_campaign(run, setup, figures, end);
  return end;
}
}  // namespace moesim::training
