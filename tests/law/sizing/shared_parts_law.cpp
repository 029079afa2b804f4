// What models of instances share makes them faster and changes nothing.
#include <gtest/gtest.h>

#include "core/random.h"
#include "law/sizing/small_plans.h"
#include "sizing/shared_trials.h"
#include "sizing/trial.h"
#include "sizing/unit_model.h"

namespace moesim::sizing {
namespace {
PoolDesign drawn_design(Random& random) {
  const auto one_of = [&](std::initializer_list<int> values) {
    return *(values.begin() + std::ptrdiff_t(random.below(values.size())));
  };
  PoolDesign d{.role = one_of({0, 1}) ? serving::Role::decode : serving::Role::prefill};
  d.tensor = one_of({1, 2});
  d.data = one_of({4, 8});
  d.slots = one_of({64, 80});
  d.overlap = d.role == serving::Role::decode ? serving::OverlapKind::five_stage : serving::OverlapKind::two_batch;
  return d;
}

/// Asked alone, or after and between others that share its parts: the same to the last bit.
TEST(SharedParts, ChangeNoFigure) {
  const TemporaryFolder folder;
  const Plan plan = read_small(folder, 1);
  Random random(7, "designs");
  SharedParts shared;
  for (int k = 0; k < 6; ++k) {
    const PoolDesign d = drawn_design(random);
    const PricedNode& node = plan.nodes[random.below(2)];
    SharedParts own;
    UnitModel alone(plan, node, "sglang", d, own);
    UnitModel among(plan, node, "sglang", d, shared);
    for (const int batch : {1, 24, 64}) {
      for (const serving::OverlapKind overlap : {serving::OverlapKind::none, d.overlap}) {
        const bool prompts = d.role == serving::Role::prefill;
        const auto step = [&](UnitModel& m) {
          return prompts ? m.step(0, 0, 128 * batch, 500, overlap) : m.step(batch, 1000, 0, 0, overlap);
        };
        const double first = step(among);
        EXPECT_EQ(first, step(alone)) << text_of(d, 1) << " " << batch;
        EXPECT_EQ(first, step(among)) << "asked twice";
      }
      EXPECT_EQ(alone.memory(batch, 2048).capacity, among.memory(batch, 2048).capacity);
      EXPECT_EQ(alone.memory(batch, 2048).buffers, among.memory(batch, 2048).buffers);
    }
  }
}

/// A search that prices on several threads is one that prices each pool by itself.
TEST(SharedParts, ServeEveryProposalAsIfItWereAlone) {
  const TemporaryFolder folder;
  const Plan plan = read_small(folder, 4);
  int usable = 0;
  for (const Proposal& p : propose(plan, 3)) {
    if (!p.usable() || usable++ % 5 != 0) continue;
    SharedParts own;
    UnitModel model(plan, *p.node, p.engine, p.design, own);
    const Steady steady = steady_of(plan, model, p.design);
    EXPECT_EQ(steady.rate, p.steady.rate) << text_of(p.design, 1);
    EXPECT_EQ(steady.step, p.steady.step);
  }
  EXPECT_GT(usable, 5);
}
/// Simulations one after the other, of other numbers of instances, loads and faults, as each by itself.
TEST(SharedTrials, ChangeNoFigure) {
  const TemporaryFolder folder;
  const Plan alone = read_small(folder, 2);
  Plan among = alone;
  SharedTrials shared;
  among.shared = &shared;
  for (const std::size_t node : {0, 1, 0})
    for (const auto& [instances, load] : {std::pair(1, 1.0), {2, 1.0}, {1, 0.5}}) {
      const PoolDesign prefill{.role = serving::Role::prefill, .data = 4, .slots = 64, .tokens = 2048},
          decode{.role = serving::Role::decode, .data = 4, .slots = 80, .batch = 64};
      const Deployment d{&alone.nodes[node], "sglang", {prefill, decode}, {1, instances}};
      Trial trial = trial_for(alone, 3);
      trial.load = load;
      EXPECT_EQ(simulate(among, d, trial), simulate(alone, d, trial)) << instances << " " << load;
      trial.faults = fmt::format("[{{kind: node, at: {}, pool: prefill, instance: 0}}]", to_text(trial.warmup));
      EXPECT_EQ(simulate(among, d, trial), simulate(alone, d, trial)) << instances << " " << load << " and a fault";
    }
}
}  // namespace
}  // namespace moesim::sizing
