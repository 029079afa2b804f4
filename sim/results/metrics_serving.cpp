// Definitions: serving, whole deployments and their pools.
#include "results/metrics.h"

namespace moesim::results {
namespace {
using enum Better;
constexpr std::string_view kStatistics = "mean p50 p90 p95 p99 p999";

constexpr MetricDefinition kRequests[] = {
    {"ttft_*", kStatistics, "s", less, "run",
     "arrival to first token, of finished requests that arrived after the warm-up; only where prompts are computed"},
    {"tpot_*", kStatistics, "s", less, "run",
     "first to last token over the tokens after the first, of finished requests of at least two tokens that arrived "
     "after the warm-up"},
    {"itl_*", kStatistics, "s", less, "run",
     "gap between two steps that gave a rank's requests tokens, counted once a token; of all requests, warm-up "
     "included, in bins of 0.1 %"},
    {"e2e_*", kStatistics, "s", less, "run",
     "arrival to last token, of finished requests that arrived after the warm-up"},
    {"queue_*", kStatistics, "s", less, "run",
     "arrival to the first step it took part in (to its place, where prompts come from elsewhere), of finished "
     "requests "
     "that arrived after the warm-up"},
    {"requests_arrived", "", "", neither, "run", "requests of the simulated load, over the whole run"},
    {"requests_finished", "", "", neither, "run", "of these, finished"},
    {"requests_rejected", "", "", less, "run", "of these, rejected on arrival because nothing could ever serve them"},
    {"requests_running", "", "", neither, "run", "of these, begun and not finished when the run ended"},
    {"requests_waiting", "", "", less, "run", "of these, waiting when the run ended"},
    {"requests_unaccounted", "", "", less, "run", "of these, in none of the states above; always 0"},
    {"tokens_unaccounted", "", "tokens", less, "run",
     "output tokens that finished requests asked for and did not get; always 0"},
    {"requests_outside", "", "", neither, "run",
     "requests whose decoding falls to instances that are not simulated; counted nowhere else"},
    {"requests_retried", "", "", less, "run", "times that faults made finished requests start again"},
    {"goodput", "", "requests/s", more, "run",
     "requests that arrived after the warm-up and finished within every latency target, over the time after it"},
    {"goodput_share", "", "", more, "run",
     "share within every latency target, of finished requests that arrived after the warm-up"},
    {"input_tokens", "", "tokens", neither, "run", "prompt tokens of finished requests, over the whole run"},
    {"output_tokens", "", "tokens", neither, "run", "tokens generated for finished requests, over the whole run"},
    {"request_rate", "", "requests/s", more, "run", "finished requests over the whole run's length"},
    {"cost_per_million_output_tokens", "", "USD", less, "run",
     "price after the warm-up of what all pools spend on output tokens (by busy time, idle time in proportion), for "
     "10^6 "
     "of them; only where something is spent so"},
    {"cost_per_million_input_tokens", "", "USD", less, "run",
     "price after the warm-up of what all pools spend on prompts (by busy time, idle time in proportion), for 10^6 "
     "prompt tokens, cached ones included; only where something is spent so"},
    {"energy_per_output_token", "", "J", less, "run",
     "energy of all pools after the warm-up, prompts included, over output tokens"},
    {"fold", "", "", neither, "run", "instances that a simulated one stands for, as asked for; 1: none are folded"},
    {"simulated_share", "", "", neither, "run", "share of the described requests that are simulated, at the start"},
    {"bottleneck", "", "", less, "pool/limit",
     "of the pool with the highest utilisation, share of its time after the warm-up that goes to the named part of a "
     "step, or (load) to waiting for requests: the largest of them"},
    {"lost_tokens", "", "tokens", less, "fault", "KV cache lost with the fault's ranks, in tokens"},
    {"retried_requests", "", "", less, "fault", "requests that the fault sent elsewhere or back to the start"},
    {"recovery_time", "", "s", less, "fault", "the instance stood still, or started anew, after the fault"},
    {"masked_share", "", "", less, "fault",
     "share of the rows (tokens times experts) that find no expert after the fault"},
};

constexpr MetricDefinition kPools[] = {
    {"steps", "", "", neither, "pool", "steps of the simulated instances, warm-up included"},
    {"instances", "", "", neither, "pool", "instances described"},
    {"instances_simulated", "", "", neither, "pool", "instances simulated"},
    {"instances_on", "", "", neither, "pool/time", "instances switched on at that moment, folded ones included"},
    {"running", "", "", neither, "pool/time",
     "requests that decode or compute their prompt on the simulated instances at that moment"},
    {"waiting", "", "", less, "pool/time", "requests that wait on the simulated instances at that moment"},
    {"utilisation", "", "", more, "run pool pool/time",
     "share of the time that instances were on in which they stepped, after the warm-up (run: of the pool with the "
     "highest; over time: since the last sample)"},
    {"kv_occupancy", "", "", neither, "pool/time",
     "share of the KV capacity in use at that moment, mean over the simulated instances on"},
    {"kv_peak", "", "", neither, "pool", "the largest `kv_occupancy` of the samples"},
    {"kv_capacity", "", "tokens", more, "pool", "KV cache that a rank has room for, in tokens that all layers keep"},
    {"kv_hit_rate", "", "", more, "run pool pool/time",
     "share of the admitted prompts' tokens found in the prefix cache, after the warm-up (run: of all pools that "
     "compute "
     "prompts; over time: since the last sample)"},
    {"output_tokens_per_second", "", "tokens/s", more, "pool/time",
     "tokens that the simulated instances' decoding gained since the last sample, over the interval"},
    {"batch_mean", "", "", more, "pool", "requests in a step, mean over the steps after the warm-up"},
    {"preemptions", "", "", less, "pool", "times that a request lost its KV cache to make room, warm-up included"},
    {"experts_waiting_share", "", "", less, "pool",
     "share of the step time after the warm-up lost to GPUs that take longer for their experts than the mean"},
    {"limit_*", "attention gate shared dispatch experts combine tensor head launch other", "", neither, "pool",
     "share of the time that instances were on, after the warm-up, in which steps computed this part or waited for it "
     "(tensor: collectives and hops between stages; head: embedding, head and drafts; launch: the fixed time of a "
     "step; "
     "other: standstills, fixed costs a token)"},
    {"limit_idle", "", "", less, "pool", "share of the time that instances were on without a step; 1 - `utilisation`"},
    {"tokens_per_step", "", "", more, "pool",
     "tokens that a request gains in a decoding step under speculation, warm-up included"},
    {"cost", "", "USD", less, "pool", "price of the pool's GPUs while on, after the warm-up, folded ones included"},
    {"cost_of_input_share", "", "", neither, "pool", "share of `cost` spent on prompts, by busy time"},
    {"energy", "", "J", less, "pool",
     "energy of the pool's GPUs while on, between idle and busy draw, after the warm-up, folded ones included"},
    {"gpu_hours", "", "h", less, "pool", "hours times GPUs on, after the warm-up, folded ones included"},
    {"attention_in_time", "", "s", less, "pool/layer",
     "projections into attention of the slowest rank; this and the other parts of a layer are means over the steps of "
     "the pool's first instance, micro-batches added up"},
    {"attention_core_time", "", "s", less, "pool/layer",
     "rest of attention of the slowest rank, gate and tensor-parallel collective"},
    {"shared_time", "", "s", less, "pool/layer", "shared expert, or the FFN of a dense layer, and its collective"},
    {"dispatch_time", "", "s", less, "pool/layer", "dispatch, hidden or not"},
    {"experts_time", "", "s", less, "pool/layer", "routed experts of the slowest GPU"},
    {"combine_time", "", "s", less, "pool/layer", "combine, hidden or not"},
};

constexpr MetricDefinition kRebalancing[] = {
    {"rebalances", "", "", neither, "pool run", "plans that the pool's first instance made (run: that training made)"},
    {"rebalance_at", "", "s", neither, "pool/plan plan",
     "time that the instance had worked when it planned; of the training simulated until then"},
    {"rebalance_load_age", "", "s", less, "pool pool/plan",
     "age of the loads that a plan is made from, mean over its looks (pool: over plans that took effect)"},
    {"rebalance_balancedness_before", "", "", more, "pool pool/plan run plan",
     "`balancedness` of the old placement on the loads of the moment (pool, run: mean over plans that took effect)"},
    {"rebalance_balancedness_hoped", "", "", more, "pool pool/plan run plan",
     "`balancedness` of the new placement on the loads it was planned from (pool, run: mean over plans that took "
     "effect)"},
    {"rebalance_balancedness_after", "", "", more, "pool pool/plan run plan",
     "`balancedness` of the new placement on the loads of the moment, 0 while weights are on their way (pool, run: "
     "mean "
     "over plans that took effect)"},
    {"rebalance_bytes", "", "B", less, "pool pool/plan run plan",
     "experts' weights that moved, in training with the optimiser's state, between all GPUs (pool, run: of all plans)"},
    {"rebalance_experts", "", "", less, "pool run", "experts that moved, of all plans; in training of one replica"},
    {"rebalance_time", "", "s", less, "pool run",
     "the instance, or training, stood still for new placements, all plans"},
};
}  // namespace

std::span<const MetricDefinition> serving_metrics() { return kRequests; }
std::span<const MetricDefinition> pool_metrics() { return kPools; }
std::span<const MetricDefinition> rebalancing_metrics() { return kRebalancing; }
}  // namespace moesim::results
