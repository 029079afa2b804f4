// A training plan with failures is answered by its whole runs: as if all of them had been played.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/random.h"
#include "law/sizing/whole_runs.h"
#include "results/span.h"
#include "sizing/pretraining/job_answer.h"
#include "training/study.h"

namespace moesim::sizing {
namespace {

struct Drawn {
  std::string tokens, run, targets, candidates;
};
/// Failures from none to many times the run's length, loose and tight targets in few or all of some draws, spares
/// asked, listed or left open.
Drawn draw(Random& random) {
  const auto from = [&](double low, double high) { return low * std::pow(high / low, random.uniform()); };
  const auto one_in = [&](int n) { return random.below(std::uint64_t(n)) == 0; };
  Drawn out;
  const double days = from(0.5, 40);
  out.tokens = fmt::format("{:.4g}", days * 2.4e10);  // 16 GPUs train as many a day
  std::string failures = fmt::format("gpu_mtbf_hours: {:.4g}, restart_hours: {:.3g}, repair_hours: {:.3g}",
                                     from(100, 20000), from(0.05, 2), from(1, 100));
  if (one_in(3)) failures += fmt::format(", node_mtbf_hours: {:.4g}", from(100, 5000));
  if (one_in(4))
    failures += fmt::format(", spare_nodes: {}", random.below(3));
  else if (one_in(4))
    out.candidates = "    spare_nodes: [3, 0, 1]\n";
  std::string checkpoint = one_in(2) ? fmt::format("interval_hours: {:.3g}", from(0.2, 6)) : "";
  if (!one_in(3)) checkpoint += fmt::format("{}pause: {:.3g}", checkpoint.empty() ? "" : ", ", from(1, 900));
  out.run =
      fmt::format("{{failures: {{{}}}{}}}", failures, checkpoint.empty() ? "" : ", checkpoint: {" + checkpoint + "}");
  const std::string deadline = fmt::format("days: {:.4g}", days * from(0.3, 2.5)),
                    budget = fmt::format("cost: {:.5g}", days * 16 * 48 * from(0.7, 3));
  const std::string share = fmt::format("share: {}", one_in(4) ? 1 : one_in(2) ? 0.9 : 0.5);
  out.targets = one_in(4)   ? "{}"
                : one_in(3) ? "{" + budget + ", " + share + "}"
                : one_in(3) ? "{" + deadline + ", " + budget + ", " + share + "}"
                            : "{" + deadline + ", " + share + "}";
  out.candidates += fmt::format("  search: {{draws: {}}}\n", one_in(3) ? 1 : one_in(2) ? 3 : 10);
  return out;
}

TEST_F(WholeRuns, AnswerIsTheBestOfAllLayoutsWithAllNumbersOfSpareNodes) {
  Random random(7, "plans");
  int met = 0, spared = 0, played = 0, there_are = 0;
  for (int i = 0; i < 80; ++i) {
    const Drawn d = draw(random);
    const Job j = job(d.tokens, d.run, d.targets, d.candidates);
    const std::string plan = fmt::format("plan {}: tokens {}, run {}, targets {}", i, d.tokens, d.run, d.targets);
    const Choice choice = choose(j, 2);
    const Found all = exhaustive(j);
    ASSERT_EQ(choice.winner.has_value(), all.rank.has_value()) << plan << ": " << all.text;
    played += choice.runs, there_are += all.runs;
    if (!choice.winner) continue;
    const MappingEntry& w = choice.entries[*choice.winner];
    EXPECT_EQ(rank_of(j, w, *choice.winner), *all.rank) << plan << ": " << text_of(w.mapping) << ", best " << all.text;
    const JobTargets& t = j.section.targets;
    EXPECT_TRUE(t.days <= 0 || choice.run->within_days <= t.days) << plan;
    EXPECT_TRUE(t.cost <= 0 || choice.run->within_cost <= t.cost) << plan;
    ++met, spared += choice.run->spares > 0;
  }
  EXPECT_GT(met, 40);
  EXPECT_LT(met, 76);
  EXPECT_GT(spared, 8);
  EXPECT_LT(played, there_are * 2 / 3) << "bounds rule nothing out";
}

/// Steps of ten minutes, nearly alike: what is lost depends on where they end, so that a slower layout may be the
/// better one.  They are drawn, none is simulated.
TEST_F(WholeRuns, AnswerIsTheBestWhereOthersAreLuckier) {
  Random random(9, "steps");
  int not_the_fastest = 0, played = 0, there_are = 0;
  for (int i = 0; i < 60; ++i) {
    Drawn d = draw(random);
    d.run = fmt::format(
        "{{failures: {{gpu_mtbf_hours: {:.3g}, restart_hours: 0.1, repair_hours: 5}}, checkpoint: "
        "{{interval_hours: {:.3g}, pause: 20}}}}",
        50 + 400 * random.uniform(), 0.5 + 3 * random.uniform());
    d.tokens = fmt::format("{}", 64 * 2048 * double(50 + random.below(250)));  // whole steps
    const double days = std::stod(d.tokens) / (64 * 2048) * 600 / 86400;
    const std::string targets[] = {"{}", fmt::format("{{days: {:.4g}}}", days * (1.1 + random.uniform())),
                                   fmt::format("{{cost: {:.5g}}}", days * 768 * (1.1 + random.uniform()))};
    Job j = job(d.tokens, d.run, targets[random.below(3)], d.candidates);
    TrialBook book;
    j.book = &book;
    for (Mapping m : mappings(j))
      for (const training::RecomputeKind recompute : j.section.candidates.recompute) {
        m.recompute = recompute;
        StepResult step;
        step.step = 600 * (1 + 0.02 * random.uniform());
        book.add({scenario_text(j, m), j.seed, 0}, step);
      }
    const Choice choice = choose(j, 2);
    const Found all = exhaustive(j);
    ASSERT_EQ(choice.winner.has_value(), all.rank.has_value()) << i << ": " << all.text;
    played += choice.runs, there_are += all.runs;
    if (!choice.winner) continue;
    const MappingEntry& w = choice.entries[*choice.winner];
    EXPECT_EQ(rank_of(j, w, *choice.winner), *all.rank) << i << ": " << text_of(w.mapping) << ", best " << all.text;
    for (const MappingEntry& e : choice.entries) {
      if (e.result && e.mapping.nodes == w.mapping.nodes && e.result->step < w.result->step) {
        ++not_the_fastest;
        break;
      }
    }
  }
  EXPECT_GT(not_the_fastest, 1) << "luck decides nothing here";
  EXPECT_LT(played, there_are) << "bounds rule nothing out";
}

/// With the same random numbers the same things fail at the same moments, so that a run bounds all others.
TEST_F(WholeRuns, AreNeverShorterThanAnothersInterruptionsAllow) {
  Random random(8, "plans");
  for (int i = 0; i < 10; ++i) {
    const Drawn d = draw(random);
    const Job j = job(d.tokens, d.run, "{}", d.candidates);
    for (const int nodes : {2, 4})
      for (const MappingEntry& of : simulated(j)) {
        if (!of.result || of.mapping.nodes != nodes) continue;
        for (const int spares : spares_of(j, of.mapping)) {
          Interruptions seen;
          WholeRun(j, of.mapping, of.result->step).play(spares, {}, i, &seen);
          for (const MappingEntry& e : simulated(j)) {
            if (!e.result || e.mapping.nodes != nodes) continue;
            const double days = WholeRun(j, e.mapping, e.result->step).play(spares, {}, i).days;
            EXPECT_LE(seen.least_days(j.steps() * e.result->step), days)
                << text_of(e.mapping) << " by " << text_of(of.mapping);
          }
        }
        break;  // one bounds the others
      }
  }
}

TEST_F(WholeRuns, WithoutAnythingThatInterruptsAnswerAsStepsDo) {
  int recomputed = 0;
  // On the smaller GPU what is fastest does not fit without recomputation.
  for (const char* node : {"hgx-h100", "{extends: hgx-h100, gpu: {extends: h100, memory: 20 GiB}}"})
    for (const char* targets : {"{}", "{days: 4}", "{days: 60, cost: 1e5}"}) {
      const Job steps = job("5e10", "", targets, "", node),
                whole = job("5e10", "{failures: {restart_hours: 3}}", targets, "", node);
      const Choice a = choose(steps, 2), b = choose(whole, 2);
      ASSERT_EQ(a.winner, b.winner) << targets;
      if (!a.winner) continue;
      const MappingEntry& w = b.entries[*b.winner];
      EXPECT_NEAR(b.run->days, a.entries[*a.winner].days(steps), 1e-9 * b.run->days);
      EXPECT_NEAR(b.run->cost, a.entries[*a.winner].cost(steps), 1e-9 * b.run->cost);
      EXPECT_EQ(b.run->spares, 0);
      for (const MappingEntry& e : b.entries) {
        EXPECT_EQ(e.reason.empty(), e.fate == MappingFate::chosen || e.fate == MappingFate::meets) << e.reason;
        EXPECT_FALSE(e.result && e.fate == MappingFate::illegal) << text_of(e.mapping) << ": " << e.reason;
      }
      recomputed += w.mapping.recompute != training::RecomputeKind::none;
    }
  EXPECT_GT(recomputed, 0);
}

TEST_F(WholeRuns, AreThoseOfTheAnswersScenario) {
  const Job j =
      job("3e10",
          "{ramp: {from: 32, tokens: 1e9}, checkpoint: {pause: 30}, failures: {gpu_mtbf_hours: 40, repair_hours: "
          "20}, stragglers: {gpu_mtbf_hours: 5000}}",
          "{days: 30}");
  const Choice choice = choose(j, 2);
  ASSERT_TRUE(choice.winner);
  const Config scenario =
      Config::from_text(run_scenario_text(j, choice.entries[*choice.winner].mapping, choice.run->spares), "answer");
  results::Results r(":memory:", {});
  results::SpanLog spans;
  results::StudyRun run{scenario, j.seed, r, spans};
  training::run_training(run);
  EXPECT_GT(choice.run->own.failures, 0);
  for (const auto& [name, value] : {std::pair("run_days", choice.run->own.days),
                                    {"run_cost", choice.run->own.cost},
                                    {"run_paid_gpus", choice.run->own.paid_gpus},
                                    {"run_energy", choice.run->own.energy},
                                    {"run_gpu_hours", choice.run->own.gpu_hours},
                                    {"run_goodput", choice.run->own.goodput},
                                    {"run_waiting_time", choice.run->own.waiting * 86400}})
    EXPECT_NEAR(r.metric_value(name), value, 1e-9 * std::abs(value)) << name;
}

/// Work for tau between checkpoints is lost and begun again at each failure, lambda of them a second, after a restart
/// R: it takes (1 / lambda + R) (exp(lambda tau) - 1) on average where a node always waits.  Source: the renewal
/// equation T = tau exp(-lambda tau) + (1 - exp(-lambda tau)) (E[time of a failure before tau] + R + T).
TEST_F(WholeRuns, TakeOnAverageWhatRenewalsDo) {
  for (const double mtbf : {800.0, 80.0}) {  // of one of 16 GPUs: one in 50 hours or in 5
    const Job j = job("1.31072e10",          // 100,000 steps of 64 x 2,048 tokens
                      fmt::format("{{checkpoint: {{interval_hours: 1}}, failures: {{gpu_mtbf_hours: {}, restart_hours: "
                                  "0.5, repair_hours: 0.01, spare_nodes: 4}}}}",
                                  mtbf),
                      "{share: 0.5}", "  search: {draws: 400}\n");
    const MappingEntry e = simulated(j).front();
    const DrawnRun run = WholeRun(j, e.mapping, 3.6).drawn(4);  // s: 1,000 steps an hour, 100 hours
    const double rate = 16 / mtbf, hour = (1 / rate + 0.5) * (std::exp(rate) - 1), days = 100 * hour / 24;
    EXPECT_NEAR(run.days, days, 0.02 * days) << mtbf;
    EXPECT_NEAR(run.within_days, days, 0.04 * days) << "a sum of many: its median is near its mean";
    EXPECT_NEAR(run.failures, 24 * run.days * rate / (1 + 0.5 * rate), 0.03 * run.failures) << mtbf;
    EXPECT_DOUBLE_EQ(run.waiting, 0);
    EXPECT_NEAR(run.cost, run.days * 24 * 6 * 8 * 2, 1e-9 * run.cost);
  }
}

TEST_F(WholeRuns, GiveTheSameAnswerForAnyNumberOfJobs) {
  const std::string run = "{failures: {gpu_mtbf_hours: 500}}";
  const Job j = job("5e10", run, "{days: 40}");
  EXPECT_EQ(answer_json(j, choose(j, 1)), answer_json(j, choose(j, 3)));
}
}  // namespace
}  // namespace moesim::sizing
