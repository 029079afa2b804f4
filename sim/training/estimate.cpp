// What a training study takes, from its section.
#include <algorithm>

#include "schedule/pipelines/size.h"
#include "training/campaign.h"
#include "training/plan.h"

namespace moesim::training {
namespace {
// Measured on catalogue scenarios, x86-64, release build: the program with model and kernels; what a GPU of the cluster
// takes in topology and groups; a span with its line of JSON.
constexpr double kProgram = 18e6, kClusterGpu = 4e3, kSpan = 40 + 160;
// By the structs: what the executor keeps of a micro-batch and chunk on each GPU (executor_state.h: inputs, kept) and
// each rank (finished; the loads' flight numbers); a step's outcome of a GPU (GpuOutcome).
constexpr double kCell = 5, kRankCell = 6, kOutcome = 104;
// Measured: train-mixtral-8x7b and train-deepseek-v3.
constexpr double kEventSeconds = 1e-6, kStart = 0.1;
constexpr double kCampaignStep = 30e-9;  // measured: train-deepseek-v3-run, a step of the whole run
constexpr double kStepHours =
    20 / 3600.0;  // assumed: of the whole run, as published runs have (train-deepseek-v3: 19 s)
}  // namespace

TrainingCounts counts_of(const TrainingPlan& plan, double chunks, bool two_way) {
  const TrainingSection& s = plan.section;
  TrainingCounts out;
  out.cluster_gpus = plan.cluster.gpus();
  out.replicas = plan.replicas;
  out.members = plan.members;
  out.ranks = s.parallel.pipeline;
  out.chunks = chunks;
  out.copies = two_way ? 2 : 1;
  out.micro_batches = plan.micro_batches;
  out.steps = s.steps;
  out.layers = plan.model.layers + double(plan.model.mtp_layers);
  out.moe_layers = plan.model.moe ? double(plan.model.moe_layers().size()) + plan.model.mtp_layers : 0;
  out.experts = plan.model.moe ? plan.model.moe->experts : 0;
  out.shared = plan.model.moe && plan.model.moe->shared_experts > 0;
  return out;
}

Estimate estimate(const TrainingCounts& n, bool spans) {
  Estimate out;
  const double stages = n.copies == 2 ? n.ranks : n.ranks * n.chunks;
  // Compute pieces that take time (block.h: 4 forward, 6 backward; 3 fewer without a shared expert, 4 fewer in a dense
  // layer), 4 exchanges, a send each way between stages, and embedding and head.
  const double moe = n.shared ? 14 : 11;
  const double batch = moe * n.moe_layers + 6 * (n.layers - n.moe_layers) + 2 * (stages - 1) + 5;
  const double columns = n.replicas * n.members;
  const double events = columns * (n.micro_batches * batch + 8 * n.ranks);
  out.events = n.steps * (events + (n.flows ? events * 4 / 14 * n.members : 0)) + n.campaign_steps;
  out.events_key = n.campaign_steps > out.events / 2 ? "training.run.tokens"
                   : n.steps > n.micro_batches       ? "training.steps"
                                                     : "training.batch";
  out.seconds = kStart + (out.events - n.campaign_steps) * kEventSeconds + n.campaign_steps * kCampaignStep;
  const double cells = n.ranks * n.chunks * n.micro_batches;
  out.hold("model", "the program and the model", kProgram);
  out.hold("cluster", rounded_count(n.cluster_gpus) + " GPUs of the cluster", n.cluster_gpus * kClusterGpu);
  out.hold(
      "training.batch",
      rounded_count(n.micro_batches) + " micro-batches on " + rounded_count(n.ranks * columns) + " GPUs",
      schedule::program_bytes(n.ranks, n.chunks, n.micro_batches) + cells * (columns * kCell + n.replicas * kRankCell));
  // Rows and tokens of each pair of a group (exchange_load.h), of every layer of the micro-batches in flight: as many
  // as ranks, or all if they are fewer.
  const double flying = std::min(n.micro_batches, n.ranks + 1) * n.copies;
  out.hold("training.parallel.expert",
           rounded_count(n.members) + " GPUs that exchange rows, " + rounded_count(flying) + " micro-batches in flight",
           n.replicas * flying * n.moe_layers * (8 * n.members * n.members + 4 * n.experts) +
               n.moe_layers * n.members * n.experts * 4);
  out.hold("training.steps", rounded_count(n.steps) + " steps", n.steps * n.ranks * columns * kOutcome);
  out.spans = {events * n.steps, columns * n.ranks, 0};
  if (spans) out.hold("training.batch", rounded_count(out.events) + " spans of the timeline", out.events * kSpan);
  return out;
}

Estimate estimate_training(const Config& scenario, bool spans) {
  const TrainingPlan plan = read_shape(scenario);
  const Config training = scenario.at("training");
  const auto policy = schedule::pipeline_schedules().make_or(training, "schedule", "1f1b");
  TrainingCounts n = counts_of(plan, policy->chunks(), policy->layout() == schedule::Layout::two_way);
  const Config network = scenario.at_or_empty("network");
  n.flows = (network.is_scalar() ? network.text() : network.has("kind") ? network.at("kind").text() : "") == "fluid";
  if (training.has("run")) {
    const CampaignSection run = read_campaign(training.at("run"));
    n.campaign_steps = run.tokens / double(std::max<std::int64_t>(1, plan.tokens_per_step()));
    for (const SequencePhase& p : run.phases)
      n.campaign_steps += p.tokens / std::max(1.0, double(p.batch) * p.sequence);
    if (run.ramp.from > 0) n.campaign_steps += run.ramp.tokens / (double(run.ramp.from) * plan.section.sequence);
    // Steps between two checkpoints are alike.
    n.campaign_steps = std::min(n.campaign_steps, 3 * n.campaign_steps * kStepHours / run.checkpoint.interval_hours);
    n.steps *= 2 + double(run.phases.size());  // the steps that the run's line needs besides
  }
  Estimate out = estimate(n, spans);
  if (n.ranks > 1 && policy->follows_times()) {
    // A step of fewer micro-batches says what the stages take (step.cpp), and the order is written for it.
    TrainingCounts few = n;
    few.micro_batches = std::min(n.micro_batches, 2 * n.ranks);
    few.steps = 1, few.campaign_steps = 0;
    const Config schedule = training.at("schedule");
    const std::string kind = schedule.is_scalar() ? schedule.text() : schedule.at("kind").text();
    out.seconds += estimate(few, false).seconds - kStart +
                   schedule::schedule_estimate(kind, n.ranks, n.chunks, n.micro_batches).seconds;
  }
  return out;
}
}  // namespace moesim::training
