// What a study of passes writes, on two GPUs whose times can be worked out in the head.
//
// A dense layer, then one of two experts.  Decoding: attention 4 s, the network of every token 2 s, so the dense layer
// ends at 6 s and both GPUs join the dispatch at 10 s.  GPU 1 receives three rows, at 13 s, one second after its shared
// expert; its seven rows take 14 s, to 27 s, and the three results are back on GPU 0 at 30 s.  GPU 0 has one row: from
// 12 s to 14 s.  GPU 1 needs no results: it begins the second step at 27 s, joins its dispatch at 37 s, waits from 39
// s, and GPU 0 joins at 40 s: from there on all is as in the first, to 60 s.  Prefill, once: attention takes 5 s, all
// else is the same: 32 s.
#include "passes/pass_report.h"

#include <gtest/gtest.h>

#include "support/pin.h"
#include "unit_group.h"

namespace moesim::passes {
namespace {
using test::pin;

spec::Model two_layers() {
  spec::Model m = one_layer();
  m.layers = 2;
  m.dense_width = SecondARow::kSharedWidth;
  m.moe->first_dense_layers = 1;
  m.moe->shared_experts = 1;
  m.moe->shared_width = SecondARow::kSharedWidth;
  return m;
}

class PassReportFormula : public testing::Test {
 protected:
  void SetUp() override {
    const Config config = Config::from_text("network: {kind: bottleneck, calibration: none}", "unit.yaml");
    const auto network = network::networks().make(config.at("network"), engine_, cluster_);
    const network::ExchangeGroup group(network->topology(), GpuId{0}, 2);
    const SecondARow kernels(cluster_.node.gpu, {.prefill = 5, .decode = 4, .shared = 2});
    compute::KernelCosts costs(kernels);
    results::SpanLog spans;
    const std::vector<exchange::ExpertMap> placement{exchange::contiguous_map(2, 2)};
    const FixedTraffic traffic;
    PassReport report(results, model_, cluster_, group);
    report.memory("prefill", {{{"weights", 4_B}, {"kv cache", 3_B}}});
    report.memory("decode", {{{"weights", 4_B}, {"kv cache", 1_B}}});
    GroupRun::Phase prefill = unit_phase("prefill", 1, traffic), decode = unit_phase("decode", 2, traffic);
    compute::add_prefill(prefill.batch, model_, 4);
    compute::add_decode(decode.batch, model_, 1, 1, 4);
    for (const GroupRun::Phase* phase : {&prefill, &decode}) {
      GroupRun run({model_, group, costs, *network, spans, placement, {1, 1}}, *phase);
      ASSERT_TRUE(run.run());
      report.phase(*phase, run);
    }
    report.whole(*network, costs);
  }
  const spec::Model model_ = two_layers();
  const spec::Cluster cluster_ = unit_cluster();
  Engine engine_;
  results::Results results{":memory:", {}};
};

TEST_F(PassReportFormula, AStepIsComputingExposedCommunicationAndWaitingForTheSlowest) {
  pin(results, "step_time", "phase:decode", 30);
  pin(results, "step_time", "phase:prefill", 32);
  pin(results, "step_time_mean", "run", 30);
  pin(results, "layer_time", "phase:decode", 15);
  // GPU 0 computes 6 + 6 + 2 s, GPU 1 6 + 6 + 14 s.
  pin(results, "compute_time", "phase:decode", 20);
  // GPU 0 waits for the other from 14 s to 27 s in each step, GPU 1 for a second of the second.
  pin(results, "straggler_time", "phase:decode", (13 + 0.5) / 2);
  pin(results, "straggler_share", "phase:decode", (13 + 0.5) / 2 / 30);
  // GPU 0 for its results, 3 s a step; GPU 1 for its rows, 1 s and 3 s.
  pin(results, "exposed_communication_time", "phase:decode", 2.5);
  pin(results, "exposed_communication_share", "phase:decode", 2.5 / 30);
  // Under way: of GPU 0 the combine for 16 s a step, of GPU 1 the dispatch for 3 s and 6 s.
  pin(results, "exchange_time", "phase:decode", (16 + 4.5) / 2);
}

TEST_F(PassReportFormula, TokensAreOverTheStepAndGpusOrNodes) {
  pin(results, "tokens_per_gpu_second", "phase:decode", 4.0 / 30);
  pin(results, "output_tokens_per_gpu_second", "run", 4.0 / 30);
  pin(results, "output_tokens_per_node_second", "run", 8.0 / 30);  // both GPUs are one node's
  pin(results, "input_tokens_per_gpu_second", "run", 4.0 / 32);
  pin(results, "input_tokens_per_node_second", "run", 8.0 / 32);
}

TEST_F(PassReportFormula, EachPartOfALayerIsAMeanOverStepsAndGpus) {
  pin(results, "prefill_attention_time", "layer:0", 5);
  pin(results, "decode_attention_time", "layer:0", 4);
  pin(results, "prefill_shared_time", "layer:0", 2);  // the dense layer's network
  pin(results, "decode_shared_time", "layer:1", 2);
  pin(results, "prefill_experts_time", "layer:1", 8);  // 2 s and 14 s
  pin(results, "decode_experts_time", "layer:1", 8);
  pin(results, "prefill_slowest_experts_time", "layer:1", 14);
  pin(results, "decode_slowest_experts_time", "layer:1", 14);
  pin(results, "prefill_exchange_time", "layer:1", 9.5);  // 16 s and 3 s
  pin(results, "decode_exchange_time", "layer:1", 10.25);
  pin(results, "prefill_balancedness", "layer:1", 4.0 / 7);
  pin(results, "decode_balancedness", "layer:1", 4.0 / 7);
  EXPECT_FALSE(results.has_metric("decode_experts_time", "layer:0"));
}

// One token to the one expert, seven to the other: mean 4, and half of the mean distance over the mean, 6 / 16.
TEST_F(PassReportFormula, BalanceIsOfRowsOnGpusAndOfTokensOfExperts) {
  for (const char* scope : {"run", "phase:decode"}) {
    pin(results, "balancedness", scope, 4.0 / 7);
    pin(results, "imbalance", scope, 0.75);
    pin(results, "expert_load_max_over_mean", scope, 1.75);
    pin(results, "expert_load_gini", scope, 0.375);
    pin(results, "nodes_per_token", scope, 1);
  }
}

TEST_F(PassReportFormula, MemoryIsThatOfTheLargerPhase) { pin(results, "peak_memory", "run", 7); }

// Three passes, each with three rows there and their results back, over a link to the switch and one from it.
TEST_F(PassReportFormula, EveryLinkOnTheWayCountsItsBytes) {
  pin(results, "link_bytes", "links:nvlink", 3 * 2 * 2 * 3);
}
}  // namespace
}  // namespace moesim::passes
