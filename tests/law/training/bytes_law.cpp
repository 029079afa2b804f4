// What the collectives of a step carry in all is what their closed forms say, whatever the mapping.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "core/random.h"
#include "training/step.h"

namespace moesim::training {
namespace {
constexpr double kSequence = 512, kHidden = 4096, kHeads = 32, kHeadDim = 128, kLayers = 8, kBatch = 16;
constexpr double kGpus = 8, kActivation = 2, kGradient = 4, kWeight = 2;

struct Mapping {
  int pipeline = 1, tensor = 1, context = 1, zero = 1;
  bool again = false;  // the whole layer is computed twice
  bool cast = false;   // layers multiply in FP8 by a recipe that casts before it gathers
  double stage() const { return kGpus / pipeline; }
  double micro_batches() const { return kBatch / (stage() / (tensor * context)); }
};
Mapping draw(Random& random) {
  Mapping m;
  m.pipeline = 1 << random.below(2);
  m.tensor = 1 << random.below(3);
  if (m.pipeline * m.tensor < 8) m.context = 1 << random.below(2);
  m.zero = 1 + int(random.below(3));
  m.again = random.below(2) == 1;
  m.cast = random.below(2) == 1;
  return m;
}

/// A gather of `bytes` by n GPUs brings each what the n - 1 others have; a scatter is one run backwards.
double gathered(double n, double bytes) { return (n - 1) * bytes; }

double tensor_bytes(const Mapping& m) {
  const double bytes = kSequence / m.context * kHidden * kActivation;
  // Attention and feed-forward of each layer gather and scatter, forward (again) and backward, where they gather their
  // input once more; embedding and head gather and scatter together, the head its input once more.
  const double scatters = kLayers * 2 * (m.again ? 3 : 2), gathers = kLayers * 2 * (m.again ? 4 : 3);
  const double calls = scatters + gathers * (m.cast ? 0.5 : 1) + 4 + 1;
  return calls * gathered(m.tensor, bytes) * m.stage() / m.tensor * m.micro_batches();
}
double context_bytes(const Mapping& m) {
  const double keys = kSequence * kHeads / m.tensor * 2 * kHeadDim * kActivation;
  const double rings = kLayers * (m.again ? 4 : 3);
  return rings * gathered(m.context, keys) * m.stage() / m.context * m.micro_batches();
}
double send_bytes(const Mapping& m) {
  const double message = kSequence / m.context / m.tensor * kHidden * kActivation;
  return 2 * (m.pipeline - 1) * m.stage() * message * m.micro_batches();
}
double data_bytes(const Mapping& m, double parameters) {
  const double reductions = m.zero >= 2 ? m.micro_batches() : 1, gathers = m.zero == 3 ? 2 * m.micro_batches() : 1;
  return m.tensor * gathered(m.stage() / m.tensor, parameters * (reductions * kGradient + gathers * kWeight));
}

TEST(BytesLaw, CollectivesCarryTheirClosedForms) {
  Random random(11, "bytes");
  for (int i = 0; i < 60; ++i) {
    const Mapping m = draw(random);
    const std::string text = fmt::format(
        "sequence: {}, batch: {}, recompute: {}, state: {{gradients: fp32, weights: bf16}}, parallel: {{pipeline: {}, "
        "tensor: {}, context: {}, zero: {}}}{}",
        kSequence, kBatch, m.again ? "full" : "none", m.pipeline, m.tensor, m.context, m.zero,
        m.cast ? ", precision: {linear: fp8, recipe: delayed}" : "");
    SCOPED_TRACE(text);
    const Config scenario = Config::from_text(
        fmt::format("model: {{extends: llama-2-7b, layers: {}}}\ncluster: {{node: hgx-h800, nodes: 1, fabric: "
                    "ib-rail}}\ntraining: {{{}}}\n",
                    kLayers, text),
        "bytes.yaml");
    TrainingSetup setup(scenario, 3);
    setup.run(0, nullptr);
    double parameters = 0;
    for (const auto& stage : setup.plan().stages)
      for (const PlanBlock& block : stage) parameters += block_parameters(setup.plan(), block).dense;
    const double asked = tensor_bytes(m) + context_bytes(m) + send_bytes(m) + data_bytes(m, parameters);
    // Each byte crosses two links, to the switch and from it.
    EXPECT_NEAR(setup.link_totals_of_all()[std::size_t(network::LinkKind::nvlink)] / asked / 2, 1, 1e-5);
  }
}
}  // namespace
}  // namespace moesim::training
