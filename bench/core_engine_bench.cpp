// The hold model, the field's yardstick for event queues: take one event, schedule one at now + exponential.
#include <benchmark/benchmark.h>

#include <random>

#include "core/engine.h"
#include "core/random.h"

namespace moesim::core {
namespace {

struct Hold {
  Engine engine;
  std::vector<Time> delays;
  std::size_t next = 0;
  std::uint64_t left = 0;

  explicit Hold(bool ties) : delays(1 << 16) {
    Random random(1, "hold");
    for (Time& d : delays)
      d = ties ? Time{std::int64_t(random.below(8)) * 1'000'000} : Time{std::int64_t(random.exponential(1e9))};
  }
  void one() {
    engine.after(delays[next++ & 0xffff], "hold", [this] {
      if (left == 0) return engine.stop();
      --left;
      one();
    });
  }
};

void hold(benchmark::State& state) {
  Hold h(state.range(1) != 0);
  for (std::int64_t i = 0; i < state.range(0); ++i) h.one();
  constexpr std::uint64_t kBatch = 200'000;
  for (auto _ : state) {
    h.left = kBatch;
    h.engine.run();
    h.one();  // the event that stopped the run scheduled none
  }
  state.SetItemsProcessed(state.iterations() * std::int64_t(kBatch));
}

/// A word of randomness: ours against the standard's, which it equals bit by bit.
template <class Generator>
void word(benchmark::State& state) {
  Generator draw(1);
  for (auto _ : state) benchmark::DoNotOptimize(draw());
}
BENCHMARK(word<Twister>)->Name("word, ours");
BENCHMARK(word<std::mt19937_64>)->Name("word, the standard's");
BENCHMARK(hold)
    ->ArgNames({"pending", "ties"})
    ->Args({100, 0})
    ->Args({10'000, 0})
    ->Args({1'000'000, 0})
    ->Args({10'000, 1})
    ->MinTime(1);
}  // namespace
}  // namespace moesim::core
