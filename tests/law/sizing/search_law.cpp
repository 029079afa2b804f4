// What a search must never do: depend on the number of jobs, lose the cheapest, or answer what does not hold.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <set>

#include "core/yaml_line.h"
#include "law/sizing/small_plans.h"
#include "sizing/steady.h"
#include "sizing/variations.h"

namespace moesim::sizing::searches {
namespace {
TEST(Search, GivesTheSameAnswerForAnyNumberOfJobs) {
  const TemporaryFolder folder;
  const Plan plan = read_small(folder, 3);
  EXPECT_EQ(answer_json(plan, search(plan, 1), {}), answer_json(plan, search(plan, 3), {}));
}

/// Seeds of two plans; of as many as MOESIM_SMALL_PLANS says, where somebody has the time (.ci/long).
std::vector<std::uint64_t> plan_seeds() {
  const char* many = getenv("MOESIM_SMALL_PLANS");
  if (many == nullptr) return {2, 8};
  std::vector<std::uint64_t> out(std::size_t(std::atoi(many)));
  std::iota(out.begin(), out.end(), std::uint64_t{1});
  return out;
}

/// Every legal candidate simulated finds nothing cheaper; equal costs may be met by others.
TEST(Search, LosesNothingByPruning) {
  const TemporaryFolder folder;
  for (const std::uint64_t seed : plan_seeds()) {
    Plan plan = read_small(folder, seed);
    const Search pruned = search(plan, 2);
    plan.section.search.exhaustive = true;
    const Search all = search(plan, 2);
    EXPECT_GE(all.entries.size(), pruned.entries.size());
    ASSERT_EQ(pruned.winner.has_value(), all.winner.has_value()) << small_plan(seed);
    if (!all.winner) continue;
    EXPECT_DOUBLE_EQ(pruned.entries[*pruned.winner].deployment.cost_per_hour(),
                     all.entries[*all.winner].deployment.cost_per_hour())
        << small_plan(seed);
  }
}

TEST(Search, NamesAReasonForEveryCandidate) {
  const TemporaryFolder folder;
  const Plan plan = read_small(folder, 2);
  const Search s = search(plan, 2);
  EXPECT_GT(s.proposals.size(), 20u);
  for (const Proposal& p : s.proposals) {
    EXPECT_EQ(p.usable(), p.steady.rate > 0 && p.steady.refused.empty());
    const bool part = std::ranges::any_of(s.entries, [&](const Entry& e) {
      return e.deployment.node == p.node && std::ranges::find(e.deployment.pools, p.design) != e.deployment.pools.end();
    });
    EXPECT_EQ(part, p.usable() && p.dropped.empty()) << text_of(p.design, 1) << ": " << p.dropped;
  }
  for (const Entry& e : s.entries) {
    EXPECT_FALSE(e.reason.empty()) << text_of(e.deployment);
    EXPECT_EQ(e.figures.has_value(), e.fate != Fate::pruned && e.fate != Fate::illegal) << text_of(e.deployment);
  }
}

/// Whoever is on the front is beaten by nobody that was simulated, and nobody else is that is not.
TEST(Search, NamesAFrontThatIsOne) {
  const TemporaryFolder folder;
  for (const std::uint64_t seed : {2, 6}) {
    const Plan plan = read_small(folder, seed);
    const Search s = search(plan, 2);
    const auto token = [](const Entry& e) { return e.figures->latency[latency_index("tpot_p50")]; };
    for (const Entry& e : s.entries) {
      if (!holds(e) || e.fate == Fate::chosen) continue;
      const bool beaten = std::ranges::any_of(s.entries, [&](const Entry& o) {
        if (!holds(o)) return false;
        const double a = o.deployment.cost_per_hour(), b = e.deployment.cost_per_hour();
        return a <= b && token(o) <= token(e) && (a < b || token(o) < token(e));
      });
      EXPECT_EQ(e.fate == Fate::front, !beaten) << text_of(e.deployment);
    }
  }
}

/// The answer's scenario has the answer's figures, and what a node less holds misses a target.
TEST(Search, AnswersWithTheFewestNodesThatMeetTheTargets) {
  const TemporaryFolder folder;
  for (const std::uint64_t seed : {2, 6}) {
    const Plan plan = read_small(folder, seed);
    const Search s = search(plan, 2);
    if (!s.winner) continue;
    const Entry& w = s.entries[*s.winner];
    const Trial trial = w.trial;
    const Figures again = simulate(plan, w.deployment, trial);
    EXPECT_EQ(again.latency, w.figures->latency);
    EXPECT_TRUE(all_met(standings(plan.section.targets, again)));
    EXPECT_TRUE(all_met(standings_of_size(plan.section.targets, w.deployment)));
    EXPECT_FALSE(w.reason.empty());
    for (std::size_t p = 0; p < w.deployment.pools.size(); ++p) {
      Deployment fewer = w.deployment;
      while (fewer.instances[p] > 0 && fewer.gpus() == w.deployment.gpus()) --fewer.instances[p];
      if (fewer.instances[p] < 1) continue;
      EXPECT_FALSE(all_met(standings(plan.section.targets, simulate(plan, fewer, trial)))) << text_of(fewer);
    }
  }
}

TEST(Search, TriesItsAnswerInBurstsAndWithUnevenExpertsWhereThePlanHasNone) {
  const TemporaryFolder folder;
  for (const bool balanced : {false, true}) {
    std::string text = small_plan(2);
    if (balanced) text.replace(text.find("{kind: log_normal, sigma: 0.7}"), 30, "balanced");
    put_file(folder.file("plan.yaml"), text);
    const Search s = search(read_plan(folder.file("plan.yaml"), {}, {}), 2);
    ASSERT_TRUE(s.winner);
    std::vector<std::string> checks;
    for (const Check& c : s.checks) checks.push_back(c.what);
    const bool loses = checks.size() > 1 && checks[1].starts_with("a node lost, after");
    std::vector<std::string> expected{"a node lost, no spare"};
    if (loses) expected.push_back(checks[1]);
    EXPECT_TRUE(loses) << "instances of a node or less are lost with it";
    expected.emplace_back("arrivals in bursts");
    if (balanced) expected.emplace_back("experts unevenly loaded");
    const Deployment& winner = s.entries[*s.winner].deployment;
    if (is_placed(winner.pools[0], read_small(folder, 2).model))
      expected.emplace_back("experts placed on loads that have moved since");
    EXPECT_EQ(checks, expected);
  }
}

std::string changed(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

/// Clients, and places among those under way, are shared by all instances: none of them stands for others.
TEST(Search, SizesLoadsWhereRequestsWaitForOthersOnSeveralInstances) {
  const TemporaryFolder folder;
  const std::string closed = "workload: {kind: closed, clients: 200, ",
                    bounded = "workload: {kind: poisson, concurrency: 200, rate: 70, ";
  for (const std::string& load : {closed, bounded}) {
    std::string text = small_plan(2);
    const std::size_t from = text.find("workload: {"), to = text.find("input: {");
    text.replace(from, to - from, load);
    text = changed(text, "nodes: [{node: hgx-h100, nodes: 2}, {node: hgx-h200, nodes: 2}]", "nodes: [hgx-h100]");
    text = changed(text, "tensor: [1, 2]\n    data: [1, 4, 8]", "tensor: [1]\n    data: [1]");
    put_file(folder.file("plan.yaml"), text);
    const Plan plan = read_plan(folder.file("plan.yaml"), {}, {});
    EXPECT_FALSE(can_fold(plan));
    const Search s = search(plan, 2);
    for (const Entry& e : s.entries) EXPECT_NE(e.fate, Fate::illegal) << e.reason;
    ASSERT_TRUE(s.winner) << text;
    const Entry& winner = s.entries[*s.winner];
    EXPECT_GT(winner.deployment.instances[0], 1);
    for (const Variation& v : vary(plan, winner, 2)) {
      EXPECT_EQ(v.standing.find("fold"), std::string::npos) << v.standing;
      EXPECT_TRUE(v.what != kAsItIs || v.standing.find(" % it misses ") != std::string::npos) << v.standing;
    }
  }
  EXPECT_TRUE(can_fold(read_small(folder, 2)));
}

TEST(Search, ChangesOnlyArrivalsForBursts) {
  const TemporaryFolder folder;
  const Plan plan = read_small(folder, 2);
  const Search s = search(plan, 2);
  ASSERT_TRUE(s.winner);
  Trial trial = trial_for(plan, 10);
  std::string steady = scenario_text(plan, s.entries[*s.winner].deployment, trial);
  trial.burstiness = 2;
  const std::string bursts = scenario_text(plan, s.entries[*s.winner].deployment, trial);
  ASSERT_NE(steady.find("kind: poisson"), std::string::npos);
  steady.replace(steady.find("kind: poisson"), 13, "kind: gamma, cv: 2");
  EXPECT_EQ(steady, bursts);
}

TEST(Search, PlacesExpertsOnAnotherMomentWhereItSaysSo) {
  const TemporaryFolder folder;
  const std::size_t token = latency_index("tpot_mean");
  double known = 0, elsewhere = 0;  // s a token, over seeds: one draw of loads may suit any placement
  for (const std::uint64_t seed : {2, 3}) {
    Plan plan = read_small(folder, 2);
    plan.seed = seed;
    const PoolDesign design{.role = serving::Role::both, .data = 8, .slots = 64, .batch = 512, .tokens = 8192};
    const Deployment d{&plan.nodes[0], "sglang", {design}, {1}};
    Trial trial = trial_for(plan, 5);
    trial.load = 20;  // steps of many rows: of few, it matters little where they are computed
    const double planned = simulate(plan, d, trial).latency[token];
    trial.routing = "{kind: grouped, steady: 0}";
    const double there = simulate(plan, d, trial).latency[token];
    EXPECT_NE(planned, there);
    trial.planned_on = "{step: 1000000}";
    known += there, elsewhere += simulate(plan, d, trial).latency[token];
  }
  EXPECT_GT(elsewhere, known) << "of loads that share nothing with what is served";
}

TEST(Search, DoesNotSimulateWhatIsFarBeyondAnyCluster) {
  const TemporaryFolder folder;
  put_file(folder.file("plan.yaml"), small_plan(2) + "  growth: 1e6\n");
  const Search s = search(read_plan(folder.file("plan.yaml"), {}, {}), 2);
  EXPECT_FALSE(s.winner);
  EXPECT_EQ(s.trials, 0);
  for (const Entry& e : s.entries) EXPECT_EQ(e.reason.rfind("nodes: the load takes", 0), 0u) << e.reason;
}

/// A full batch that is too slow serves when it is not full; what is refused is too slow with one request at a time.
TEST(Steady, RefusesForItsLatencyOnlyWhatIsTooSlowAllButIdle) {
  const TemporaryFolder folder;
  const std::string loose = changed(small_plan(2), "batch: [16, 64]", "batch: [64]");
  put_file(folder.file("plan.yaml"), loose);
  Plan plan = read_plan(folder.file("plan.yaml"), {}, {});
  auto& limit = plan.section.targets.latency[latency_index("tpot_p90")];
  limit = 10_s;
  SharedParts shared;
  const PoolDesign design{.role = serving::Role::both, .data = 8, .slots = 64, .batch = 64, .tokens = 2048};
  UnitModel model(plan, plan.nodes[0], "sglang", design, shared);
  const Steady full = steady_of(plan, model, design);
  EXPECT_EQ(full.rate, full.most);
  limit = from_seconds(0.8 * full.tpot);
  const Steady fewer = steady_of(plan, model, design);
  EXPECT_EQ(fewer.refused, "");
  EXPECT_LE(fewer.tpot, 0.8 * full.tpot);
  EXPECT_LT(fewer.rate, full.rate);
  EXPECT_EQ(fewer.most, full.most);
  limit = from_seconds(0.9 * model.step(1, plan.load.input + plan.load.output / 2, 0, 0, design.overlap));
  int refused = 0;
  for (const Proposal& p : propose(plan, 2)) {
    if (p.steady.refused.rfind("latency", 0) != 0 || p.design.role != serving::Role::both) continue;
    ++refused;
    Trial idle = trial_for(plan, 5);
    idle.load = 0.1;
    const Figures figures = simulate(plan, {p.node, p.engine, {p.design}, {1}}, idle);
    EXPECT_GT(figures.latency[latency_index("tpot_p90")], seconds(*limit)) << text_of(p.design, 1);
  }
  EXPECT_GT(refused, 0);
}

/// A share of requests within latencies bounds the same pools as percentiles at these latencies do.
TEST(Search, HasTheSamePoolsUnderAShareAsUnderPercentiles) {
  const TemporaryFolder folder;
  Plan plan = read_small(folder, 1);
  plan.section.candidates.layouts = {Layout::aggregated, Layout::disaggregated};
  plan.section.targets.latency = {};
  plan.section.targets.latency[latency_index("ttft_p90")] = 2_s;
  plan.section.targets.latency[latency_index("tpot_p90")] = 40_ms;
  Plan share = plan;
  share.section.targets = {.share = 0.9, .ttft = 2_s, .tpot = 40_ms};
  const std::vector<Proposal> a = propose(plan, 2), b = propose(share, 2);
  ASSERT_EQ(a.size(), b.size());
  std::set<serving::Role> usable;
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].usable(), b[i].usable()) << text_of(a[i].design, 1) << ": " << b[i].steady.refused;
    if (b[i].usable()) usable.insert(b[i].design.role);
  }
  EXPECT_EQ(usable.size(), 3u) << "aggregated, prefill and decode";
}

/// What closed forms draw out from few layers is what all of them take.
TEST(UnitModel, OfFewLayersIsThatOfAll) {
  const TemporaryFolder folder;
  const Plan plan = read_small(folder, 1);
  Plan written_out = plan;
  written_out.model_named = false;
  const PoolDesign design{.role = serving::Role::decode, .data = 8, .slots = 64, .batch = 32};
  SharedParts shared;
  UnitModel few(plan, plan.nodes[0], "sglang", design, shared);
  UnitModel all(written_out, plan.nodes[0], "sglang", design, shared);
  for (const int batch : {1, 16, 64}) {
    const double a = few.step(batch, 1000, 0, 0, serving::OverlapKind::none);
    const double b = all.step(batch, 1000, 0, 0, serving::OverlapKind::none);
    EXPECT_NEAR(a / b, 1, 0.06) << batch;
  }
  EXPECT_EQ(few.memory(32, 2048).capacity, all.memory(32, 2048).capacity);
}

TEST(YamlLine, ReadsBackToTheSame) {
  for (const std::string text : {"{kind: poisson, rate: 4.5, input: {kind: fixed, mean: 100}}", "[1, 2, \"a: b\"]",
                                 "{a: \"x, y\", b: [c, {d: 1 s}]}"}) {
    const std::string once = yaml_line(Config::from_text(text, "test"));
    EXPECT_EQ(once, yaml_line(Config::from_text(once, "test"))) << text;
    EXPECT_EQ(once, text);
  }
}
}  // namespace
}  // namespace moesim::sizing::searches
