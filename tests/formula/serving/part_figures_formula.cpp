// What each part of a step takes where the weights' way from memory, or one link, is all that takes time.
#include "served.h"
#include "support/pin.h"

namespace moesim::serving {
namespace {
using test::pin;

/// Four layers of Mixtral's attention with 64 experts of 2,048 columns, of which a token has one, and a shared one;
/// data-sheet kernels.
std::string deployment(const std::string& gpu, int gpus, const std::string& pool, const std::string& more,
                       const std::string& moe = "expert_width: 2048, experts: 64") {
  return on_unit_gpus(
      fmt::format("{{extends: mixtral-8x7b, layers: 4, moe: {{top_k: 1, shared_experts: 1, {}}}}}", moe), gpu, gpus,
      fmt::format("{}  pools: [{{{}}}]\n", more, pool));
}

// One request at a time decodes: every step reads the weights of each part once, and of one of 64 experts.
TEST(PartFigures, OfWeightsReadFromMemory) {
  const Served r = run(deployment(
      "bf16: 1000000000 TFLOP/s, memory_bandwidth: 1 TB/s, nvlink: 1000000 GB/s", 1, "role: decode, overhead: 0 s",
      "routing: balanced\nserving:\n  workload: {kind: closed, clients: 1, limit: 20, input: {kind: fixed, mean: 500}, "
      "output: {kind: fixed, mean: 51}}\n"));
  // Bytes a layer: 4096 -> 4096 + 2 x 1024, 4096 -> 4096, keys and values of 525 tokens in 8 heads; 64 columns of the
  // gate, and a token's row read for it and copied for its expert; three matrices an expert.  Once: 32,000 columns of
  // the head.
  const double in = 2.0 * 4096 * 6144, core = 2.0 * 4096 * 4096 + 2.0 * 2 * 8 * 128 * 525, gate = 2.0 * 4096 * (64 + 3),
               expert = 2.0 * 3 * 4096 * 2048, head = 2.0 * 4096 * 32000;
  const double step = 4 * (in + core + gate + 2 * expert) + head;
  pin(*r.results, "step_time_mean", "pool:decode", step / 1e12, 0.01);
  pin(*r.results, "limit_attention", "pool:decode", 4 * (in + core) / step, 0.01);
  pin(*r.results, "limit_gate", "pool:decode", 4 * gate / step, 0.01);
  pin(*r.results, "limit_shared", "pool:decode", 4 * expert / step, 0.01);
  pin(*r.results, "limit_experts", "pool:decode", 4 * expert / step, 0.01);
  pin(*r.results, "limit_head", "pool:decode", head / step, 0.01);
  for (const char* scope : {"pool:decode,layer:0", "pool:decode,layer:3"}) {
    pin(*r.results, "attention_in_time", scope, in / 1e12, 0.01);
    pin(*r.results, "attention_core_time", scope, (core + gate) / 1e12, 0.01);
    pin(*r.results, "shared_time", scope, expert / 1e12, 0.01);
    pin(*r.results, "experts_time", scope, expert / 1e12, 0.01);
  }
}

// Two GPUs with 256 requests each: of 256 rows that a GPU's tokens ask for, half are the other's.  Rows of 4096
// numbers in BF16 over a link of 1 MB/s, there and back; the fuller way of the two carries a few rows more.
TEST(PartFigures, OfRowsBetweenGpus) {
  const Served r = run(deployment(
      "bf16: 1000000000 TFLOP/s, memory_bandwidth: 1000000000 TB/s, nvlink: 1 MB/s", 2,
      "role: decode, parallel: {data: 2}, overhead: 0 s",
      "routing: balanced\nserving:\n  workload: {kind: closed, clients: 512, limit: 1024, input: {kind: fixed, mean: "
      "500}, output: {kind: fixed, mean: 11}}\n"));
  const double one_way = 128 * 8192 / 1e6;
  pin(*r.results, "dispatch_time", "pool:decode,layer:1", one_way, 0.05);
  pin(*r.results, "combine_time", "pool:decode,layer:1", one_way, 0.05);
  pin(*r.results, "exposed_communication_time", "pool:decode,layer:1", 2 * one_way, 0.05);
  const double stepping = r.at("utilisation") / 2;
  EXPECT_GT(stepping, 0.45);
  pin(*r.results, "limit_dispatch", "pool:decode", stepping);
  pin(*r.results, "limit_combine", "pool:decode", stepping);
  pin(*r.results, "step_time_mean", "pool:decode", 4 * 2 * one_way, 0.05);
}

// A step waits 65.536 ms for the host, and as long for sums: after attention and after the experts of each of four
// layers 8 KiB a token, of which each of two GPUs sends as much, at 1 MB/s.
TEST(PartFigures, OfSumsBetweenGpusAndOfTheHost) {
  const Served r = run(deployment(
      "bf16: 1000000000 TFLOP/s, memory_bandwidth: 1000000000 TB/s, nvlink: 1 MB/s", 2,
      "role: decode, parallel: {tensor: 2, experts_tensor: true}, overhead: 65.536 ms",
      "routing: balanced\nserving:\n  workload: {kind: closed, clients: 1, limit: 20, input: {kind: fixed, mean: 500}, "
      "output: {kind: fixed, mean: 51}}\n"));
  pin(*r.results, "step_time_mean", "pool:decode", 2 * 8 * 8.192e-3, 0.01);
  pin(*r.results, "limit_tensor", "pool:decode", 0.5, 0.01);
  pin(*r.results, "limit_launch", "pool:decode", 0.5, 0.01);
}

// Only arithmetic takes time, and the hot GPU of two has 1.6 times the mean.
TEST(PartFigures, OfWaitingForTheHottestGpu) {
  const Served r = run(deployment(
      "bf16: 1 TFLOP/s, memory_bandwidth: 1000000000 TB/s, nvlink: 1000000000 GB/s", 2,
      "role: prefill, parallel: {data: 2}, overhead: 0 s",
      "routing: {kind: hot_rank, rank: 0, factor: 1.6}\nserving:\n  workload: {kind: closed, clients: 8, limit: 64, "
      "input: {kind: fixed, mean: 4096}, output: {kind: fixed, mean: 1}}\n",
      "expert_width: 14336, experts: 8"));
  pin(*r.results, "balancedness", "pool:prefill", 1 / 1.6, 0.02);
  pin(*r.results, "experts_waiting_share", "pool:prefill", r.at("limit_experts", "pool:prefill") * (1 - 1 / 1.6), 0.05);
}

// A token chooses one of 64 experts; those on one of two GPUs are left out.
TEST(PartFigures, OfExpertsThatAreMasked) {
  const Served r = run(deployment(
      "bf16: 1000000000 TFLOP/s, memory_bandwidth: 1 TB/s, nvlink: 1000000 GB/s", 2,
      "role: decode, parallel: {data: 2}, overhead: 0 s",
      "routing: balanced\nserving:\n  faults: [{kind: gpu, at: 0.1 s, gpu: 1, answer: mask, detect: 1 s}]\n  workload: "
      "{kind: closed, clients: 4, limit: 40, input: {kind: fixed, mean: 500}, output: {kind: fixed, mean: 51}}\n"));
  pin(*r.results, "masked_share", "fault:0,gpu,mask", 0.5, 0.01);
  pin(*r.results, "recovery_time", "fault:0,gpu,mask", 1);
}

// Eight of ten tokens' experts are on the first of two GPUs, as experts 0 to 31 are; dealt out in turn, half of them
// are on each.  A plan every four seconds of work: the first moves 16 experts each way in each of four layers, the
// second none.
TEST(PartFigures, OfRebalancing) {
  const Served r = run(deployment("bf16: 1000000000 TFLOP/s, memory_bandwidth: 0.1 TB/s, nvlink: 1000000 GB/s", 2,
                                  "role: decode, parallel: {data: 2}, overhead: 0 s",
                                  "routing: {kind: hot_rank, rank: 0, factor: 1.6}\nserving:\n  duration: 10 s\n  "
                                  "drain: false\n  rebalance: {interval: 4 s, window: 16, policy: "
                                  "round_robin, planning: 100 ms, layer: 2 ms}\n  workload: {kind: closed, clients: "
                                  "512, input: {kind: fixed, mean: 500}, "
                                  "output: {kind: fixed, mean: 101}}\n"));
  const double step = r.at("step_time_mean", "pool:decode"), expert = 2.0 * 3 * 4096 * 2048;
  const char* pool = "pool:decode";
  pin(*r.results, "rebalances", pool, 2);
  pin(*r.results, "rebalance_at", "pool:decode,plan:0", 4 + step / 2, 0.02);
  pin(*r.results, "rebalance_balancedness_before", "pool:decode,plan:0", 1 / 1.6, 0.02);
  pin(*r.results, "rebalance_balancedness_hoped", "pool:decode,plan:0", 1, 0.05);
  pin(*r.results, "rebalance_balancedness_after", "pool:decode,plan:0", 1, 0.05);
  pin(*r.results, "rebalance_experts", pool, 4 * 2 * 16);
  pin(*r.results, "rebalance_bytes", pool, 4 * 2 * 16 * expert);
  pin(*r.results, "rebalance_bytes", "pool:decode,plan:0", 4 * 2 * 16 * expert);
  pin(*r.results, "rebalance_time", pool, 2 * 0.1 + 4 * 0.002, 1e-3);
  // Looks at each of the last sixteen steps, the last of which has just ended.
  pin(*r.results, "rebalance_load_age", pool, 7.5 * step, 0.05);
  pin(*r.results, "rebalance_load_age", "pool:decode,plan:0", 7.5 * step, 0.05);
}
}  // namespace
}  // namespace moesim::serving
