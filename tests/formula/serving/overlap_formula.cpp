// The order of compute and communication within a step, against sums done by hand.
#include <gtest/gtest.h>

#include "core/random.h"
#include "network/exchanges/exchange.h"
#include "serving/step/overlap.h"

namespace moesim::serving::overlaps {
namespace {
LayerPieces layer(Time in, Time core, Time shared, Time dispatch, Time experts, Time combine) {
  LayerPieces out;
  out.time = {in, core, shared, dispatch, experts, combine};
  return out;
}
struct Result {
  Time total{};
  std::array<double, kStepParts> parts{};
  double of(StepPart part) const { return parts[std::size_t(part)]; }
};
Result run(OverlapKind kind, const LayerPieces& each, int layers) {
  Result out;
  const OverlapPlan& plan = overlap_plan(kind);
  const std::vector<LayerPieces> all(std::size_t(layers * plan.micro_batches), each);
  std::vector<double> exposed(std::size_t(layers), 0);
  out.total = overlapped_time(plan, all, out.parts, exposed);
  double sum = 0, hidden = 0;
  for (double p : out.parts) sum += p;
  for (double e : exposed) hidden += e;
  EXPECT_NEAR(sum, seconds(out.total), 1e-12) << "every second belongs to one part";
  EXPECT_NEAR(hidden, out.of(StepPart::dispatch) + out.of(StepPart::combine), 1e-12);
  return out;
}

TEST(Overlap, NoneIsTheSum) {
  const Result r = run(OverlapKind::none, layer(1_s, 2_s, 3_s, 4_s, 5_s, 6_s), 3);
  EXPECT_EQ(r.total, 63_s);
  EXPECT_DOUBLE_EQ(r.of(StepPart::dispatch), 12);
  EXPECT_DOUBLE_EQ(r.of(StepPart::combine), 18);
}

TEST(Overlap, SharedExpertHidesTheDispatch) {
  EXPECT_EQ(run(OverlapKind::shared_expert, layer(1_s, 2_s, 4_s, 4_s, 5_s, 6_s), 1).total, 18_s);  // 1+2+max(4,4)+5+6
}

TEST(Overlap, SingleBatchSendsResultsDuringTheLastThirdOfTheExperts) {
  // 1 + 2 + max(4, 4), experts 6 s; results leave after 4 of these, for 5 s: 3 of them are waited for.
  const Result r = run(OverlapKind::single_batch, layer(1_s, 2_s, 4_s, 4_s, 6_s, 5_s), 1);
  EXPECT_EQ(r.total, 16_s);
  EXPECT_DOUBLE_EQ(r.of(StepPart::combine), 3);
  // A short combine ends with the experts, not before.
  EXPECT_EQ(run(OverlapKind::single_batch, layer(1_s, 2_s, 4_s, 4_s, 6_s, 1_s), 1).total, 13_s);
}

TEST(Overlap, ExpertsThatJoinALayerLaterRunBesideIt) {
  // Attention 1 + 2, dispatch 5 beside dense 3 and the next layer's projections 1: one waited for; experts 4; combine 9
  // beside the rest of the next layer, 2 + 3: four waited for.
  std::array<double, kStepParts> parts{};
  const OverlapPlan& plan = overlap_plan(OverlapKind::shortcut);
  const LayerPieces pair[] = {layer(1_s, 2_s, 3_s, 5_s, 4_s, 9_s), layer(1_s, 2_s, 3_s, 0_s, 0_s, 0_s)};
  EXPECT_EQ(overlapped_time(plan, pair, parts), 1_s + 2_s + 5_s + 4_s + 9_s);
  EXPECT_DOUBLE_EQ(parts[std::size_t(StepPart::dispatch)], 1);
  EXPECT_DOUBLE_EQ(parts[std::size_t(StepPart::combine)], 4);
  // Short exchanges are hidden whole.
  const LayerPieces fast[] = {layer(1_s, 2_s, 3_s, 4_s, 4_s, 5_s), layer(1_s, 2_s, 3_s, 0_s, 0_s, 0_s)};
  EXPECT_EQ(overlapped_time(plan, fast, parts), 1_s + 2_s + 3_s + 1_s + 4_s + 2_s + 3_s);
}

TEST(Overlap, TwoBatchesHideShortExchanges) {
  // Each micro-batch computes 1+1+1+1 s a layer and its exchanges take 1 s each: all hidden but the very last combine.
  const Result r = run(OverlapKind::two_batch, layer(1_s, 1_s, 1_s, 1_s, 1_s, 1_s), 10);
  EXPECT_EQ(r.of(StepPart::dispatch), 0);
  EXPECT_LE(r.total, 81_s);  // 2 x 4 s x 10 layers, and at most the last combine
  EXPECT_GE(r.total, 80_s);
}

TEST(Overlap, TwoBatchesOfHalfTheTokensGainUntilFixedCostsDominate) {
  // Large batch: everything halves with the tokens.  Small batch: nothing does, so two micro-batches only cost.
  const LayerPieces large = layer(1_s, 1_s, 1_s, 2_s, 2_s, 2_s);
  LayerPieces half = large;
  for (Time& t : half.time) t = t / 2;
  for (const OverlapKind kind : {OverlapKind::two_batch, OverlapKind::five_stage}) {
    EXPECT_LT(run(kind, half, 20).total, run(OverlapKind::none, large, 20).total * 7 / 10);
    EXPECT_GT(run(kind, large, 20).total, run(OverlapKind::none, large, 20).total);
  }
}

TEST(Overlap, FiveStagesHideEveryExchangeBehindOneStage) {
  // Core with shared expert, experts, and projections of 3 s each; exchanges of 3 s fit beside them.
  const Result r = run(OverlapKind::five_stage, layer(3_s, 2_s, 1_s, 3_s, 3_s, 3_s), 30);
  const double compute = 2 * 9 * 30;
  EXPECT_LT(seconds(r.total), compute + 10);  // only the ends are exposed
  const Result slow = run(OverlapKind::five_stage, layer(3_s, 2_s, 1_s, 9_s, 3_s, 9_s), 30);
  EXPECT_GE(seconds(slow.total),
            2 * 18 * 30);  // then the network is the limit, and rests only where the order makes it
  EXPECT_LT(seconds(slow.total), 1.2 * 2 * 18 * 30);
}

TEST(Overlap, NeverFasterThanEitherStream) {
  Random random(5, "overlap");
  for (int i = 0; i < 200; ++i) {
    LayerPieces p;
    for (Time& t : p.time) t = Time{std::int64_t(random.below(1'000'000))};
    const int layers = 1 + int(random.below(8));
    for (const auto& [name, kind] : enum_names(OverlapKind{})) {
      const std::int64_t micros = overlap_plan(kind).micro_batches;
      const Time compute = p[Piece::attention_in] + p[Piece::attention_core] + p[Piece::shared] + p[Piece::experts];
      const Time network = p[Piece::dispatch] + p[Piece::combine];
      const Time total = run(kind, p, layers).total;
      EXPECT_GE(total, compute * micros * layers) << name;
      EXPECT_GE(total, network * micros * layers) << name;
      EXPECT_LE(total, (compute + network) * micros * layers) << name;
    }
  }
}

/// The exchange of one micro-batch of the decode limit on an ideal network: ten single-GPU nodes, so that a GPU sends
/// each of its 32 tokens to nine others over one 50 GB/s adapter, without latency.
Time ideal_exchange(std::int64_t row_bytes, network::ExchangeDirection direction) {
  spec::Cluster cluster;
  cluster.nodes = 10;
  cluster.node.gpus = cluster.node.nics = 1;
  cluster.node.nic = 50_GBps;
  cluster.node.gpu.nvlink = 50_GBps;
  cluster.fabric.switch_ports = 64;
  const network::Topology topology(cluster);
  const network::ExchangeGroup group(topology, GpuId{0}, 10);
  network::ExchangeTimes times(group, network::NetworkCalibration{},
                               {network::ExchangeKernel::deepep_low_latency, direction, Bytes{row_bytes}, 0, true});
  exchange::ExchangeLoad load{.gpus = 10,
                              .nodes = 10,
                              .slots = 10,
                              .rows_to_gpu = {},
                              .tokens_to_gpu = {},
                              .tokens_to_node = {},
                              .slot_rows = {},
                              .exact = true};
  for (int s = 0; s < 10; ++s)
    for (int d = 0; d < 10; ++d) load.rows_to_gpu.push_back(s == d ? 0 : 32);
  load.tokens_to_gpu = load.tokens_to_node = load.rows_to_gpu;
  load.slot_rows.assign(10, 9 * 32);
  std::vector<Time> ready(10), arrival(10);
  times(load, ready, arrival);
  for (const Time t : arrival) EXPECT_EQ(t, arrival[0]);
  return arrival[0];
}

TEST(Overlap, PublishedDecodeLimitToTheLastDigit) {
  // (1 B + 2 B) x 32 tokens x 9 copies x 7168 / 50 GB/s, two micro-batches, 61 layers, nothing to compute.
  const Time dispatch = ideal_exchange(7168 * 1, network::ExchangeDirection::dispatch);
  const Time combine = ideal_exchange(7168 * 2, network::ExchangeDirection::combine);
  EXPECT_EQ(dispatch.v, 41'287'680);  // ps: 32 x 9 x 7168 B / 50 GB/s
  EXPECT_EQ(combine.v, 82'575'360);
  for (const OverlapKind kind : {OverlapKind::two_batch, OverlapKind::five_stage})
    EXPECT_EQ(run(kind, layer({}, {}, {}, dispatch, {}, combine), 61).total.v, std::int64_t{2} * 61 * 3 * 41'287'680);
  // The publication rounds 7168 to 7000 and prints 120.96 us and 14.76 ms.
  const Time rounded = ideal_exchange(7000, network::ExchangeDirection::dispatch) +
                       ideal_exchange(14000, network::ExchangeDirection::combine);
  EXPECT_EQ(rounded.v, 120'960'000);
  EXPECT_EQ((rounded * 2 * 61).v, 14'757'120'000);
}
}  // namespace
}  // namespace moesim::serving::overlaps
