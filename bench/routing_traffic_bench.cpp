// Drawing traffic: 64 GPUs, 256 experts, as in one stage of a DeepSeek-V3 training run.
#include <benchmark/benchmark.h>

#include "routing/traffic.h"

namespace moesim::routing {
namespace {
constexpr routing::GateShape kV3{256, 8, 8, 4};

std::unique_ptr<routing::TrafficSource> log_normal(const spec::GroupShape& group) {
  return routing::make_traffic(Config::from_text("kind: log_normal", "bench.yaml"), {kV3, group, 1, {}});
}

void draw(benchmark::State& state) {
  const spec::GroupShape group{64, 8};
  const auto source = log_normal(group);
  const std::vector<std::int32_t> tokens(64, std::int32_t(state.range(0)));
  routing::Traffic traffic;
  std::int64_t step = 0;
  for (auto _ : state) source->draw(3, step++, tokens, traffic);
}
BENCHMARK(draw)->ArgName("tokens")->Arg(4096)->Arg(64)->Unit(benchmark::kMicrosecond);
}  // namespace
}  // namespace moesim::routing
