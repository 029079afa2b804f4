// Work is conserved: however a step is spread over GPUs, they do together what the model asks for, and no more.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <functional>
#include <tuple>

#include "core/random.h"
#include "network/collectives/collective.h"
#include "spec/count.h"
#include "training/step.h"

namespace moesim::training {
namespace {
/// A mapping of 32 GPUs.
struct Spread {
  int pipeline = 1, tensor = 1, context = 1, expert = 1, expert_tensor = 1, chunks = 1, zero = 1;
  std::string text(int batch) const {
    return fmt::format(
        "sequence: 512, batch: {}, recompute: full, schedule: {}, parallel: {{pipeline: {}, tensor: {}, context: {}, "
        "expert: {}, expert_tensor: {}, zero: {}}}",
        batch, chunks > 1 ? fmt::format("{{kind: interleaved_1f1b, chunks: {}}}", chunks) : "1f1b", pipeline, tensor,
        context, expert, expert_tensor, zero);
  }
};
int power_of_two(Random& random, int most) {
  int out = 1;
  while (2 * out <= most && random.below(2) == 1) out *= 2;
  return out;
}
Spread draw(Random& random, bool moe) {
  Spread s;
  s.pipeline = power_of_two(random, 4);
  const int stage = 32 / s.pipeline;
  s.tensor = power_of_two(random, std::min(4, stage));
  s.context = power_of_two(random, std::min(2, stage / s.tensor));
  if (moe) {
    s.expert_tensor = power_of_two(random, std::min(4, stage));
    s.expert = power_of_two(random, std::min(8, stage / s.expert_tensor));
  }
  s.chunks = s.pipeline > 1 ? power_of_two(random, 2) : 1;
  s.zero = int(random.below(4));
  return s;
}

struct Done {
  double flops = 0, rows = 0, tokens = 0;
  spec::Model model;
};
Done run(const std::string& model, const Spread& spread, const std::string& more = "") {
  const Config scenario = Config::from_text(
      fmt::format("model: {}\ncluster: h800-32\nrouting: {{kind: log_normal, sigma: 0.5}}\n{}training: {{{}}}\n", model,
                  more, spread.text(32)),
      "work.yaml");
  TrainingSetup setup(scenario, 3);
  setup.run(0, nullptr);
  const TrainingPlan& plan = setup.plan();
  const double stands_for = double(plan.gpus_per_stage) / (plan.replicas * plan.members);
  const StepWork& work = setup.costs().work();
  // A row is computed in as many parts as GPUs share its expert's width.
  const double rows = double(work.rows) * stands_for / spread.expert_tensor;
  return {work.flops * stands_for, rows, double(plan.tokens_per_step()), plan.model};
}
const std::string kMixtral = "{extends: mixtral-8x7b, layers: 8, moe: {expert_width: 2048}}";
const std::string kV2 = "{extends: deepseek-v2-lite, layers: 8}";
const std::string kDense = "{extends: llama-2-7b, layers: 8}";

TEST(WorkLaw, RowsOverAllGpusAreTokensTimesTopK) {
  Random random(7, "work");
  for (int i = 0; i < 24; ++i) {
    const Spread s = draw(random, true);
    for (const std::string fold : {"fold: none\n", "fold: data\n"}) {
      const Done done = run(i % 2 == 0 ? kMixtral : kV2, s, fold);
      SCOPED_TRACE(fold + s.text(32));
      EXPECT_EQ(done.rows, done.tokens * done.model.moe->top_k * double(done.model.moe_layers().size()));
    }
  }
}

TEST(WorkLaw, FlopsOverAllGpusAreTheModels) {
  Random random(8, "work");
  for (int i = 0; i < 24; ++i)
    for (const std::string& model : {kMixtral, kDense}) {
      const Spread s = draw(random, model != kDense);
      const Done done = run(model, s);
      SCOPED_TRACE(model + " " + s.text(32));
      const double asked = spec::training_flops(done.model, 512, true).v * done.tokens;
      EXPECT_NEAR(done.flops / asked, 1, 1e-12);
    }
}

TEST(WorkLaw, ExpertsNotSharedAreExpertsSharedByOne) {
  const auto figures = [](const std::string& shared) {
    const Config scenario = Config::from_text("model: " + kMixtral +
                                                  "\ncluster: h800-32\ntraining: {sequence: 512, batch: 32, parallel: "
                                                  "{expert: 8" +
                                                  shared + "}}\n",
                                              "work.yaml");
    TrainingSetup setup(scenario, 3);
    const Time step = setup.run(0, nullptr).step;
    return std::tuple(step, setup.engine().fingerprint(), setup.link_totals_of_all());
  };
  EXPECT_EQ(figures(""), figures(", expert_tensor: 1"));
}

TEST(WorkLaw, SharersOfAnExpertGatherAndScatterTheRowsOfEach) {
  // One node of 8: 2 expert groups of 4; pairs of neighbours share experts.  Even routing, 8 experts, top 2: a GPU
  // feeds 512 tokens, each of which reaches top-k rows; a pair has the rows of both, 2 x 512 x 2, and every GPU sends
  // its half of them to the other: a gather and a scatter forward, forward again and backward, in each of 8 layers;
  // each byte crosses two links.
  const auto nvlink = [](const std::string& expert) {
    const Config scenario = Config::from_text(
        "model: " + kMixtral +
            "\ncluster: {node: hgx-h800, nodes: 1, fabric: ib-rail}\ntraining: {sequence: 512, batch: "
            "8, recompute: full, parallel: {zero: 0, tensor: 1, " +
            expert + "}}\n",
        "work.yaml");
    TrainingSetup setup(scenario, 3);
    setup.run(0, nullptr);
    // Gradients of experts are no part of it.
    double experts = 0, dense = 0;
    for (const PlanBlock& block : setup.plan().stages.front()) {
      experts += block_parameters(setup.plan(), block).experts;
      dense += block_parameters(setup.plan(), block).dense;
    }
    const double copies = setup.plan().expert_data;
    return setup.link_totals_of_all()[std::size_t(network::LinkKind::nvlink)] -
           2 * 2 * 4 * (7 * dense + 8 * (copies - 1) / copies * experts);
  };
  const double with = nvlink("expert: 4, expert_tensor: 2"), without = nvlink("expert: 4");
  const double row = 4096 * 2;
  EXPECT_NEAR((with - without) / (2 * 8 * 8 * 6 * (512.0 * 2) * row), 1, 1e-3);
}
}  // namespace
}  // namespace moesim::training
