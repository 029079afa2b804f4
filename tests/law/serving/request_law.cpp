// Laws of every deployment: no request is lost, no token invented, no cache overfilled, no time runs backwards; and
// queues on unit hardware wait as theory says.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "serving/service/service.h"
#include "serving/traces/workloads.h"

namespace moesim::serving {
namespace {
/// Keeps every request's row and checks it.
struct Watch final : ServiceLog {
  std::int64_t rows = 0, rejected = 0, tokens = 0;
  void request(const RequestEnd& end) override {
    ++rows;
    rejected += end.state == "rejected";
    if (end.state != "finished") return;
    tokens += end.live.generated;
    EXPECT_LE(end.live.arrival, end.live.start);
    EXPECT_LE(end.live.start, end.live.first);
    EXPECT_LE(end.live.first, end.live.last);
  }
};

struct Case {
  std::string workload = "{kind: poisson, rate: 1}";
  std::string batcher = "chunked", balancer = "least_loaded";
  FixedStep step{.step = 1_ms, .prefill_token = 1_us, .decode_token = 1_us};
  ServiceShape shape;
  std::uint64_t seed = 1;
};

struct Ran {
  Outcome outcome;
  std::int64_t running = 0, waiting = 0;
  Watch watch;
  std::uint64_t fingerprint = 0;
  double kv_peak = 0, seconds = 0;
  std::vector<FaultReport> faults;
  InstanceTotals totals;
};

PoolShape pool(Role role, int instances, int ranks, std::int64_t kv) {
  PoolShape out;
  out.role = role;
  out.instances = instances;
  out.instance.ranks = ranks;
  out.instance.kv.capacity = kv;
  out.instance.kv.block = 16;
  out.gpus = ranks;
  return out;
}

Ran run(Case setup) {
  Engine engine;
  const auto batcher = batchers().make(Config::from_text(setup.batcher, "batcher"));
  auto workload = workloads().make(Config::from_text(setup.workload, "workload"),
                                   WorkloadContext{.seed = setup.seed, .duration = setup.shape.duration});
  for (PoolShape& p : setup.shape.pools) {
    p.batcher = batcher.get();
    p.cost = [step = setup.step](int) { return std::make_unique<FixedCost>(step); };
    if (p.instance.kv.hash_block == 0) p.instance.kv.hash_block = workload->hash_block();
  }
  setup.shape.sample = 1_s;
  Ran out;
  Service service(engine, *workload, setup.shape, balancers().make(Config::from_text(setup.balancer, "balancer")),
                  balancers().make(Config::from_text("kv_aware", "balancer")), nullptr, out.watch, setup.seed);
  service.run();
  out.outcome = service.outcome();
  out.running = service.end().running;
  out.waiting = service.end().waiting;
  out.seconds = moesim::seconds(service.end().at);
  out.fingerprint = engine.fingerprint();
  out.faults = service.faults();
  for (std::size_t i = 0; i < service.fleet().size(); ++i)
    for (int r = 0; r < service.fleet()[i].instance->ranks(); ++r) {
      const KvCache& kv = service.fleet()[i].instance->cache(r);
      EXPECT_LE(kv.in_use() + kv.cached(), kv.capacity());
      EXPECT_TRUE(!setup.shape.drain || kv.in_use() == 0) << "instance " << i << " rank " << r;
    }
  for (std::size_t p = 0; p < service.fleet().pools().size(); ++p)
    out.totals.preemptions += service.pool(p).sum.preemptions;
  return out;
}

void expect_laws(const Ran& ran) {
  EXPECT_EQ(ran.outcome.arrived, ran.outcome.finished + ran.running + ran.waiting + ran.outcome.rejected);
  EXPECT_EQ(ran.outcome.output_tokens, ran.outcome.asked_tokens);
  EXPECT_EQ(ran.watch.tokens, ran.outcome.output_tokens);
  EXPECT_EQ(ran.watch.rejected, ran.outcome.rejected);
  EXPECT_EQ(ran.watch.rows, ran.outcome.arrived);
}

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

/// A server that takes one request at a time: the mean wait, from independent runs, within three standard errors of
/// theory, and less than 3 % of it.
void expect_wait(const std::string& input, double theory) {
  std::vector<double> waits;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Case s;
    s.seed = seed;
    s.batcher = "{kind: continuous, max_requests: 1, max_tokens: 1000000}";
    s.workload = "{kind: poisson, rate: 0.7, limit: 20000, input: " + input + ", output: {kind: fixed, mean: 1}}";
    s.step = {.step = {}, .prefill_token = 1_us, .decode_token = {}};  // a mean of 10^6 tokens is one second
    s.shape.pools = {pool(Role::both, 1, 1, 100'000'000)};
    Ran ran = run(s);
    expect_laws(ran);
    waits.push_back(quantiles(ran.outcome.queue).mean);
  }
  double mean = 0, variance = 0;
  for (double w : waits) mean += w / double(waits.size());
  for (double w : waits) variance += (w - mean) * (w - mean) / double(waits.size() - 1);
  const double error = std::sqrt(variance / double(waits.size()));
  EXPECT_NEAR(mean, theory, 3 * error);
  EXPECT_LT(error, 0.03 * theory) << "too few samples to say anything";
}
TEST(Queue, MD1WaitsAsPollaczekAndKhinchineSay) { expect_wait("{kind: fixed, mean: 1000000}", 0.7 / (2 * (1 - 0.7))); }
TEST(Queue, MM1WaitsTwiceAsLong) { expect_wait("{kind: exponential, mean: 1000000, max: 90000000}", 0.7 / (1 - 0.7)); }

/// Clients that think for 4 s and are served, one at a time, in 1 s, both exponential: the machine repair model.  Its
/// throughput is the share of time in which anybody is served, 1 - 1 / sum over k of N! / (N - k)! (1 / 4)^k.
TEST(Queue, ClosedLoopsServeAsTheMachineRepairModelSays) {
  for (const int clients : {1, 3, 8}) {
    double sum = 0, term = 1;
    for (int k = 0; k <= clients; ++k, term *= double(clients - k + 1) / 4) sum += term;
    std::vector<double> rates;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      Case s;
      s.seed = seed;
      s.batcher = "{kind: continuous, max_requests: 1, max_tokens: 100000000}";
      s.workload = fmt::format(
          "{{kind: closed, clients: {}, think: 4 s, limit: 5000, input: {{kind: exponential, mean: 1000000, max: "
          "90000000}}, output: {{kind: fixed, mean: 1}}}}",
          clients);
      s.step = {.step = {}, .prefill_token = 1_us, .decode_token = {}};
      s.shape.pools = {pool(Role::both, 1, 1, 100'000'000)};
      const Ran ran = run(s);
      expect_laws(ran);
      EXPECT_EQ(ran.outcome.finished, 5000);
      rates.push_back(double(ran.outcome.finished) / ran.seconds);
    }
    double mean = 0, variance = 0;
    for (const double r : rates) mean += r / double(rates.size());
    for (const double r : rates) variance += (r - mean) * (r - mean) / double(rates.size() - 1);
    const double error = std::sqrt(variance / double(rates.size()));
    EXPECT_NEAR(mean, 1 - 1 / sum, 3 * error) << clients;
    EXPECT_LT(error, 0.01 * mean) << clients;
  }
}

TEST(Queue, WithFixedConcurrencyRequestsWaitWithTheirSenders) {
  // Three a second to a server that takes one at a time for a second: none waits in the queue, all are served.
  Case s;
  s.batcher = "{kind: continuous, max_requests: 1, max_tokens: 100000000}";
  s.workload =
      "{kind: constant, rate: 3, limit: 50, concurrency: 1, input: {kind: fixed, mean: 1000000}, output: "
      "{kind: fixed, mean: 1}}";
  s.step = {.step = {}, .prefill_token = 1_us, .decode_token = {}};
  s.shape.pools = {pool(Role::both, 1, 1, 100'000'000)};
  Ran ran = run(s);
  expect_laws(ran);
  EXPECT_EQ(ran.outcome.finished, 50);
  EXPECT_EQ(quantiles(ran.outcome.queue).p999, 0);
  EXPECT_NEAR(ran.seconds, 50, 1e-6);
  // Two at once, one after the other in the server: the second of each pair waits for the first.
  s.workload.replace(s.workload.find("concurrency: 1"), 14, "concurrency: 2");
  ran = run(s);
  EXPECT_NEAR(quantiles(ran.outcome.queue).p50, 1, 1e-6);
  EXPECT_NEAR(ran.seconds, 50, 1e-6);
}

TEST(Queue, WhatNothingCanServeGivesItsPlaceUp) {
  Case s;
  s.workload =
      "{kind: constant, rate: 0, limit: 6, concurrency: 1, input: {kind: table, values: [10, 2000]}, output: "
      "{kind: fixed, mean: 2}}";
  s.shape.context = 100;
  s.shape.pools = {pool(Role::both, 1, 1, 100'000)};
  const Ran ran = run(s);
  expect_laws(ran);
  EXPECT_EQ(ran.outcome.finished + ran.outcome.rejected, 6);
  EXPECT_GT(ran.outcome.rejected, 0);
  EXPECT_GT(ran.outcome.finished, 0);
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
