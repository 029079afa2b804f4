// Laws of every deployment: no request is lost, no token invented, no cache overfilled, no time runs backwards.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "law/serving/watched_service.h"

namespace moesim::serving {
namespace {
TEST(Requests, AreNeverLostWhateverThePolicies) {
  Random random(7, "laws");
  int preempted = 0;
  for (const char* batcher : {"chunked", "continuous", "static"})
    for (const char* balancer : {"least_loaded", "round_robin", "cache_aware", "kv_aware"})
      for (const bool split : {false, true})
        for (const bool drain : {false, true})
          for (const Preemption preemption : {Preemption::recompute, Preemption::swap}) {
            Case s;
            s.seed = random.below(1000);
            s.batcher = fmt::format("{{kind: {}, max_requests: 20, max_tokens: 300}}", batcher);
            s.balancer = balancer;
            s.workload =
                "{kind: gamma, rate: 30, cv: 3, input: {mean: 150, max: 4000}, output: {mean: 60, max: 3000}, "
                "prefixes: "
                "{count: 5, tokens: 64, skew: 1}, sessions: {turns: 2, pause: 1 s}, hash_block: 32}";
            s.shape.duration = 20_s;
            s.shape.drain = drain;
            s.shape.context = 3000;
            if (split) {
              s.shape.pools = {pool(Role::prefill, 2, 2, 4000), pool(Role::decode, 1, 3, 2500)};
            } else {
              s.shape.pools = {pool(Role::both, 2, 2, 2500)};
            }
            for (PoolShape& p : s.shape.pools) {
              p.instance.preemption = preemption;
              p.instance.kv.host = 1000;
              p.instance.kv.disk = 500;
              p.instance.stages = split ? 1 : 2;
            }
            s.step.decode_token = 100_us;
            if (!split)
              for (PoolShape& p : s.shape.pools) p.instance.stages = 1;
            SCOPED_TRACE(fmt::format("{} {} split {} drain {} seed {}", batcher, balancer, split, drain, s.seed));
            const Ran ran = run(s);
            expect_laws(ran);
            EXPECT_GT(ran.outcome.finished, 100);
            EXPECT_TRUE(!drain || ran.running + ran.waiting == 0);
            if (drain) {  // every token came out of a prompt or of decoding, whoever was preempted
              EXPECT_EQ(ran.totals.decode_tokens + ran.totals.prompt_outputs, ran.outcome.output_tokens);
            }
            preempted += int(ran.totals.preemptions);
          }
  EXPECT_GT(preempted, 0) << "the caches are too large to test anything";
}

TEST(Requests, SameSeedSameRun) {
  Case s;
  s.workload = "{kind: poisson, rate: 50}";
  s.shape.duration = 20_s;
  s.shape.pools = {pool(Role::both, 2, 2, 40000)};
  EXPECT_EQ(run(s).fingerprint, run(s).fingerprint);
  Case other = s;
  other.seed = 2;
  EXPECT_NE(run(s).fingerprint, run(other).fingerprint);
}

TEST(Requests, TooLongOrEmptyOnesAreRejectedAndCounted) {
  Case s;
  s.workload =
      "{kind: constant, rate: 0, limit: 10, input: {kind: table, values: [100, 5000]}, output: {kind: fixed, mean: "
      "10}}";
  s.shape.pools = {pool(Role::both, 1, 1, 1000)};
  const Ran ran = run(s);
  expect_laws(ran);
  EXPECT_GT(ran.outcome.rejected, 0);
  EXPECT_EQ(ran.outcome.reasons.begin()->first, "is longer than the KV cache can hold");
}

/// Moves every KV cache in one second and remembers how much it was.
struct OneSecondMover final : KvMover {
  explicit OneSecondMover(Engine& e) : engine(e) {}
  void move(int from, int to, Bytes bytes, double, Action done) override {
    EXPECT_LT(from, 2);
    EXPECT_GE(to, 2);
    moved += bytes.v;
    ++moves;
    engine.after(1_s, "moved", done);
  }
  Engine& engine;
  std::int64_t moved = 0, moves = 0;
};

TEST(Transfer, TokensWaitForTheirCacheAndNoByteIsLost) {
  Engine engine;
  const auto batcher = batchers().make(Config::from_text("chunked", "batcher"));
  auto workload =
      workloads().make(Config::from_text("{kind: constant, rate: 0.1, limit: 10, input: {kind: fixed, mean: 1000}, "
                                         "output: {kind: fixed, mean: 5}}",
                                         "workload"),
                       WorkloadContext{});
  ServiceShape shape;
  shape.pools = {pool(Role::prefill, 1, 2, 40000), pool(Role::decode, 1, 2, 40000)};
  shape.pools[1].first_gpu = 2;
  shape.layers = 10;
  for (PoolShape& p : shape.pools) {
    p.batcher = batcher.get();
    p.instance.kv_token = Bytes{100};
    p.layerwise_transfer = true;
    p.cost = [](int) {
      return std::make_unique<FixedCost>(FixedStep{.step = 1_ms, .prefill_token = {}, .decode_token = {}});
    };
  }
  OneSecondMover mover(engine);
  Watch watch;
  Service service(engine, *workload, shape, balancers().make(Config::from_text("least_loaded", "b")),
                  balancers().make(Config::from_text("kv_aware", "b")), &mover, watch, 1);
  service.run();
  Outcome& o = service.outcome();
  EXPECT_EQ(o.finished, 10);
  EXPECT_EQ(mover.moves, 10);
  EXPECT_EQ(mover.moved, 10 * 1000 * 100 / 10);  // the last of ten layers; the others left during prefill
  EXPECT_NEAR(quantiles(o.ttft).mean, 0.001, 1e-9);
  EXPECT_NEAR(quantiles(o.e2e).mean, 0.001 + 1 + 4 * 0.001, 1e-6);
}

TEST(Speculation, YieldsWhatTheAcceptancesSay) {
  const SpeculationSpec spec{.kind = DraftKind::ngram, .acceptance = {0.8, 0.5, 0.25}};
  EXPECT_DOUBLE_EQ(spec.tokens_per_step(), 1 + 0.8 + 0.4 + 0.1);
  Random random(1, "drafts");
  double sum = 0;
  for (int i = 0; i < 100000; ++i) sum += spec.draw(random);
  EXPECT_NEAR(sum / 100000, 2.3, 0.01);  // three standard errors
  Case s;
  s.workload = "{kind: poisson, rate: 20, output: {mean: 100}}";
  s.shape.duration = 30_s;
  s.shape.pools = {pool(Role::both, 1, 2, 40000)};
  const Ran plain = run(s);
  s.shape.pools[0].instance.speculation = spec;
  const Ran drafted = run(s);
  expect_laws(drafted);  // never a token more than asked for
  EXPECT_EQ(drafted.running + drafted.waiting, 0);
  EXPECT_EQ(drafted.outcome.output_tokens, plain.outcome.output_tokens);
}

TEST(Faults, EveryRequestEndsAfterALoss) {
  for (const FaultAnswer answer : {FaultAnswer::redundancy, FaultAnswer::restart}) {
    Case s;
    s.workload = "{kind: poisson, rate: 20, output: {mean: 100}}";
    s.shape.duration = 60_s;
    s.shape.pools = {pool(Role::prefill, 1, 2, 40000), pool(Role::decode, 2, 2, 40000)};
    s.shape.pools[0].name = "prefill";
    s.shape.pools[1].name = "decode";
    s.shape.pools[1].first_gpu = 2;
    s.shape.pools[1].start_up = 5_s;
    s.step.decode_token = 200_us;
    s.shape.faults = {{.kind = FaultKind::gpu,
                       .at = 20_s,
                       .repair = 10_s,
                       .pool = "decode",
                       .instance = 1,
                       .gpu = 0,
                       .answer = answer}};
    const Ran ran = run(s);
    expect_laws(ran);
    EXPECT_EQ(ran.running + ran.waiting, 0);
    EXPECT_GT(ran.outcome.retries, 0);
    EXPECT_GT(ran.faults.at(0).lost_tokens, 0);
    EXPECT_EQ(ran.faults.at(0).stalled, 15_s);  // detection, then start-up
  }
}
}  // namespace
}  // namespace moesim::serving
