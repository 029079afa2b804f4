// Definitions: training steps and whole training runs.
#include "results/metrics.h"

namespace moesim::results {
namespace {
using enum Better;
constexpr MetricDefinition kTraining[] = {
    {"forward_time", "", "s", neither, "run stage",
     "of a step, forward passes alone on the compute stream; this and the next six are means over simulated GPUs and "
     "steps (under stage, over the stage's GPUs) and add up to `step_time` with `exposed_communication_time`"},
    {"backward_time", "", "s", neither, "run stage",
     "of a step, backward passes alone: for inputs and weights, or for inputs where a schedule splits them"},
    {"weight_time", "", "s", neither, "run stage", "of a step, backward passes for weights alone, where split off"},
    {"overlapped_time", "", "s", neither, "run stage", "of a step, a forward and a backward pass woven into one"},
    {"bubble_time", "", "s", less, "run stage", "of a step, nothing to compute: waiting for another pipeline stage"},
    {"optimizer_time", "", "s", less, "run stage", "of a step, updating the weights"},
    {"host_time", "", "s", less, "run stage",
     "of a step, nothing to run on the compute stream since the host has not launched it yet"},
    {"tokens_per_day", "", "tokens/day", more, "run", "tokens of a step over `step_time`, all GPUs"},
    {"tflops_causal", "", "TFLOP/s", more, "run",
     "FLOPs of the model a GPU and second, three times the forward pass, attention counted below the diagonal"},
    {"tflops_noncausal", "", "TFLOP/s", more, "run",
     "FLOPs of the model a GPU and second, three times the forward pass, attention counted over the whole square"},
    {"mfu_bf16_*", "causal noncausal", "", more, "run", "`tflops_...` over the GPU's BF16 peak"},
    {"mfu_fp8_*", "causal noncausal", "", more, "run", "`tflops_...` over the GPU's FP8 peak; 0 where it has none"},
    {"gpu_hours_per_trillion_tokens", "", "h", less, "run",
     "hours times all GPUs for 10^12 tokens, at `tokens_per_day`"},
    {"gpus", "", "", neither, "run pool",
     "GPUs of the training cluster in use; of a serving deployment, switched on, mean over the window, folded ones "
     "included",
     "place training serving"},
    {"simulated_gpus", "", "", neither, "run", "GPUs simulated one by one; the others do as these"},
    {"data_parallel", "", "", neither, "run", "replicas of the dense part of the model"},
    {"micro_batches", "", "", neither, "run", "micro-batches that a replica passes through the pipeline in a step"},
    {"batch_tokens", "", "tokens", neither, "run", "tokens of a step, all replicas"},
    {"trained_parameters", "", "", neither, "run",
     "of all low-rank adapters, where they are trained in place of the weights"},
    {"memory_in_use", "", "B", neither, "stage/time",
     "most that the stage's first GPU in the first replica held during the instruction that ends then, in the first "
     "step"},
    {"layers", "", "", neither, "stage", "layers that the pipeline rank holds, in all of its chunks"},
    {"expert_imbalance", "", "", less, "balance_step",
     "max over mean, minus 1, of the expected loads of a layer's experts after so many steps of bias balancing; mean "
     "over MoE layers"},
};

constexpr MetricDefinition kRuns[] = {
    {"straggler_step_factor", "", "", less, "run", "`step_time` with one slow GPU over that with none"},
    {"run_days", "", "days", less, "run", "length of the whole run, interruptions included"},
    {"run_days_mean", "", "days", less, "run",
     "of the answer to a training plan: `run_days`, mean over the draws of its failures"},
    {"run_days_within", "", "days", less, "run",
     "likewise: that the share of the draws asked for (targets.share) takes at most; held against the deadline"},
    {"run_cost_mean", "", "USD", less, "run", "likewise: `run_cost`, mean over the draws"},
    {"run_cost_within", "", "USD", less, "run", "likewise, of `run_days_within`; held against the budget"},
    {"run_share_met", "", "", more, "run", "likewise: share of the draws within deadline and budget"},
    {"run_steps", "", "", neither, "run", "steps of the run, those done again after failures included"},
    {"run_tokens", "", "tokens", neither, "run", "tokens trained, those lost in failures left out"},
    {"run_tokens_per_day", "", "tokens/day", more, "run", "`run_tokens` over `run_days`"},
    {"run_goodput", "", "", more, "run",
     "share of the run spent on steps that count: without checkpoints, lost work, restarts, waiting and the excess of "
     "slow steps"},
    {"run_checkpoint_time", "", "s", less, "run", "training stood still to save"},
    {"run_lost_time", "", "s", less, "run", "work since the last checkpoint that failures undid"},
    {"run_restart_time", "", "s", less, "run",
     "from failures and found stragglers until training went on, waiting for a "
     "spare left out"},
    {"run_waiting_time", "", "s", less, "run", "waited for a repair because no spare node was left"},
    {"run_straggling_time", "", "s", less, "run", "by which slow GPUs lengthened steps"},
    {"run_gpu_failures", "", "", less, "run", "failures of a GPU in the run"},
    {"run_nic_failures", "", "", less, "run", "failures of a network adapter in the run"},
    {"run_node_failures", "", "", less, "run", "failures of the rest of a node in the run"},
    {"run_stragglers", "", "", less, "run", "GPUs that turned slow in the run"},
    {"run_gpu_hours", "", "h", less, "run", "length of the run times all GPUs that train"},
    {"run_paid_gpus", "", "", less, "run", "all GPUs of the run's nodes and of its spare nodes, idle ones too"},
    {"run_cost", "", "USD", less, "run", "length of the run times `run_paid_gpus`, at the GPU's price an hour"},
    {"run_energy", "", "J", less, "run",
     "length of the run times all GPUs at their board limit times `power_share`, standstill included"},
};
}  // namespace

std::span<const MetricDefinition> training_metrics() { return kTraining; }
std::span<const MetricDefinition> training_run_metrics() { return kRuns; }
}  // namespace moesim::results
