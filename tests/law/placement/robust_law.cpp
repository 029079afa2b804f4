// What the strategy `robust` promises of windows it has not seen, and of those it has.
#include <gtest/gtest.h>

#include <algorithm>

#include "drifting_loads.h"
#include "placement/placement.h"
#include "placement/scores/score.h"

namespace moesim::placement::robust {
namespace {
constexpr int kLayers = 4, kExperts = 128, kWindows = 8;
// Recordings of different kinds: much in common from window to window, little, straying alone, two kinds of request.
constexpr Drift kDrifts[] = {{},
                             {.kinds = 8, .skew = 0.6, .apart = 0.8, .straying = 0.15},
                             {.apart = 0.3},
                             {.kinds = 2, .skew = 0.7, .apart = 0.5, .straying = 0.05}};

std::vector<exchange::ExpertMap> placed(const char* kind, std::span<const Loads> windows, const PlacementProblem& p) {
  const Loads mean = mean_of_windows(windows);
  const auto policy = placements().make(Config::from_text(kind, "test"));
  return plan(*policy, {.loads = windows.size() > 1 ? mean : windows[0], .problem = p, .windows = windows});
}
double mean_balance(std::span<const Loads> scored, std::span<const exchange::ExpertMap> maps,
                    const PlacementProblem& p) {
  double sum = 0;
  for (const Loads& w : scored) sum += score(w, maps, p).balancedness;
  return sum / double(scored.size());
}

/// Mean over seeds and kinds of drift, planned on the first `seen` windows.
struct Figures {
  double eplb = 0, robust = 0, own_eplb = 0, own_robust = 0;
};
Figures figures(std::size_t seen, const PlacementProblem& p) {
  Figures out;
  constexpr int kSeeds = 12;
  const double each = 1.0 / (kSeeds * double(std::size(kDrifts)));
  for (const Drift& drift : kDrifts)
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      const std::vector<Loads> all = drifting_loads(kWindows, kLayers, kExperts, drift, seed);
      const std::span<const Loads> windows = std::span(all).first(seen), unseen = std::span(all).subspan(seen);
      const auto eplb = placed("eplb_global", windows, p), robust = placed("robust", windows, p);
      out.eplb += each * mean_balance(unseen, eplb, p);
      out.robust += each * mean_balance(unseen, robust, p);
      out.own_eplb += each * mean_balance(windows, eplb, p);
      out.own_robust += each * mean_balance(windows, robust, p);
    }
  return out;
}
const PlacementProblem kFew = checked({.gpus = 16, .nodes = 2, .slots = 144}, kExperts),
                       kSome = checked({.gpus = 36, .nodes = 9, .slots = 144}, kExperts),
                       kMany = checked({.gpus = 72, .nodes = 9, .slots = 144}, kExperts);

TEST(RobustLaw, SeveralWindowsGiveMoreOnUnseenOnesThanTheirMeanGivesEplb) {
  for (const PlacementProblem& p : {kFew, kMany})
    for (const std::size_t seen : {std::size_t(2), std::size_t(3), std::size_t(4)}) {
      const Figures f = figures(seen, p);
      SCOPED_TRACE(fmt::format("{} GPUs, {} windows: {:.4f}, EPLB {:.4f}", p.gpus, seen, f.robust, f.eplb));
      EXPECT_GT(f.robust, f.eplb + (p.gpus == kFew.gpus ? 0.015 : 0.002));
      EXPECT_GT(f.own_robust, f.own_eplb);
    }
}

TEST(RobustLaw, OneWindowNeverGivesLessThanEplbOnThoseUnseen) {
  for (const PlacementProblem& p : {kFew, kSome, kMany}) {
    const Figures f = figures(1, p);
    SCOPED_TRACE(fmt::format("{} GPUs: {:.5f}, EPLB {:.5f}", p.gpus, f.robust, f.eplb));
    EXPECT_GE(f.robust, f.eplb);
    EXPECT_GE(f.own_robust, f.own_eplb);
  }
}

TEST(RobustLaw, OneWindowOfFewRowsIsDrawnTowardsTheEvenShare) {
  // Some rows an expert, drawn from loads that differ little: what they show is chance, and copies for it are wasted.
  double eplb = 0, robust = 0;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const std::vector<Loads> truth =
        drifting_loads(1, kLayers, kExperts, {.skew = 0.1, .apart = 0.1, .straying = 0}, seed);
    Loads drawn = truth[0];
    Random chance(seed, "few rows");
    for (std::size_t row = 0; row < truth[0].rows(); ++row) {
      const auto counts = truth[0].row(row);
      double total = 0;
      for (const double c : counts) total += c;
      std::fill_n(drawn.counts.begin() + std::ptrdiff_t(row * kExperts), kExperts, 0.0);
      for (int i = 0; i < 3 * kExperts; ++i) {
        double at = chance.uniform() * total;
        std::size_t e = 0;
        while (e + 1 < counts.size() && (at -= counts[e]) >= 0) ++e;
        ++drawn.counts[row * kExperts + e];
      }
    }
    eplb += mean_balance(truth, placed("eplb_global", std::span(&drawn, 1), kFew), kFew) / 12;
    robust += mean_balance(truth, placed("robust", std::span(&drawn, 1), kFew), kFew) / 12;
  }
  EXPECT_GT(robust, eplb + 0.01);
}

TEST(RobustLaw, EachWindowPlannedOnAloneKeepsOnTheOthersWhatEplbDoes) {
  // Loads of a law, planned at one moment and used at others: on the mean of those, whichever it was planned on.
  for (const PlacementProblem& p : {kFew, kMany})
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      const std::vector<Loads> all = drifting_loads(kWindows, kLayers, kExperts, {}, seed);
      for (std::size_t own = 0; own < all.size(); ++own) {
        std::vector<Loads> unseen = all;
        unseen.erase(unseen.begin() + std::ptrdiff_t(own));
        const std::span<const Loads> planned = std::span(all).subspan(own, 1);
        EXPECT_GE(mean_balance(unseen, placed("robust", planned, p), p),
                  mean_balance(unseen, placed("eplb_global", planned, p), p))
            << "seed " << seed << ", window " << own << ", " << p.gpus << " GPUs";
      }
    }
}

TEST(RobustLaw, APlanDoesNotDependOnTheOrderOfItsWindowsNorOnTheirSizes) {
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    std::vector<Loads> windows = drifting_loads(5, 2, 64, {}, seed);
    const PlacementProblem p = checked({.gpus = 8, .nodes = 2, .slots = 72}, 64);
    const Loads mean = mean_of_windows(windows);
    const auto policy = placements().of_kind("robust");
    const auto planned = [&] { return plan(*policy, {.loads = mean, .problem = p, .windows = windows}); };
    const std::vector<exchange::ExpertMap> expected = planned();
    Random random(seed, "order");
    for (int i = 0; i < 5; ++i) {
      random.shuffle<Loads>(windows);
      EXPECT_EQ(planned(), expected) << "seed " << seed;
    }
    for (double& c : windows[2].counts) c *= 8;
    EXPECT_EQ(planned(), expected) << "seed " << seed << ", one window eight times as long";
  }
}

TEST(RobustLaw, TheWorstWindowIsBetterWhereItIsWhatCounts) {
  double mean = 0, worst = 0;
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    const std::vector<Loads> windows = drifting_loads(4, kLayers, kExperts, {.straying = 0.2}, seed);
    const auto least = [&](const char* kind) {
      const std::vector<exchange::ExpertMap> maps = placed(kind, windows, kMany);
      double sum = 0;
      for (std::size_t row = 0; row < maps.size(); ++row) {
        double least_here = 1;
        for (const Loads& w : windows)
          least_here = std::min(least_here, score_layer(w.row(row), maps[row], kMany).balance);
        sum += least_here;
      }
      return sum;
    };
    mean += least("{kind: robust, objective: mean}");
    worst += least("{kind: robust, objective: worst}");
  }
  EXPECT_GT(worst, mean);
}

TEST(RobustLaw, WindowsGoWithTheirGroupsOntoNodesAndWithUnevenGpus) {
  const std::vector<Loads> windows = drifting_loads(3, 2, 32, {}, 1);
  PlacementProblem p{.gpus = 8, .nodes = 2, .slots = 40, .groups = 4, .keep_groups = true};
  for (const exchange::ExpertMap& map : placed("robust", windows, p))
    for (int slot = 0; slot < map.slots(); ++slot)
      for (int other = 0; other < map.slots(); ++other)
        if (const int e = map.slot_to_expert[std::size_t(slot)], f = map.slot_to_expert[std::size_t(other)];
            e >= 0 && f >= 0 && e / 8 == f / 8) {
          EXPECT_EQ(slot / 20, other / 20);
        }
  p = checked({.gpus = 4, .nodes = 2, .gpu_slots = {16, 8, 8, 12}, .gpu_speed = {2, 1, 1, 1.5}}, 32);
  const std::vector<exchange::ExpertMap> maps = placed("robust", windows, p);  // plan() checks the slots
  EXPECT_GT(mean_balance(windows, maps, p), 0.9);
}
TEST(RobustLaw, OneExpertMayHaveNearlyAllTheLoad) {
  for (const int gpus : {2, 64})
    for (const std::size_t seen : {std::size_t(1), std::size_t(2), std::size_t(5)}) {
      std::vector<Loads> windows = drifting_loads(5, 1, 64, {}, 1);
      for (Loads& w : windows) w.counts[7] = 1e12;
      const PlacementProblem p = checked({.gpus = gpus, .slots = 128}, 64);
      const exchange::ExpertMap map = placed("robust", std::span(windows).first(seen), p)[0];
      EXPECT_EQ(int(map.copies_of(7).size()), gpus) << seen << " windows";
      EXPECT_GT(score_layer(windows[0].row(0), map, p).balance, 0.99);
    }
}
}  // namespace
}  // namespace moesim::placement::robust
