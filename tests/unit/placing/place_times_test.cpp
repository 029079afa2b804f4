#include "placing/place_times.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "../../law/placement/loads_for_tests.h"
#include "spec/catalogue.h"
#include "support/temporary_folder.h"

namespace moesim::placing {
namespace {

PlaceOptions v3_on_32() {
  PlaceOptions o;
  o.model = spec::load_model("deepseek-v3");
  o.cluster = spec::load_cluster("h800-32");
  o.problem.gpus = 32;
  o.problem.nodes = 4;
  o.problem.slots = 256;
  return o;
}
const routing::GateShape kRouter{256, 8, 8, 4};

Workload counts(double sigma) {
  Workload out;
  out.name = "counts";
  out.loads = placement::skewed_loads(1, 256, sigma, 1);
  return out;
}

TEST(PlaceTimes, AreShorterForBetterPlacements) {
  const PlaceOptions o = v3_on_32();
  const Workload skewed = counts(1), even = counts(0.001);
  const auto place_by = [&](const char* kind, const Workload& w) {
    return placement::plan(*placement::placements().make(Config::from_text(kind, "test")), {w.loads, o.problem});
  };
  for (const compute::StepPhase phase : {compute::StepPhase::prefill, compute::StepPhase::decode}) {
    PlaceTimes of_skewed(o, skewed, kRouter, phase), of_even(o, even, kRouter, phase);
    const Time contiguous = of_skewed.layer(0, place_by("contiguous", skewed)[0]);
    const Time searched = of_skewed.layer(0, place_by("local_search", skewed)[0]);
    const Time best = of_even.layer(0, place_by("contiguous", even)[0]);
    EXPECT_GT(contiguous, searched);
    EXPECT_GT(searched, best * 9 / 10);
    // A whole step: the placed layers and everything else once.
    const PhaseTime step = of_even(place_by("contiguous", even));
    EXPECT_EQ(step.layer, best);
    EXPECT_GT(step.step, step.layer);
  }
}

TEST(PlaceTimes, AgreeBetweenATraceAndItsCounts) {
  // Independent choices, which is what counts are taken to mean.
  const TemporaryFolder folder;
  Workload w = counts(0.5);
  routing::TraceHeader header;
  header.layers = {3};
  header.hidden_layers = 61;
  header.experts = 256;
  header.top_k = 8;
  const std::size_t tokens = 32 * 128;
  {
    routing::TraceWriter writer(folder.file("t.db"), header);
    Random random(1, "tokens");
    const Discrete expert(w.loads.row(0));
    std::vector<std::int16_t> chosen;
    while (chosen.size() < tokens * 8) {
      const auto first = chosen.end() - std::ptrdiff_t(chosen.size() % 8);
      const auto e = std::int16_t(expert(random));
      if (std::find(first, chosen.end(), e) == chosen.end()) chosen.push_back(e);
    }
    writer.add(std::vector<routing::TraceToken>(tokens), chosen);
    writer.finish();
  }
  const Workload recorded = read_workload(folder.file("t.db"));
  Workload counted = recorded;
  counted.trace.reset();
  PlaceOptions o = v3_on_32();
  const routing::GateShape gate{256, 8, 1, 1};
  const exchange::ExpertMap map = exchange::contiguous_map(256, 32);
  PlaceTimes exact(o, recorded, gate, compute::StepPhase::decode),
      expected(o, counted, gate, compute::StepPhase::decode);
  EXPECT_NEAR(seconds(exact.layer(0, map)) / seconds(expected.layer(0, map)), 1, 0.1);
}

TEST(PlaceTimes, NeedTheNodesThatWerePlacedOn) {
  PlaceOptions o = v3_on_32();
  o.problem.nodes = 8;  // of 4 GPUs, but the cluster's have 8
  const Workload w = counts(1);
  EXPECT_THROW(PlaceTimes(o, w, kRouter, compute::StepPhase::decode), ConfigError);
  o.problem.nodes = 8;
  o.problem.gpus = 64;
  EXPECT_THROW(PlaceTimes(o, w, kRouter, compute::StepPhase::decode), ConfigError);
}
}  // namespace
}  // namespace moesim::placing
