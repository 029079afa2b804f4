#include "forward/engine.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "forward/setup.h"
#include "network/calibration.h"
#include "spec/catalogue.h"
#include "support/refusal.h"

namespace moesim::forward {
namespace {
TEST(Engine, EveryEntrysAllReduceKernelsAreKnownToTheNetworksThatHaveAny) {
  for (const std::string name : {"sglang", "vllm", "trtllm"}) {
    const Engine engine = load_engine(name);
    EXPECT_EQ(engine.name, name);
    for (const std::string gpu : {"a100", "h100", "h800", "b200", "gb200"}) {
      const auto c = network::network_calibration_for("auto", spec::load_gpu(gpu));
      EXPECT_TRUE(std::ranges::any_of(c.engine_all_reduce,
                                      [&](const auto& kernels) { return kernels.kernels == engine.all_reduce; }))
          << name << " on " << gpu;
    }
  }
}

TEST(Engine, BringsItsExchangeWhereTheScenarioNamesNone) {
  const spec::Model model = spec::load_model("deepseek-v3");
  const spec::Gpu gpu = spec::load_gpu("h100");
  StepQuestion q{.model = model, .gpu = gpu, .phase = compute::StepPhase::decode};
  EXPECT_EQ(set_up(q).dispatch.kernel, network::ExchangeKernel::deepep_low_latency);
  q.engines_exchange = load_engine("vllm").decode_exchange;
  EXPECT_EQ(set_up(q).dispatch.kernel, network::ExchangeKernel::all_gather);
  EXPECT_EQ(set_up(q).exchange_reason, "the engine's");
  q.exchange.kernel = network::ExchangeKernel::all_to_all;
  EXPECT_EQ(set_up(q).dispatch.kernel, network::ExchangeKernel::all_to_all);
  EXPECT_EQ(load_engine("sglang").decode_exchange, std::nullopt);
}

TEST(Engine, AFileOfOnesOwnMayExtendAnEntry) {
  const std::string file = fmt::format("{}own.yaml", testing::TempDir());
  std::ofstream(file) << "type: engine\nextends: engine-vllm\nexperts: [marlin]\n";
  const Engine engine = load_engine(file);
  EXPECT_EQ(engine.all_reduce, "vllm");
  EXPECT_EQ(engine.experts, std::vector{compute::ExpertLibrary::marlin});
}

TEST(Engine, AnUnknownOneIsRefusedWithThoseThereAre) {
  const auto refused = [](const std::string& text) {
    return test::refusal_of([&] { (void)read_engine(Config::from_text(text, "a.yaml").at("engine")); });
  };
  EXPECT_EQ(refused("engine: sglnag"), "a.yaml:1:9: engine: no engine is called \"sglnag\"; did you mean \"sglang\"?");
  EXPECT_EQ(refused("engine: tgi"), "a.yaml:1:9: engine: no engine is called \"tgi\"; there are: sglang, trtllm, vllm");
  EXPECT_EQ(refused("engine: {experts: [cuda]}"),
            "a.yaml:1:20: engine.experts[0]: \"cuda\" is not known here; there are: usual, deep_gemm, triton, cutlass, "
            "trtllm, marlin");
}
}  // namespace
}  // namespace moesim::forward
