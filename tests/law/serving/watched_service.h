// Services of fixed steps, run to their end under watch: what the laws of requests and of queues share.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "serving/service/service.h"
#include "serving/traces/workloads.h"

namespace moesim::serving {
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
  double seconds = 0;
  Window window;
  std::vector<PoolTotals> pools;
  std::vector<FaultReport> faults;
  InstanceTotals totals;
};

inline PoolShape pool(Role role, int instances, int ranks, std::int64_t kv) {
  PoolShape out;
  out.role = role;
  out.instances = instances;
  out.instance.ranks = ranks;
  out.instance.kv.capacity = kv;
  out.instance.kv.block = 16;
  out.gpus = ranks;
  return out;
}

inline Ran run(Case setup) {
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
  out.window = service.window();
  for (std::size_t p = 0; p < service.fleet().pools().size(); ++p) {
    out.pools.push_back(service.pool(p));
    out.totals += service.pool(p).sum;
  }
  return out;
}

inline void expect_laws(const Ran& ran) {
  EXPECT_EQ(ran.outcome.arrived, ran.outcome.finished + ran.running + ran.waiting + ran.outcome.rejected);
  EXPECT_EQ(ran.outcome.output_tokens, ran.outcome.asked_tokens);
  EXPECT_EQ(ran.watch.tokens, ran.outcome.output_tokens);
  EXPECT_EQ(ran.watch.rejected, ran.outcome.rejected);
  EXPECT_EQ(ran.watch.rows, ran.outcome.arrived);
}
}  // namespace moesim::serving
