// What a comparison of placements writes: bytes, moves and times of few experts, on links of one byte a second.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <optional>

#include "placing/place.h"
#include "routing/trace.h"
#include "support/pin.h"
#include "support/temporary_folder.h"

namespace moesim::placing {
namespace {
using test::pin;

/// Two MoE layers of four experts, 3 x 128 x 64 parameters each; a token's row has 128 numbers.  All in BF16.
spec::Model four_experts() {
  spec::Model m;
  m.name = "unit";
  m.vocabulary = 2;
  m.hidden = 128;
  m.layers = 2;
  m.attention.heads = m.attention.kv_heads = 1;
  m.attention.head_dim = m.attention.v_head_dim = 64;
  m.moe.emplace();
  m.moe->expert_width = 64;
  m.moe->experts = 4;
  m.moe->top_k = 2;
  m.max_positions = 16;
  return m;
}
constexpr double kExpertBytes = 3 * 128 * 64 * 2, kRowBytes = 128 * 2;

/// A name of its own, so that the network has line rates and no software (network-unit below), and computing takes next
/// to nothing.
spec::Cluster unit_cluster(int nodes, int gpus) {
  spec::Cluster c;
  c.nodes = nodes;
  c.node.gpus = c.node.nics = gpus;
  c.node.gpu.name = "unit";
  c.node.gpu.generation = "hopper";
  c.node.gpu.sms = 132;
  c.node.gpu.bf16 = {1e30};
  c.node.gpu.memory_bandwidth = {1e30};
  c.node.gpu.nvlink = {1};
  c.node.gpu.price = {3};
  c.node.nic = {1};
  c.node.pcie = {1e30};
  return c;
}

class PlaceFiguresFormula : public testing::Test {
 protected:
  void SetUp() override {
    folder_.write("network-unit.yaml", "type: network_calibration\ntitle: line rates\n");
    std::filesystem::create_directory(folder_.path() / "hardware");
    std::filesystem::rename(folder_.path() / "network-unit.yaml", folder_.path() / "hardware" / "network-unit.yaml");
    if (const char* before = getenv("MOESIM_DATA")) before_ = before;
    setenv("MOESIM_DATA", folder_.path().c_str(), 1);
  }
  void TearDown() override {
    if (before_)
      setenv("MOESIM_DATA", before_->c_str(), 1);
    else
      unsetenv("MOESIM_DATA");
  }
  /// Every other token chooses experts 0 and 1, the rest 2 and 3, in both layers.
  Workload recorded() {
    const std::string file = folder_.file("trace.db");
    if (std::filesystem::exists(file)) return read_workload(file);
    routing::TraceHeader header;
    header.layers = {0, 1};
    header.hidden_layers = 2;
    header.experts = 4;
    header.top_k = 2;
    routing::TraceWriter writer(file, header);
    std::vector<std::int16_t> experts;
    for (int layer = 0; layer < 2; ++layer)
      for (int t = 0; t < 400; ++t)
        for (int k = 0; k < 2; ++k) experts.push_back(std::int16_t(t % 2 * 2 + k));
    writer.add(std::vector<routing::TraceToken>(400), experts);
    writer.finish();
    return read_workload(file);
  }
  PlaceOptions options(int nodes, const std::string& strategy) {
    PlaceOptions o;
    o.planned = {recorded()};
    o.problem.gpus = 2;
    o.problem.nodes = nodes;
    o.strategies = {{strategy, Config::from_text(strategy, "test")}};
    o.model = four_experts();
    o.cluster = unit_cluster(nodes, 2 / nodes);
    o.prefill_tokens = 8;
    o.decode_tokens = 2;
    o.context = 8;
    return o;
  }
  /// Four experts in order on two GPUs, of which nothing but so many tokens each is known.
  PlaceOptions on_counts(const std::vector<double>& tokens) {
    PlaceOptions o = options(2, "contiguous");
    o.cluster.reset();
    o.model.reset();
    Workload w;
    w.name = "counts";
    w.loads = placement::loads_of_matrix("counts", 1, 4, tokens);
    o.planned = {w};
    return o;
  }
  static void store_figures(const PlaceOptions& o, results::Results& results) { store(o, place(o), results); }

  TemporaryFolder folder_;
  std::optional<std::string> before_;
  results::Results results_{":memory:", {}};
};

// Experts 0 and 1 on one GPU, 2 and 3 on the other: each token is computed on one GPU, every other one on not its own.
TEST_F(PlaceFiguresFormula, BetweenNodesEveryOtherTokenCrosses) {
  store_figures(options(2, "contiguous"), results_);
  for (const char* scope : {"run", "placement:contiguous:4"}) {
    pin(results_, "nodes_per_token", scope, 1);
    pin(results_, "crossings_per_token", scope, 0.5);
    // Of 16 tokens 4 leave each GPU; a row there and one back.
    pin(results_, "busiest_adapter_bytes", scope, 4 * 2 * kRowBytes);
    pin(results_, "slots", scope, 4);
    pin(results_, "expert_memory", scope, 2 * 2 * kExpertBytes);
    // Prefill: a token once to a node, 4 rows there and 4 back.  Decode: of 2 tokens 1 is sent, once for each expert.
    pin(results_, "prefill_layer_time", scope, 8 * kRowBytes, 1e-4);
    pin(results_, "decode_layer_time", scope, 4 * kRowBytes, 1e-4);
    pin(results_, "prefill_step_time", scope, 2 * 8 * kRowBytes, 1e-4);
    pin(results_, "decode_step_time", scope, 2 * 4 * kRowBytes, 1e-4);
  }
  pin(results_, "gpus", "run", 2);
  pin(results_, "cost_per_hour", "run", 2 * 3);
}

TEST_F(PlaceFiguresFormula, InsideANodeTheSameGoesOverNvlink) {
  store_figures(options(1, "contiguous"), results_);
  pin(results_, "busiest_nvlink_bytes", "run", 4 * 2 * kRowBytes);
  EXPECT_FALSE(results_.has_metric("busiest_adapter_bytes"));
  // Dealt out in turn, both GPUs have one of each token's experts: all tokens are sent to the other.
  PlaceOptions o = options(1, "round_robin");
  results::Results other(":memory:", {});
  store_figures(o, other);
  pin(other, "busiest_nvlink_bytes", "run", 8 * 2 * kRowBytes);
}

// From 0 1 | 2 3 to 0 2 | 1 3: one expert of each GPU and layer goes to the other.
TEST_F(PlaceFiguresFormula, WhatMovesIsWhatAGpuLacks) {
  PlaceOptions before = options(2, "contiguous"), o = options(2, "round_robin");
  const PlaceResult first = place(before);
  o.from = placement_of(before, first, 0);
  store_figures(o, results_);
  pin(results_, "moves", "run", 4);
  pin(results_, "migration_bytes", "run", 4 * kExpertBytes);
  pin(results_, "migration_time", "run", 2 * kExpertBytes);  // each adapter sends two and takes two in
}

// Six of eight tokens on the first GPU, where four could be.
TEST_F(PlaceFiguresFormula, TheGapIsTheSlowestGpuOverWhatItMustHave) {
  store_figures(on_counts({3, 3, 1, 1}), results_);
  pin(results_, "gap_to_bound", "run", 0.5);
  pin(results_, "imbalance", "run", 0.5);
  pin(results_, "balancedness", "run", 4.0 / 6);
  pin(results_, "expert_load_max_over_mean", "run", 1.5);
  pin(results_, "expert_load_gini", "run", 0.25);  // 16 of distances, over 2 x 4 x 8
  pin(results_, "balancedness_bound", "layer:0", 1);
}

// An expert of 6 of 8 tokens lies on one of two GPUs: at best the mean of 4 over 6.
TEST_F(PlaceFiguresFormula, TheBoundOfBalanceIsTheMeanOverWhatOneGpuMustHave) {
  store_figures(on_counts({6, 1, 1, 0}), results_);
  pin(results_, "balancedness", "layer:0", 4.0 / 7);
  pin(results_, "balancedness_bound", "layer:0", 4.0 / 6);
}

// One GPU with eight slots for four experts: in each of two layers four hold what is there already.
TEST_F(PlaceFiguresFormula, ASecondCopyOnOneGpuIsWasted) {
  PlaceOptions o = options(1, "eplb_global");
  o.problem.gpus = 1;
  o.cluster.reset();
  o.slots = {8};
  store_figures(o, results_);
  pin(results_, "wasted_slots", "run", 2 * 4);
  pin(results_, "expert_memory", "run", 2 * 8 * kExpertBytes);
}
}  // namespace
}  // namespace moesim::placing
