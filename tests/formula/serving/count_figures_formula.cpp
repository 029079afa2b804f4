// Requests, tokens, money and energy counted one by one; readings over time; what faults and folding leave.
#include <cmath>

#include "served.h"
#include "support/pin.h"
#include "support/temporary_folder.h"

namespace moesim::serving {
namespace {
using test::pin;
using test::pin_at;

// 201 requests of 11 steps in 100 s: a step of ten milliseconds in 22 % of the time.
TEST(CountFigures, OfAServiceThatKeepsUp) {
  const Served r = run(two_a_second(fmt::format("{{{}}}", kStep), true,
                                    "  slo: {e2e: 110 ms}\n  energy: {busy: 0.5, idle: 0.1}\n  sample: 10 s\n"));
  pin(*r.results, "requests_arrived", "run", 201);
  pin(*r.results, "requests_finished", "run", 201);
  pin(*r.results, "requests_unaccounted", "run", 0);
  pin(*r.results, "tokens_unaccounted", "run", 0);
  pin(*r.results, "input_tokens", "run", 201 * 100);
  pin(*r.results, "output_tokens", "run", 201 * 11);
  pin(*r.results, "goodput_share", "run", 1);
  pin(*r.results, "steps", "pool:both", 201 * 11);
  pin(*r.results, "kv_capacity", "pool:both", 6400);
  pin(*r.results, "cost", "pool:both", kPrice * 80 / 3600);  // of the window
  pin(*r.results, "cost_of_input_share", "pool:both", 1.0 / 11);
  pin(*r.results, "gpu_hours", "pool:both", 80.0 / 3600);
  // 700 W: a half while it steps, a tenth else.
  const double joules = 700 * (0.22 * 0.5 + 0.78 * 0.1) * 80;
  pin(*r.results, "energy", "pool:both", joules);
  pin(*r.results, "energy_per_output_token", "run", joules / (160 * 11));
  pin(*r.results, "limit_launch", "pool:both", 0.22);
  pin(*r.results, "limit_idle", "pool:both", 0.78);
  pin(*r.results, "bottleneck", "pool:both,limit:load", 0.78);
  // From 30 s to 40 s, twenty requests.
  pin_at(*r.results, "running", "pool:both", 40, 0.22);
  pin_at(*r.results, "utilisation", "pool:both", 40, 0.22);
  pin_at(*r.results, "kv_occupancy", "pool:both", 40, 0.22 * 128 / 6400);
  pin_at(*r.results, "output_tokens_per_second", "pool:both", 40, 22);
  pin_at(*r.results, "instances_on", "pool:both", 40, 1);
}

// A second for a prompt of ten tokens, one at a time, and ten arrive a second: after 10.05 s 101 have come.
TEST(CountFigures, OfWhoIsThereWhenTheRunStops) {
  const Served r =
      run("serving:\n  duration: 10.05 s\n  drain: false\n  sample: 1 s\n  slo: {ttft: 100 s}\n  workload: {kind: "
          "constant, "
          "rate: 10, input: {kind: fixed, mean: 10}, output: {kind: fixed, mean: 1}}\n  pools: [{kv: {capacity: 640}, "
          "batcher: {kind: chunked, max_requests: 1}, fixed: {prefill_token: 100 ms}}]\n");
  pin(*r.results, "requests_arrived", "run", 101);
  pin(*r.results, "requests_finished", "run", 10);
  pin(*r.results, "requests_running", "run", 1);
  pin(*r.results, "requests_waiting", "run", 90);
  pin(*r.results, "requests_undecided", "run", 91);
  pin(*r.results, "open_share", "run", 91.0 / 101);
  pin(*r.results, "limit_other", "pool:both", 10 / 10.05);  // a step counts where it ends
  pin(*r.results, "bottleneck", "pool:both,limit:other", 10 / 10.05);
  // In the first second nine come after the one that runs, after 0.1, 0.2, ... 0.9 s.
  pin_at(*r.results, "waiting", "pool:both", 1, (0.9 + 0.8 + 0.7 + 0.6 + 0.5 + 0.4 + 0.3 + 0.2 + 0.1));
}

TEST(CountFigures, OfRequestsThatNothingCouldServe) {
  const Served r =
      run("serving:\n  workload: {kind: constant, rate: 1, limit: 10, input: {kind: table, values: [100, 1000], "
          "weights: [1, "
          "1]}, output: {kind: fixed, mean: 1}}\n  pools: [{kv: {capacity: 640}, fixed: {step: 1 ms}}]\n");
  EXPECT_GT(r.at("requests_finished"), 0);
  pin(*r.results, "requests_rejected", "run", 10 - r.at("requests_finished"));
  pin(*r.results, "input_tokens", "run", 100 * r.at("requests_finished"));
}

// Two of a hundred tokens that become 160: six pages, and the cache has four.  The younger one makes room, once.
TEST(CountFigures, OfRequestsThatMadeRoom) {
  const Served r =
      run("serving:\n  workload: {kind: constant, rate: 0, limit: 2, input: {kind: fixed, mean: 100}, output: {kind: "
          "fixed, "
          "mean: 60}}\n  pools: [{kv: {capacity: 256, watermark: 0}, fixed: {step: 10 ms}}]\n");
  pin(*r.results, "preemptions", "pool:both", 1);
  pin(*r.results, "requests_finished", "run", 2);
}

// Three quarters of every prompt are one of a few beginnings, and every request but the first of each finds it.
TEST(CountFigures, OfPromptsThatBeginAlike) {
  const Served r = run(
      "serving:\n  sample: 100 s\n  duration: 100 s\n  workload: {kind: constant, rate: 10, input: {kind: fixed, mean: "
      "256}, output: {kind: fixed, mean: 2}, prefixes: {count: 1, tokens: 192}}\n  pools: [{kv: {capacity: 64000}, "
      "fixed: {step: 10 ms}}]\n");
  pin(*r.results, "kv_hit_rate", "run", 0.75 * 1000 / 1001);
  pin(*r.results, "kv_hit_rate", "pool:both", 0.75 * 1000 / 1001, 1e-3);
  pin_at(*r.results, "kv_hit_rate", "pool:both", 100, 0.75, 2e-3);
}

// One of three instances is simulated, and gets a third of the requests.
TEST(CountFigures, OfWhatIsFolded) {
  const Served r = run("fold: data\n" + two_a_second(fmt::format("{{instances: 3, {}}}", kStep)));
  pin(*r.results, "fold", "run", 3);
  pin(*r.results, "instances", "pool:both", 3);
  pin(*r.results, "instances_simulated", "pool:both", 1);
  pin(*r.results, "simulated_share", "run", 1.0 / 3);
  pin(*r.results, "gpu_hours", "pool:both", 3 * 80.0 / 3600);
  pin(*r.results, "cost", "pool:both", 3 * kPrice * 80 / 3600);
}

// One of three instances computes prompts and one of five decodes: a third of the requests have their prompts computed,
// and three fifths of these are decoded here.
TEST(CountFigures, OfRequestsThatOthersDecode) {
  const Served r =
      run("fold: data\n" + two_a_second(fmt::format("{{role: prefill, instances: 3, {0}}}, {{role: decode, "
                                                    "instances: 5, {0}}}",
                                                    kStep)));
  pin(*r.results, "requests_outside", "run", 26);  // of 67, whole ones
  EXPECT_EQ(r.at("requests_outside") + r.at("requests_arrived"), 201 / 3);
}

// Drafts are always right: two tokens a step.
TEST(CountFigures, OfAcceptedDrafts) {
  const Served r =
      run(two_a_second(fmt::format("{{{}}}", kStep), true, "  speculation: {kind: ngram, acceptance: [1]}\n"));
  pin(*r.results, "tokens_per_step", "pool:both", 2);
}

// Of a recording of four, two are to another model.
TEST(CountFigures, OfRequestsThatTheWorkloadLeavesOut) {
  const TemporaryFolder folder;
  const std::string file = folder.write(
      "models.csv", "Timestamp,Model,Request tokens,Response tokens\n1,a,10,2\n2,b,10,2\n3,b,10,2\n4,a,10,2\n");
  const Served r = run("serving:\n  workload: {kind: burstgpt, model: a, file: " + file +
                       "}\n  pools: [{kv: {capacity: 640}, fixed: {step: 10 ms}}]\n");
  pin(*r.results, "requests_dropped", "run", 2);
  pin(*r.results, "requests_arrived", "run", 2);
}

// Three at once on a GPU that fails after two of their steps.
TEST(CountFigures, OfAFault) {
  const Served r = run(
      "serving:\n  workload: {kind: constant, rate: 0, limit: 3, input: {kind: fixed, mean: 100}, output: {kind: "
      "fixed, "
      "mean: 11}}\n  faults: [{kind: gpu, at: 0.5 s, gpu: 0, answer: restart, detect: 2 s}]\n  pools: [{kv: {capacity: "
      "6400}, start_up: 30 s, fixed: {step: 0.2 s}}]\n");
  const std::string scope = "fault:0,gpu,restart";
  pin(*r.results, "recovery_time", scope, 32);
  pin(*r.results, "retried_requests", scope, 3);
  pin(*r.results, "requests_retried", "run", 3);
  // The first step put the prompts into the cache, the second the token that came of the first.
  pin(*r.results, "lost_tokens", scope, 3 * 101);
}
}  // namespace
}  // namespace moesim::serving
