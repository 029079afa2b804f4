// Low-rank adapters counted by hand: what is trained, what is computed for it, what it keeps.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "training/costs.h"
#include "training/step.h"

namespace moesim::training::lora {
namespace {
// A layer of Mixtral 8x7B: QKV 4096 -> 6144, output 4096 -> 4096, an expert 4096 -> 28,672 and 14,336 -> 4096.
constexpr double kAttention = 6144 + 4096 + 4096 + 4096, kExpert = 28672 + 4096 + 14336 + 4096;
constexpr double kRank = 8, kExperts = 8;

/// On 8 H800, data-sheet kernels with a launch of 1 ms.
std::string scenario(const std::string& more, const std::string& parallel = "") {
  return "model: {extends: mixtral-8x7b, layers: 1}\ncluster: {node: hgx-h800, nodes: 1, fabric: ib-rail}\n"
         "kernels: {kind: roofline, launch: 1 ms}\nrouting: balanced\nnetwork: bottleneck\ntraining: {sequence: 512, "
         "batch: 8, state: {weights: bf16, master: fp32, gradients: fp32, moments: bf16}, parallel: {zero: 0" +
         parallel + "}" + more + "}\n";
}
TrainingSetup setup_of_text(const std::string& text) { return TrainingSetup(Config::from_text(text, "lora.yaml"), 1); }
const PlanBlock kLayer{PlanBlock::Kind::layer, 0, true};
std::string lora(const std::string& targets = "") {
  return fmt::format(", lora: {{rank: {}{}}}", kRank, targets.empty() ? "" : ", targets: [" + targets + "]");
}
std::vector<compute::Operation> operations(const TrainingPlan& plan, compute::LayerPart part, compute::Pass pass) {
  std::vector<compute::Operation> out;
  static const std::vector<std::int64_t> rows(8, 128);
  compute::append_operations(out, plan.model, 0, part, pass, plan.batch, rows, plan.setup.options);
  return out;
}
double flops(const std::vector<compute::Operation>& all, bool adapters) {
  double sum = 0;
  for (const compute::Operation& o : all)
    if (o.adapter == adapters) sum += o.flops.v;
  return sum;
}

TEST(Lora, TrainsRankTimesBothSidesOfEveryProduct) {
  const TrainingPlan all = setup_of_text(scenario(lora())).plan();
  EXPECT_EQ(trained_parameters(all, kLayer).dense, kRank * kAttention);
  EXPECT_EQ(trained_parameters(all, kLayer).experts, kExperts * kRank * kExpert);
  EXPECT_EQ(adapter_parameters(all), kRank * (kAttention + kExperts * kExpert));
  const TrainingPlan attention = setup_of_text(scenario(lora("attention"))).plan();
  EXPECT_EQ(trained_parameters(attention, kLayer).dense, kRank * kAttention);
  EXPECT_EQ(trained_parameters(attention, kLayer).experts, 0);
  const TrainingPlan experts = setup_of_text(scenario(lora("experts"), ", expert: 4")).plan();
  EXPECT_EQ(trained_parameters(experts, kLayer).dense, 0);
  EXPECT_EQ(trained_parameters(experts, kLayer).experts, kExperts / 4 * kRank * kExpert);
  EXPECT_EQ(adapter_parameters(experts), kRank * kExperts * kExpert);
  for (const PlanBlock::Kind kind : {PlanBlock::Kind::embedding, PlanBlock::Kind::head})
    EXPECT_EQ(trained_parameters(all, {kind, 0, false}).dense, 0);
}

TEST(Lora, TakesNoGradientOfAWeightThatStays) {
  const TrainingPlan full = setup_of_text(scenario("")).plan(), plan = setup_of_text(scenario(lora())).plan();
  const double tokens = 512, rows = 8 * 128;
  using compute::LayerPart;
  using compute::Pass;
  for (const auto& [part, weights] :
       {std::pair(LayerPart::attention, tokens * kAttention), std::pair(LayerPart::experts, rows * kExpert)}) {
    EXPECT_GT(flops(operations(full, part, Pass::weight_gradient), false), 0);
    EXPECT_EQ(flops(operations(plan, part, Pass::weight_gradient), false), 0);
    // 2 x rank x (columns + rows) a token of every product, in each of the three passes.
    for (const Pass pass : {Pass::forward, Pass::backward_input, Pass::weight_gradient})
      EXPECT_EQ(flops(operations(plan, part, pass), true), 2 * kRank * weights) << int(pass);
    for (const Pass pass : {Pass::forward, Pass::backward_input})
      EXPECT_EQ(flops(operations(plan, part, pass), false), flops(operations(full, part, pass), false));
  }
  for (const LayerPart part : {LayerPart::gate, LayerPart::head, LayerPart::embedding})
    EXPECT_TRUE(operations(plan, part, Pass::weight_gradient).empty()) << int(part);
}

Bytes item(const compute::MemoryUse& use, const std::string& name) {
  for (const compute::MemoryItem& i : use.items)
    if (i.name == name) return i.bytes;
  return {};
}

TEST(Lora, KeepsGradientsAndOptimiserOfAdaptersAlone) {
  TrainingSetup full = setup_of_text(scenario(", micro_batch: 1", ", expert: 8"));
  TrainingSetup adapted = setup_of_text(scenario(lora(), ", expert: 8"));
  const compute::MemoryUse all = full.costs().resident_use(0), use = adapted.costs().resident_use(0);
  const auto trained = std::int64_t(kRank * (kAttention + kExpert));  // one expert a GPU
  EXPECT_EQ(item(use, "weights"), item(all, "weights"));
  EXPECT_EQ(item(use, "adapters"), Bytes{2 * trained});
  EXPECT_EQ(item(use, "gradients"), Bytes{4 * trained});
  EXPECT_EQ(item(use, "master weights"), Bytes{4 * trained});
  EXPECT_EQ(item(use, "optimizer moments"), Bytes{4 * trained});
  EXPECT_GT(item(all, "gradients").v, 10 * item(use, "gradients").v);
}

TEST(Lora, KeepsInputsOfAdaptedProductsAlone) {
  const auto kept = [](const std::string& more) {
    const TrainingPlan plan = setup_of_text(scenario(more)).plan();
    return compute::layer_activations(plan.model, 0, plan.batch, 1024, plan.setup.options);
  };
  const auto bytes = [](const std::vector<compute::MemoryItem>& items, const std::string& name) {
    for (const compute::MemoryItem& i : items)
      if (i.name == name) return i.bytes.v;
    return std::int64_t{0};
  };
  const auto full = kept(""), attention = kept(lora("attention")), experts = kept(lora("experts"));
  EXPECT_EQ(bytes(attention, "normed input"), bytes(full, "normed input"));
  EXPECT_EQ(bytes(attention, "routed rows"), 0);
  EXPECT_EQ(bytes(attention, "routed activation"), 0);
  EXPECT_EQ(bytes(attention, "routed gate-up"), bytes(full, "routed gate-up"));  // SwiGLU's backward reads it
  EXPECT_EQ(bytes(experts, "normed input"), 0);
  EXPECT_EQ(bytes(experts, "attention output"), bytes(full, "attention output"));  // attention's backward reads it
  EXPECT_EQ(bytes(experts, "routed rows"), bytes(full, "routed rows"));
  EXPECT_EQ(bytes(attention, "between adapters"), std::int64_t(512 * 2 * kRank) * 2);
  EXPECT_EQ(bytes(experts, "between adapters"), std::int64_t(1024 * 2 * kRank) * 2);
}

TEST(Lora, UpdatesAndReducesAdaptersAlone) {
  constexpr double kLaunch = 1e-3, kBandwidth = 3.35e12;
  TrainingSetup setup = setup_of_text(scenario(lora("attention"), ", expert: 8"));
  const schedule::StepOutcome step = setup.run(0, nullptr);
  // As in update_formula: 38 bytes of what a GPU updates and 4 of gradients set to zero; four tensors: a launch each of
  // the norm, clipping and AdamW and four of copies, and one that streams in the norm and the update.
  const double own = 4 + 8 + 4 + 8 + 8 + 6, parameters = kRank * kAttention;
  EXPECT_NEAR(seconds(step.gpus[0].spent[std::size_t(schedule::Spent::optimizer)]),
              parameters * (own + 4) / kBandwidth + kLaunch * (2 + 3 + 4), 1e-6);
}

TEST(Lora, TakesLessMemoryThanTrainingAll) {
  const auto peak = [](const std::string& more) {
    TrainingSetup setup = setup_of_text(scenario(more, ", expert: 8"));
    return setup.run(0, nullptr).gpus[0].peak_memory.v;
  };
  EXPECT_LT(peak(lora()), peak("") / 2);
}
}  // namespace
}  // namespace moesim::training::lora
