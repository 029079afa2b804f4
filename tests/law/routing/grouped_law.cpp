// The law `grouped`: its loads look like DeepSeek-V3's recorded ones, differ by phase, text and moment as asked, and a
// fit to them finds the parameters they were drawn with.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "common/traffic_cases.h"
#include "core/random.h"
#include "routing/load_fit.h"
#include "routing/load_shape.h"

namespace moesim::routing {
namespace {
using test::kOlmoe;
using test::kV3;
constexpr int kFirst = 3, kLayers = 58;  // DeepSeek-V3's MoE layers

/// Expected loads of layers kFirst to kFirst + layers - 1.
std::vector<double> loads_of(const std::string& law, std::uint64_t seed, std::int64_t step = 0,
                             std::optional<TracePhase> phase = {}, const GateShape& gate = kV3, int layers = kLayers) {
  const auto source =
      make_traffic(Config::from_text("{kind: grouped" + law + "}", "test"), {gate, {32, 8}, seed, phase});
  const std::size_t experts = std::size_t(gate.experts);
  std::vector<double> out(std::size_t(layers) * experts);
  for (int l = 0; l < layers; ++l)
    source->shares(kFirst + l, step, std::span(out).subspan(std::size_t(l) * experts, experts));
  return out;
}
GroupedLoads v3(const std::vector<double>& counts) { return {counts, 256, 8}; }

TEST(GroupedLaw, HasTheFiguresOfTheRecordingsAllAtOnce) {
  // The ranges of four recordings of DeepSeek-V3 (reports/routing.md), those of groups of twelve.  A thirteenth of its
  // kind would lie outside of one of them in one case of seven and more.
  constexpr int kSeeds = 40, kMostOutside = 4;
  int outside = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const LoadFigures f = load_figures(v3(loads_of("", seed)), 32, 4);
    const auto within = [](double x, double low, double high) { return x >= low && x <= high; };
    const bool all = within(f.max_over_mean, 5.56, 7.23) && within(f.gini, 0.348, 0.411) &&
                     within(f.gpu_imbalance, 1.29, 1.88) && within(f.node_imbalance, 0.44, 0.634) &&
                     within(f.group_variation, 0.34, 0.45) && within(f.within_variation, 0.49, 0.70);
    outside += !all;
    if (seed <= 12) {
      EXPECT_TRUE(all) << "seed " << seed << ": " << f.max_over_mean << " " << f.gpu_imbalance;
    }
  }
  EXPECT_LE(outside, kMostOutside);
}

TEST(GroupedLaw, ShuffledExpertsLoseTheGroupsAndHalfTheImbalance) {
  // What the law adds to loads without structure: the same loads, dealt to experts by chance.
  const std::vector<double> drawn = loads_of("", 1);
  std::vector<double> dealt = drawn;
  Random chance(1, "deal");
  for (int l = 0; l < kLayers; ++l) chance.shuffle(std::span(dealt).subspan(std::size_t(l) * 256, 256));
  const LoadFigures a = load_figures(v3(drawn), 32, 4), b = load_figures(v3(dealt), 32, 4);
  EXPECT_NEAR(a.max_over_mean, b.max_over_mean, 1e-9);
  EXPECT_NEAR(a.gini, b.gini, 1e-9);
  EXPECT_TRUE(b.group_variation >= 0.11 && b.group_variation <= 0.17) << b.group_variation;
  EXPECT_GT(a.group_variation, 2 * b.group_variation);
  EXPECT_GT(a.node_imbalance, 3 * b.node_imbalance);
  EXPECT_GT(a.gpu_imbalance, 1.5 * b.gpu_imbalance);
}

TEST(GroupedLaw, PhasesTextsAndMomentsAreAsAlikeAsAsked) {
  const std::string law = ", texts_alike: 0.5, phases_alike: 0.8, steady: 0.9";
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    const auto prefill = TracePhase::prefill, decode = TracePhase::decode;
    const std::vector<double> here = loads_of(law, seed, 0, prefill);
    const auto likeness = [&](const std::vector<double>& other) { return alike(v3(here), v3(other)); };
    // Of 58 x 256 normal pairs: within a few hundredths.
    EXPECT_NEAR(likeness(loads_of(law, seed, 1'000'000, prefill)), 0.9, 0.02);
    EXPECT_NEAR(likeness(loads_of(law, seed, 0, decode)), 0.9 * 0.8, 0.03);  // each phase moves by itself
    EXPECT_NEAR(likeness(loads_of(law + ", text: 1", seed, 0, prefill)), 0.9 * 0.5, 0.03);
    EXPECT_NEAR(likeness(loads_of(law + ", text: 1", seed, 0, decode)), 0.9 * 0.5 * 0.8, 0.03);
    EXPECT_NEAR(likeness(loads_of(law, seed + 100, 0, prefill)), 0, 0.03);
    EXPECT_EQ(here, loads_of(law, seed, 0));  // prompts are meant where no phase is
  }
}

TEST(GroupedLaw, AFitFindsHowLayersAndSingleExpertsMove) {
  struct Case {
    double steady, layers_steady, jump;
  };
  for (const Case& c : {Case{0.985, 0.96, 0.15}, Case{0.9, 0.8, 0.3}, Case{0.95, 0.95, 0}, Case{0.8, 1, 0.3}}) {
    const std::string law = fmt::format(", steady: {}, layers_steady: {}, jump: {}", c.steady, c.layers_steady, c.jump);
    SCOPED_TRACE(law);
    constexpr int kSeeds = 8;
    double likeness = 0, slopes = 0, jump = 0;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      const std::vector<double> a = loads_of(law, seed), b = loads_of(law, seed, 1'000'000);
      likeness += alike(v3(a), v3(b)) / kSeeds;
      slopes += slopes_alike(v3(a), v3(b)) / kSeeds;
      jump += jump_between(v3(a), v3(b)) / kSeeds;
    }
    EXPECT_NEAR(likeness, c.steady, 0.01);
    // Of slopes 35 % follow the text, and with it the moment.
    EXPECT_NEAR(slopes, c.layers_steady * (1 - 0.35 * (1 - c.steady)), 0.05);
    // The fourth moment of some thousands of numbers with such tails falls short.
    EXPECT_NEAR(jump, c.jump, 0.05 + 0.15 * c.jump);
  }
  EXPECT_EQ(loads_of(", steady: 1", 5), loads_of(", steady: 1", 5, 1'000'000));
}

TEST(GroupedLaw, LoadsMoveAtTheStatedSpeed) {
  const std::string law = ", steady: 0.5, drift: 160";
  const std::vector<double> now = loads_of(law, 7);
  const auto likeness = [&](std::int64_t step) { return alike(v3(now), v3(loads_of(law, 7, step))); };
  // Along an arc: what moves correlates by the cosine, 1 at once and 0 after a drift.
  EXPECT_EQ(now, loads_of(law, 7, 9));  // a sixteenth of a drift is one moment
  EXPECT_NEAR(likeness(40), 0.5 + 0.5 * std::cos(std::numbers::pi / 8), 0.02);
  EXPECT_NEAR(likeness(80), 0.5 + 0.5 * std::cos(std::numbers::pi / 4), 0.02);
  EXPECT_NEAR(likeness(160), 0.5, 0.02);
  EXPECT_NEAR(likeness(100'000), 0.5, 0.02);
  // The variance stays on the way.
  const double spread = fit_grouped(v3(now)).spread;
  for (const std::int64_t step : {40, 80, 120})
    EXPECT_NEAR(fit_grouped(v3(loads_of(law, 7, step))).spread, spread, 0.02);
  EXPECT_EQ(loads_of(", drift: 0", 7), loads_of(", drift: 0", 7, 1'000'000));
}

TEST(GroupedLaw, LayersResembleTheirNeighboursInHowTheirGroupsDiffer) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const std::vector<double> counts = loads_of("", seed);
    std::vector<double> varies;
    for (std::size_t l = 0; l < std::size_t(kLayers); ++l) {
      std::vector<double> group(8, 0.0);
      for (std::size_t e = 0; e < 256; ++e) group[e / 32] += counts[l * 256 + e];
      varies.push_back(variation(group));
    }
    const std::span all(varies);
    // Recorded: 0.69 to 0.75.  Without neighbours it is 0, but for chance of 1 / sqrt(57).
    EXPECT_GT(correlation(all.first(57), all.last(57)), 0.5) << "seed " << seed;
  }
}

TEST(GroupedLaw, AFitFindsTheParametersOfTheDraw) {
  Random chance(11, "parameters");
  constexpr int kDraws = 20;
  double neighbours = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double spread = 0.3 + 0.5 * chance.uniform(), varies = 0.1 + 0.1 * chance.uniform(),
                 slope = 0.6 * chance.uniform(), slope_varies = 0.15 + 0.2 * chance.uniform(),
                 group_spread = 0.1 + 0.2 * chance.uniform(), tilt = 0.8 * chance.uniform(),
                 taper = 0.2 * chance.uniform();
    const std::string law = fmt::format(
        ", neighbours: 0.5, spread: {}, spread_varies: {}, slope: {}, slope_varies: {}, group_spread: {}, tilt: {}, "
        "taper: {}",
        spread, varies, slope, slope_varies, group_spread, tilt, taper);
    SCOPED_TRACE(law);
    const GroupedFit fit = fit_grouped(v3(loads_of(law, std::uint64_t(i) + 1)));
    // Bounds: three standard deviations of an estimate from 58 layers of 8 groups of 32.
    EXPECT_NEAR(fit.spread, spread, 0.06 * spread);
    EXPECT_NEAR(fit.spread_varies, varies, 0.06);
    EXPECT_NEAR(fit.slope, slope, 0.08);
    EXPECT_NEAR(fit.slope_varies, slope_varies, 0.09);
    neighbours += fit.neighbours / kDraws;
    EXPECT_NEAR(fit.group_spread, group_spread, 0.05);
    EXPECT_NEAR(fit.tilt, tilt, 0.25);
    EXPECT_NEAR(fit.taper, taper, 0.06);
  }
  EXPECT_NEAR(neighbours, 0.5, 0.1);  // one draw's is off by 0.25
}

TEST(GroupedLaw, AGateWithoutGroupsHasOnlyTheSpread) {
  const std::vector<double> a = loads_of(", spread: 0.4", 3, 0, {}, kOlmoe, 16),
                            b = loads_of(", spread: 0.4, slope: 2, tilt: 3, group_spread: 1", 3, 0, {}, kOlmoe, 16);
  EXPECT_EQ(a, b);
  const GroupedFit fit = fit_grouped({a, 64, 1});
  EXPECT_NEAR(fit.spread, 0.4, 0.04);
  EXPECT_EQ(fit.slope, 0);
  EXPECT_EQ(fit.group_spread, 0);
  EXPECT_EQ(fit.tilt, 0);
}
}  // namespace
}  // namespace moesim::routing
