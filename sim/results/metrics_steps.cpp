// Definitions: steps and passes, routing, kernels and links, placements.
#include "results/metrics.h"

namespace moesim::results {
namespace {
using enum Better;
constexpr MetricDefinition kSteps[] = {
    {"step_time", "", "s", less, "run phase",
     "training: one step, first event to last, mean over the simulated steps; passes: first GPU in to last GPU out of "
     "all the phase's passes, over their number"},
    {"tokens_per_gpu_second", "", "tokens/s", more, "run phase pool",
     "tokens computed over `step_time` and GPUs: of a training step over all GPUs, of a phase's pass over its group; "
     "in "
     "serving, input and output tokens of the window over the GPU-seconds of all GPUs that were on, folded ones "
     "included (pool: of its own)",
     "training serving"},
    {"layer_time", "", "s", less, "phase", "`step_time` over the model's layers"},
    {"compute_time", "", "s", neither, "phase", "of a pass, the compute stream is busy; mean over GPUs"},
    {"exchange_time", "", "s", less, "phase",
     "of a pass, dispatches and combines under way, from joining one to its end, hidden or not; mean over GPUs"},
    {"exposed_communication_time", "", "s", less, "run stage phase pool/layer",
     "nothing to compute because bytes are under way: of a training step, mean over GPUs, waiting for slower GPUs of "
     "the exchange included; of a pass, mean over GPUs, without that; of a layer of a serving step, mean over the "
     "steps "
     "of the pool's first instance",
     "training"},
    {"exposed_communication_share", "", "", less, "phase",
     "share of a phase's time with bytes under way and nothing to compute; mean over GPUs"},
    {"straggler_time", "", "s", less, "phase",
     "of a pass, waiting for slower GPUs of the group to join an exchange; mean over GPUs"},
    {"straggler_share", "", "", less, "phase",
     "share of a phase's time spent waiting for slower GPUs of the group to join an exchange; mean over GPUs"},
    {"step_time_mean", "", "s", less, "run pool",
     "as `step_time_p90`, the mean; of passes, the decode phase's `step_time`", "passes serving"},
    {"step_time_*", "p50 p90 p95 p99 p999", "s", less, "run pool",
     "length of a step: of the pool's instances in the window; under run, of the last pool that decodes (of the "
     "first if none does)",
     "serving"},
    {"input_tokens_per_gpu_second", "", "tokens/s", more, "run pool",
     "prompt tokens over time and GPUs: of a prefill pass; in serving, of prompts admitted in the window (cached "
     "tokens "
     "included) over the GPU-seconds of all GPUs that were on (pool: of its own)",
     "passes serving"},
    {"input_tokens_per_node_second", "", "tokens/s", more, "run pool",
     "prompt tokens over time and nodes: of a prefill pass; in serving, of prompts admitted in the window (cached "
     "tokens "
     "included) over the node-seconds that instances computing prompts were on",
     "passes serving"},
    {"output_tokens_per_gpu_second", "", "tokens/s", more, "run pool",
     "tokens generated over time and GPUs: of a decode pass; in serving, in the window over the GPU-seconds of all "
     "GPUs "
     "that were on, those that compute prompts included (pool: of its own)",
     "passes serving"},
    {"output_tokens_per_node_second", "", "tokens/s", more, "run pool",
     "tokens generated over time and nodes: of a decode pass; in serving, in the window by the instances that decode, "
     "over the node-seconds that they were on",
     "passes serving"},
    {"*_attention_time", "prefill decode", "s", less, "layer",
     "attention and gate of a layer (embedding in the first); mean over passes and GPUs"},
    {"*_shared_time", "prefill decode", "s", less, "layer",
     "shared expert of a layer, or the FFN of a dense one; mean over passes and GPUs"},
    {"*_experts_time", "prefill decode", "s", less, "layer", "routed experts of a layer; mean over passes and GPUs"},
    {"*_slowest_experts_time", "prefill decode", "s", less, "layer",
     "routed experts of a layer on each pass's slowest GPU; mean over passes"},
    {"*_exchange_time", "prefill decode", "s", less, "layer",
     "dispatch and combine of a layer, from joining each to its end, waiting for slower GPUs included; mean over "
     "passes "
     "and GPUs"},
    {"*_balancedness", "prefill decode", "", more, "layer",
     "mean over max of the rows that a layer's GPUs compute; mean over passes"},
    {"peak_memory", "", "B", less, "run stage",
     "most memory in use on the fullest GPU: of training, of all simulated steps (under stage, of the last); of "
     "passes, "
     "what the larger phase keeps"},
};

constexpr MetricDefinition kRouting[] = {
    {"balancedness", "", "", more, "run phase layer placement pool pool/layer",
     "mean over max of the rows (tokens times experts) that a layer's GPUs compute, 1 if even; mean over MoE layers "
     "and "
     "steps; in serving of the window, steps weighted by their time (run: of the last pool that decodes); under "
     "layer and placement, of the loads that are scored",
     "place passes training serving"},
    {"imbalance", "", "", less, "run phase layer placement",
     "max over mean, minus 1, of the rows that a layer's GPUs compute; mean over MoE layers and steps; in serving 1 "
     "over "
     "`balancedness`, minus 1",
     "place passes training serving"},
    {"expert_load_max_over_mean", "", "", less, "run phase",
     "tokens of a layer's most loaded expert over the mean of its experts; mean over MoE layers (training: over layers "
     "and micro-batches)"},
    {"expert_load_gini", "", "", less, "run phase",
     "Gini coefficient of the tokens of a layer's experts, 0 if even; mean over MoE layers (training: over the first "
     "256 "
     "draws of a layer and micro-batch)"},
    {"nodes_per_token", "", "", less, "run phase placement",
     "distinct nodes that a token's experts in a layer are computed on, its own included; mean over tokens and MoE "
     "layers"},
    {"tokens_dropped", "", "", less, "run", "share of a token's choices of experts that a capacity limit drops",
     "training"},
};

constexpr MetricDefinition kKernels[] = {
    {"kernel_time_measured_share", "", "", more, "run pool",
     "share of the summed kernel time asked for whose very shape is in a table of measurements"},
    {"kernel_time_interpolated_share", "", "", more, "run pool",
     "share of the kernel time between measured shapes, or of a fitted equation inside its range"},
    {"kernel_time_extrapolated_share", "", "", less, "run pool kernel pool/kernel",
     "share of the kernel time of a fitted equation outside its range; under kernel, of all kernels of that kind"},
    {"kernel_time_equation_share", "", "", less, "run pool",
     "share of the kernel time of an equation that was fitted to nothing, or to another kind of kernel"},
    {"kernel_time_borrowed_share", "", "", less, "run pool",
     "share of the kernel time with efficiencies measured on another GPU generation"},
    {"kernel_time_lent_share", "", "", less, "lender pool/lender",
     "share of the kernel time with efficiencies measured on this other kind of kernel"},
    {"kernel_error_median", "", "", less, "run pool",
     "median error of the times of single kernels that were measured: mean over their classes, by rows"},
    {"kernel_error_p90", "", "", less, "run pool",
     "what nine of ten of the kernels measured stay within: mean over their classes, by rows"},
    {"kernel_error_borrowed_median", "", "", less, "run pool",
     "the median error where efficiencies of one GPU generation stood in for another's that was measured; only where "
     "kernels borrow"},
    {"kernel_error_borrowed_p90", "", "", less, "run pool", "the 90th percentile of these errors, likewise"},
    {"largest_extrapolation", "", "", less, "run pool kernel pool/kernel",
     "times that a kernel lies outside the fitted range, 1 inside: the furthest of the kinds that take 1 % of the time "
     "outside (of all if none does); under kernel, of that shape"},
    {"link_bytes", "", "B", neither, "links",
     "bytes that all links of this kind carried over the run, each link on the way counted; in training also for the "
     "GPUs that simulated ones stand for"},
};

constexpr MetricDefinition kPlacements[] = {
    {"balancedness_bound", "", "", neither, "layer",
     "`balancedness` of a placement that is as even as the bound allows for these loads and slots; none is above it"},
    {"gap_to_bound", "", "", less, "run placement",
     "load of the slowest GPU, summed over layers, over the sum of what no placement can be below, minus 1"},
    {"slots", "", "", neither, "run placement", "expert slots of a layer in the group"},
    {"wasted_slots", "", "", less, "run placement",
     "slots that hold an expert which a slot before them on the same GPU holds already, all layers"},
    {"crossings_per_token", "", "", less, "run placement",
     "times that a token is sent to a node other than its own in a layer; mean over tokens and layers"},
    {"busiest_adapter_bytes", "", "B", less, "run placement",
     "bytes through the busiest GPU's network adapter, there and back, in a prefill layer"},
    {"busiest_nvlink_bytes", "", "B", less, "run placement",
     "bytes through the busiest GPU's NVLink, there and back, in a prefill layer"},
    {"expert_memory", "", "B", less, "run placement", "weights of the routed experts on a GPU, all layers"},
    {"*_layer_time", "prefill decode", "s", less, "run placement",
     "dispatch, experts and combine of a layer, simulated; mean over MoE layers"},
    {"*_step_time", "prefill decode", "s", less, "run placement",
     "a whole forward pass, simulated, nothing overlapped"},
    {"moves", "", "", less, "run placement", "experts that GPUs lack, coming from the placement in force; all layers"},
    {"migration_bytes", "", "B", less, "run placement", "weights of the experts that move"},
    {"migration_time", "", "s", less, "run placement", "the moving weights over the busiest port"},
};
}  // namespace

std::span<const MetricDefinition> step_metrics() { return kSteps; }
std::span<const MetricDefinition> routing_metrics() { return kRouting; }
std::span<const MetricDefinition> kernel_metrics() { return kKernels; }
std::span<const MetricDefinition> placement_metrics() { return kPlacements; }
}  // namespace moesim::results
