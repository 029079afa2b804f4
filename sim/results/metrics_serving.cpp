// Definitions: serving, whole deployments and their pools.
#include "results/metrics.h"

namespace moesim::results {
namespace {
using enum Better;
constexpr std::string_view kStatistics = "mean p50 p90 p95 p99 p999";

// The window: from the warm-up until arrivals end (the duration, or the last arrival where the workload ends before;
// until the run's end if that lies in its first half or finds more than a fifth of the requests there: a batch).
constexpr MetricDefinition kRequests[] = {
    {"ttft_*", kStatistics, "s", less, "run",
     "arrival to first token, of requests that arrived after the warm-up; those without one when the run ended count "
     "for "
     "as long as they have waited (product-limit estimate), and figures that this does not tell are left out; only "
     "where "
     "prompts are computed"},
    {"tpot_*", kStatistics, "s", less, "run",
     "first to last token over the tokens after the first, of requests with at least two tokens that arrived after the "
     "warm-up; of those still open, of the tokens so far"},
    {"itl_*", kStatistics, "s", less, "run",
     "gap between two steps that gave a rank's requests tokens, counted once a token; of all requests, from the "
     "warm-up "
     "to the duration (to the end, where there is none), in bins of 0.1 %"},
    {"e2e_*", kStatistics, "s", less, "run",
     "arrival to last token, of requests that arrived after the warm-up; those still open as in `ttft`"},
    {"queue_*", kStatistics, "s", less, "run",
     "arrival to the first step it took part in (to its place, where prompts come from elsewhere), of requests that "
     "arrived after the warm-up; those still waiting as in `ttft`"},
    {"*_count", "ttft tpot itl e2e queue step_time", "", neither, "run pool",
     "requests (of itl tokens, of step_time steps) that the figures of this name are of, open ones included"},
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
    {"requests_measured", "", "", neither, "run", "requests that arrived after the warm-up, rejected ones included"},
    {"requests_undecided", "", "", neither, "run",
     "of these, open when the run ended and not known to keep or miss the latency targets"},
    {"open_share", "", "", less, "run", "of these, share neither ended nor rejected when the run ended"},
    {"requests_dropped", "", "", neither, "run",
     "described requests that the workload left out, for the reasons in table `warning`"},
    {"window_start", "", "s", neither, "run", "where the window begins that figures are formed of: the warm-up's end"},
    {"window_end", "", "s", neither, "run",
     "where it ends: the duration, or the last arrival where the workload ends before; the run's end if that lies in "
     "the "
     "run's first half or finds more than a fifth of the requests still there"},
    {"steady", "", "", more, "run",
     "1 where requests under way grew from the third quarter of the time in which they arrive to its last by no more "
     "than "
     "5 (1 + root of their number), or by no more than 5 % of them and of the arrivals in a quarter; 1 where all "
     "arrive "
     "at once"},
    {"open_growth", "", "", less, "run",
     "growth of the requests under way from the third quarter of the time in which they arrive to its last, over the "
     "arrivals in a quarter"},
    {"open_growth_deviations", "", "", less, "run",
     "the same growth over 1 + root of the requests under way, by which a steady number of them varies"},
    {"concurrency", "", "", neither, "run", "requests under way, mean over the window"},
    {"max_concurrent_requests", "", "", neither, "run", "most requests under way at any moment of the run"},
    {"request_rate", "", "requests/s", neither, "run", "arrivals in the window over its length"},
    {"request_throughput", "", "requests/s", more, "run", "requests that ended in the window over its length"},
    {"goodput", "", "requests/s", more, "run",
     "requests within every latency target: `slo_share` of the arrivals a second while the service keeps up with them; "
     "where it is saturated, works off a batch, or requests come only as others end, those that ended so in the window "
     "over its length"},
    {"goodput_share", "", "", more, "run", "`goodput` over `request_rate`"},
    {"slo_share", "", "", more, "run pool",
     "share within every latency target of the requests that arrived after the warm-up and of which it is known: "
     "ended, "
     "rejected (never within), or open and late already or in time so far (pool: of those that ended in it)"},
    {"input_tokens", "", "tokens", neither, "run", "prompt tokens of finished requests, over the whole run"},
    {"output_tokens", "", "tokens", neither, "run", "tokens generated for finished requests, over the whole run"},
    {"*_throughput", "input output total", "tokens/s", more, "run",
     "tokens of prompts admitted in the window (cached ones included), generated in it, and both, over its length; "
     "folded "
     "instances included"},
    {"tokens_per_user_second", "", "tokens/s", more, "run pool",
     "1 over `tpot_p50`, accepted drafts included (pool: of the requests that ended in it)"},
    {"nodes", "", "", neither, "run pool", "GPUs that were on in the window (`gpus`), over the GPUs of a node"},
    {"cost_per_hour", "", "USD", less, "run pool",
     "price of the GPUs that were on, mean over the window; of other studies, of all GPUs in use",
     "place passes training serving"},
    {"cost_per_million_tokens", "", "USD", less, "run pool",
     "price of all GPUs that were on in the window, for 10^6 of its input and output tokens together (pool: of its "
     "own)"},
    {"cost_per_million_output_tokens", "", "USD", less, "run",
     "price in the window of what all pools spend on output tokens, for 10^6 of them: each pool's by its busy time "
     "(steps of prompts to input, of decoding to output, one with both by its tokens), idle time in proportion; only "
     "where something is spent so"},
    {"cost_per_million_input_tokens", "", "USD", less, "run",
     "the rest of that price, for 10^6 prompt tokens, cached ones included; only where something is spent so"},
    {"energy_per_output_token", "", "J", less, "run",
     "energy of all pools in the window, prompts included, over output tokens"},
    {"fold", "", "", neither, "run", "instances that a simulated one stands for, as asked for; 1: none are folded"},
    {"simulated_share", "", "", neither, "run", "share of the described requests that are simulated, at the start"},
    {"bottleneck", "", "", less, "pool/limit",
     "of the pool with the highest load (of a batch, utilisation), share of its time in the window that goes to the "
     "named part of a "
     "step, or (load) to waiting for requests: the largest of them"},
    {"lost_tokens", "", "tokens", less, "fault", "KV cache lost with the fault's ranks, in tokens"},
    {"retried_requests", "", "", less, "fault", "requests that the fault sent elsewhere or back to the start"},
    {"recovery_time", "", "s", less, "fault", "the instance stood still, or started anew, after the fault"},
    {"masked_share", "", "", less, "fault",
     "share of the rows (tokens times experts) that find no expert after the fault"},
    {"growth_ranks", "", "", neither, "pool/growth", "attention ranks of an instance once its group has grown"},
    {"growth_preparation", "", "s", less, "pool/growth",
     "from the decision until new ranks are up and have their weights; the others serve meanwhile"},
    {"growth_pause", "", "s", less, "pool/growth", "all ranks stood still when the new ones joined"},
};

constexpr MetricDefinition kPools[] = {
    {"steps", "", "", neither, "pool", "steps of the simulated instances, warm-up included"},
    {"instances", "", "", neither, "pool", "instances described"},
    {"instances_simulated", "", "", neither, "pool", "instances simulated"},
    {"instances_on", "", "", neither, "pool/time", "instances switched on at that moment, folded ones included"},
    {"running", "", "", neither, "pool/time",
     "requests that decode or compute their prompt on the simulated instances, mean since the last reading"},
    {"waiting", "", "", less, "pool/time",
     "requests that wait on the simulated instances, mean since the last reading"},
    {"running_mean", "", "", neither, "pool", "the same as `running`, mean over the window"},
    {"waiting_mean", "", "", less, "pool", "the same as `waiting`, mean over the window"},
    {"utilisation", "", "", more, "run pool pool/time",
     "share of the time that instances were on in which they stepped, of however few requests, in the window (run: of "
     "the pool with the highest; over time: since the last reading)"},
    {"load", "", "", neither, "run pool",
     "arrivals a second over what the instances that were on could serve at the mean lengths, with every place filled "
     "and their steps as much longer than evenly dealt work as in the window: at 1 requests pile up (run: of the pool "
     "with the highest; pools of a role share theirs)"},
    {"kv_occupancy", "", "", neither, "pool/time",
     "share of the KV capacity in use, mean over the simulated instances on and since the last reading"},
    {"kv_mean", "", "", neither, "pool", "the same as `kv_occupancy`, mean over the window"},
    {"kv_peak", "", "", neither, "pool",
     "largest share of the KV capacity of all simulated instances in use at any moment of the run"},
    {"kv_capacity", "", "tokens", more, "pool", "KV cache that a rank has room for, in tokens that all layers keep"},
    {"kv_hit_rate", "", "", more, "run pool pool/time",
     "share of the prompts' tokens found in the prefix cache, of prompts admitted in the window (run: of those of all "
     "requests that arrived after the warm-up; over time: since the last reading)"},
    {"output_tokens_per_second", "", "tokens/s", more, "pool/time",
     "tokens that the simulated instances generated since the last reading, over the interval"},
    {"batch_mean", "", "", more, "pool", "requests in a step, mean over the window's time in steps"},
    {"preemptions", "", "", less, "pool", "times that a request lost its KV cache to make room, warm-up included"},
    {"experts_waiting_share", "", "", less, "pool",
     "share of the step time in the window lost to GPUs that take longer for their experts than the mean"},
    {"limit_*", "attention gate shared dispatch experts combine tensor head launch other", "", neither, "pool",
     "share of the time that instances were on, in the window, in which steps computed this part or waited for it "
     "(tensor: collectives and hops between stages; head: embedding, head and drafts; launch: the fixed time of a "
     "step; "
     "other: standstills, fixed costs a token)"},
    {"limit_idle", "", "", less, "pool", "share of the time that instances were on without a step; 1 - `utilisation`"},
    {"tokens_per_step", "", "", more, "pool",
     "tokens that a request gains in a decoding step under speculation, warm-up included"},
    {"cost", "", "USD", less, "pool", "price of the pool's GPUs while on, in the window, folded ones included"},
    {"cost_of_input_share", "", "", neither, "pool", "share of `cost` spent on prompts, by busy time"},
    {"energy", "", "J", less, "pool",
     "energy of the pool's GPUs while on, between idle and busy draw, in the window, folded ones included"},
    {"gpu_hours", "", "h", less, "pool", "hours times GPUs on, in the window, folded ones included"},
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
