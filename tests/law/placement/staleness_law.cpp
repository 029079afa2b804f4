// What a plan is worth on loads that it was not made for: the law `grouped` beside recorded counts of DeepSeek-V3, and
// a law fitted to recordings beside them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "placement/files/load_files.h"
#include "placement/scores/score.h"
#include "routing/load_fit.h"
#include "routing/traffic.h"
#include "support/places.h"

namespace moesim::placement::staleness {
namespace {
namespace fs = std::filesystem;
using routing::TracePhase;
const routing::GateShape kGate{256, 8, 8, 4};
constexpr int kLayers = 58;

Loads drawn(const std::string& law, std::uint64_t seed, std::int64_t step = 0, std::optional<TracePhase> phase = {},
            int layers = kLayers) {
  const auto source =
      routing::make_traffic(Config::from_text("{kind: grouped" + law + "}", "test"), {kGate, {32, 8}, seed, phase});
  std::vector<double> counts(std::size_t(layers) * 256), row(256);
  for (int l = 0; l < layers; ++l) {
    source->shares(3 + l, step, row);
    for (std::size_t e = 0; e < 256; ++e) counts[std::size_t(l) * 256 + e] = row[e] * 1e8;
  }
  return loads_of_matrix("drawn", layers, 256, counts);
}
routing::GroupedLoads grouped(const Loads& loads) { return {loads.counts, 256, 8}; }

/// Balancedness on `scored` of EPLB's plan for `planned`.
struct Plan {
  PlacementProblem problem;
  std::vector<exchange::ExpertMap> maps;
  Plan(const Loads& planned, const char* kind, int slots = 288, int gpus = 32, int nodes = 4)
      : problem(checked({.gpus = gpus, .nodes = nodes, .slots = slots, .groups = 8}, 256)),
        maps(plan(*placements().make(Config::from_text(kind, "test")), {planned, problem})) {}
  double on(const Loads& scored) const { return score(scored, maps, problem).balancedness; }
};

/// Mean over seeds of what is kept on loads as alike as `steady` says.
double kept(double steady, const char* kind, int gpus = 32, int nodes = 4, int seeds = 3) {
  double sum = 0;
  const std::string law = fmt::format(", steady: {}", steady);
  for (std::uint64_t seed = 1; seed <= std::uint64_t(seeds); ++seed)
    sum += Plan(drawn(law, seed), kind, 288, gpus, nodes).on(drawn(law, seed, 100'000)) / seeds;
  return sum;
}

TEST(Staleness, FallsAsLoadsDiffer) {
  for (const char* kind : {"eplb_global", "eplb_hierarchical"}) {
    double before = 1;
    for (const double steady : {1.0, 0.985, 0.87, 0.7, 0.4}) {
      const double now = kept(steady, kind);
      EXPECT_LT(now, before) << kind << " at " << steady;
      before = now;
    }
  }
}

/// How far the law's kept balance is from that between recordings, at the same likeness, mean over pairs of a likeness.
TEST(Staleness, IsThatOfRecordedCountsWithinThreePoints) {
  const fs::path folder = test::source_dir() + "/../shared/data/expert_load";
  if (!fs::exists(folder)) GTEST_SKIP() << "the measured loads are not here";
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path().string());
  std::ranges::sort(files);
  std::vector<Loads> recorded;
  for (const std::string& file : files) recorded.push_back(read_loads(file));
  ASSERT_EQ(recorded.size(), 4u);
  struct Cluster {
    const char* kind;
    int gpus, nodes;
  };
  constexpr int kSeeds = 8;  // where two slots share a GPU, seeds differ by 0.02
  for (const Cluster& c :
       {Cluster{"eplb_global", 32, 4}, Cluster{"eplb_hierarchical", 32, 4}, Cluster{"eplb_global", 144, 18}}) {
    struct Level {
      double low, high;
      double likeness = 0, measured = 0;
      int pairs = 0;
    };
    std::vector<Level> levels{{0.6, 0.75}, {0.8, 0.9}, {0.95, 1}};  // other text and phase; one of them; another time
    for (const Loads& a : recorded) {
      const Plan plan(a, c.kind, 288, c.gpus, c.nodes);
      for (const Loads& b : recorded) {
        if (&a == &b) continue;
        const double likeness = routing::alike(grouped(a), grouped(b));
        const auto level =
            std::ranges::find_if(levels, [&](const Level& l) { return likeness > l.low && likeness < l.high; });
        ASSERT_NE(level, levels.end()) << a.name << " and " << b.name << " " << likeness;
        level->likeness += likeness, level->measured += plan.on(b), ++level->pairs;
      }
    }
    for (const Level& l : levels) {
      ASSERT_GT(l.pairs, 0);
      const double likeness = l.likeness / l.pairs, measured = l.measured / l.pairs,
                   law = kept(likeness, c.kind, c.gpus, c.nodes, kSeeds);
      fmt::print("{} on {} GPUs: alike {:.3f}: kept {:.3f} recorded, {:.3f} by the law\n", c.kind, c.gpus, likeness,
                 measured, law);
      EXPECT_NEAR(law, measured, 0.03) << c.kind << " on " << c.gpus << " GPUs at " << likeness;
    }
  }
}

TEST(Staleness, SingleExpertsThatJumpCostMoreThanTheSameDriftOfAll) {
  // Where two slots share a GPU the fullest GPU is a single expert's: loads equally alike cost more where few move far.
  // And layers that grow steeper make every plan worse, where steadiness of the experts alone would not say so.
  double smooth = 0, jumping = 0, steep = 0;
  for (std::uint64_t seed = 31; seed <= 34; ++seed) {
    const auto on = [&](const std::string& moves) {
      return Plan(drawn(moves, seed), "eplb_global", 288, 144, 18).on(drawn(moves, seed, 100'000)) / 4;
    };
    smooth += on(", jump: 0, layers_steady: 1");
    jumping += on(", jump: 0.3, layers_steady: 1");
    steep += on(", jump: 0, layers_steady: 0.8");
  }
  EXPECT_LT(jumping, smooth - 0.02);
  EXPECT_LT(steep, smooth - 0.02);
}

/// The same of recordings that are made up: nothing but what the fit says of them enters the law beside them.
TEST(Staleness, AFittedLawGoesStaleAsWhatItWasFittedTo) {
  const std::string truth = ", spread: 0.7, slope: 0.25, group_spread: 0.2, tilt: 0, phases_alike: 0.6";
  double made_up = 0, fitted = 0;
  for (std::uint64_t seed = 21; seed <= 23; ++seed) {
    const Loads a = drawn(truth, seed, 0, TracePhase::prefill), b = drawn(truth, seed, 0, TracePhase::decode);
    const routing::GroupedFit fit = routing::fit_grouped(grouped(a));
    const std::string law = fmt::format(
        ", spread: {}, slope: {}, slope_varies: {}, group_spread: {}, tilt: {}, taper: {}, steady: {}", fit.spread,
        fit.slope, fit.slope_varies, fit.group_spread, fit.tilt, fit.taper, routing::alike(grouped(a), grouped(b)));
    made_up += Plan(a, "eplb_global").on(b) / 3;
    fitted += Plan(drawn(law, seed + 100), "eplb_global").on(drawn(law, seed + 100, 100'000)) / 3;
  }
  EXPECT_NEAR(fitted, made_up, 0.03);
  EXPECT_LT(made_up, 0.85);  // it does go stale
}

/// (max - mean) / mean of the GPUs' rows in one step, mean over layers: the loads' own and what chance adds.
double imbalance_of_a_step(const std::vector<exchange::ExpertMap>& maps, const PlacementProblem& problem,
                           std::uint64_t seed, std::int64_t step, std::int64_t tokens) {
  const auto source =
      routing::make_traffic(Config::from_text("{kind: grouped}", "test"), {kGate, {32, 8}, seed, TracePhase::decode});
  std::vector<double> rows(256);
  double sum = 0;
  for (int l = 0; l < kLayers; ++l) {
    source->draw_load(3 + l, step, tokens, rows);
    sum += score_layer(rows, maps[std::size_t(l)], problem).imbalance;
  }
  return sum / kLayers;
}

TEST(Staleness, StepsAreAsUnevenAsMeasuredWithAndWithoutAPlan) {
  // DeepSeek-R1 on 32 GB200, 256 tokens a rank: 1.564 as it comes, 0.109 after EPLB with 288 slots planned from another
  // run of the same data (TensorRT-LLM tech blog 4).  Nothing of the law was fitted to these.
  constexpr int kSeeds = 4;
  double plain = 0, planned = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Loads at_plan = drawn("", seed, 100'000, TracePhase::decode);
    const Plan contiguous(at_plan, "contiguous", 256), eplb(at_plan, "eplb_global");
    plain += imbalance_of_a_step(contiguous.maps, contiguous.problem, seed, 1, 32 * 256) / kSeeds;
    planned += imbalance_of_a_step(eplb.maps, eplb.problem, seed, 1, 32 * 256) / kSeeds;
  }
  fmt::print("as it comes {:.3f}, planned {:.3f}\n", plain, planned);
  EXPECT_NEAR(plain, 1.564, 0.15 * 1.564);
  EXPECT_NEAR(planned, 0.109, 0.30 * 0.109);
}
}  // namespace
}  // namespace moesim::placement::staleness
