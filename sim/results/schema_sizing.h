// Columns of the tables that `moesim size` fills.
#pragma once
#include "results/schema.h"

namespace moesim::results {

inline constexpr Column kCandidate[] = {
    {"run", "INTEGER", "", "run.run"},
    {"candidate", "INTEGER", "", "number of the deployment, cheapest estimate first"},
    {"node", "TEXT", "", "kind of node"},
    {"engine", "TEXT", "", "whose kernels and defaults it runs"},
    {"deployment", "TEXT", "", "its pools in words"},
    {"gpus", "INTEGER", "", "that are paid for"},
    {"nodes", "INTEGER", "", "likewise"},
    {"cost_per_hour", "REAL", "USD/h", "of these GPUs"},
    {"cost_per_million_tokens", "REAL", "USD", "of prompts and answers together"},
    {"tokens_per_gpu_second", "REAL", "tokens/s", "of prompts and answers, over all GPUs"},
    {"tokens_per_user_second", "REAL", "tokens/s", "1 / median time of an output token"},
    {"fate", "TEXT", "", "chosen, front, meets, misses (in simulation), pruned (not simulated) or illegal"},
    {"reason", "TEXT", "", "what binds it, or why it fell"},
    {"estimated_cost", "REAL", "USD/h", "in closed form"},
    {"bound", "REAL", "USD/h", "that no number of its instances undercuts"},
    {"estimated_ttft", "REAL", "s", "in closed form, without queues"},
    {"estimated_tpot", "REAL", "s", "in closed form"},
    {"ttft_p50", "REAL", "s", "simulated, like all below; null if it was not"},
    {"ttft_p90", "REAL", "s", ""},
    {"ttft_p99", "REAL", "s", ""},
    {"tpot_p50", "REAL", "s", ""},
    {"tpot_p90", "REAL", "s", ""},
    {"tpot_p99", "REAL", "s", ""},
    {"share", "REAL", "", "of the requests within the per-request targets"},
    {"headroom", "REAL", "", "share of the tightest target that is left"},
    {"trials", "INTEGER", "", "simulations that it took"},
};
inline constexpr Column kCandidatePool[] = {
    {"run", "INTEGER", "", "run.run"},
    {"pool", "INTEGER", "", "number of the pool, in the order proposed"},
    {"node", "TEXT", "", "kind of node"},
    {"engine", "TEXT", "", "whose kernels and defaults it runs"},
    {"role", "TEXT", "", "both, prefill or decode"},
    {"tensor", "INTEGER", "", "tensor-parallel degree"},
    {"data", "INTEGER", "", "attention ranks"},
    {"experts_tensor", "INTEGER", "", "1: every GPU holds a slice of all experts"},
    {"slots", "INTEGER", "", "of routed experts a layer, copies too"},
    {"max_requests", "INTEGER", "", "of a rank at once"},
    {"max_tokens", "INTEGER", "", "of a rank in a step"},
    {"overlap", "TEXT", "", "of exchanges with compute"},
    {"gpus", "INTEGER", "", "of an instance"},
    {"rate", "REAL", "requests/s", "that an instance sustains, in closed form"},
    {"step", "REAL", "s", "of a step at that point"},
    {"ttft", "REAL", "s", "without queues; 0 for answers"},
    {"tpot", "REAL", "s", "0 for prompts"},
    {"request_cost", "REAL", "USD", "of a request at that point; null if it cannot be used"},
    {"refused", "TEXT", "", "why it cannot be used, or empty"},
};
inline constexpr Column kVariation[] = {
    {"run", "INTEGER", "", "run.run"},
    {"kind", "TEXT", "", "check (the answer again) or variation (another plan, or another number of instances)"},
    {"what", "TEXT", "", "what was changed"},
    {"met", "INTEGER", "", "1: the targets hold then"},
    {"gpus", "INTEGER", "", "that it takes then"},
    {"cost_per_hour", "REAL", "USD/h", "of these GPUs"},
    {"standing", "TEXT", "", "of the tightest target"},
};
}  // namespace moesim::results
