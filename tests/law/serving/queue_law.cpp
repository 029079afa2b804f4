// Queues on unit hardware wait as theory says, open and closed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "law/serving/watched_service.h"
#include "serving/report/judgement.h"

namespace moesim::serving {
namespace {
/// The values' mean is `theory` within three standard errors, which are less than `share` of it.
void expect_mean(const std::vector<double>& values, double theory, double share) {
  double mean = 0, variance = 0;
  for (const double v : values) mean += v / double(values.size());
  for (const double v : values) variance += (v - mean) * (v - mean) / double(values.size() - 1);
  const double error = std::sqrt(variance / double(values.size()));
  EXPECT_NEAR(mean, theory, 3 * error);
  EXPECT_LT(error, share * theory) << "too few samples to say anything";
}

/// L = lambda W, over the window: exact but for those that cross its ends.
void expect_littles_law(Ran& ran) {
  const double rate = double(ran.window.flow.arrived) / ran.window.length(), lasts = quantiles(ran.outcome.e2e).mean;
  EXPECT_NEAR(ran.window.open, rate * lasts, 0.01 * rate * lasts);
}

/// A server that takes one request at a time: the mean wait, from independent runs, within three standard errors of
/// theory, and less than 3 % of it.
void expect_wait(const std::string& input, double theory) {
  std::vector<double> waits, queues;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Case s;
    s.seed = seed;
    s.batcher = "{kind: continuous, max_requests: 1, max_tokens: 1000000}";
    s.workload = "{kind: poisson, rate: 0.7, limit: 20000, input: " + input + ", output: {kind: fixed, mean: 1}}";
    s.step = {.step = {}, .prefill_token = 1_us, .decode_token = {}};  // a mean of 10^6 tokens is one second
    s.shape.pools = {pool(Role::both, 1, 1, 100'000'000)};
    Ran ran = run(s);
    expect_laws(ran);
    waits.push_back(quantiles(ran.outcome.queue).mean);
    queues.push_back(ran.pools[0].in.waiting / ran.window.length());
    expect_littles_law(ran);
    EXPECT_FALSE(steadiness(ran.window).saturated) << seed;
  }
  expect_mean(waits, theory, 0.03);
  expect_mean(queues, 0.7 * theory, 0.03);  // Little's law of those who wait
}
TEST(Queue, MD1WaitsAsPollaczekAndKhinchineSay) { expect_wait("{kind: fixed, mean: 1000000}", 0.7 / (2 * (1 - 0.7))); }
TEST(Queue, MM1WaitsTwiceAsLong) { expect_wait("{kind: exponential, mean: 1000000, max: 90000000}", 0.7 / (1 - 0.7)); }

/// Clients that think for 4 s and are served, one at a time, in 1 s, both exponential: the machine repair model.  Its
/// throughput is the share of time in which anybody is served, 1 - 1 / sum over k of N! / (N - k)! (1 / 4)^k.
TEST(Queue, ClosedLoopsServeAsTheMachineRepairModelSays) {
  for (const int clients : {1, 3, 8}) {
    double sum = 0, term = 1;
    for (int k = 0; k <= clients; ++k, term *= double(clients - k + 1) / 4) sum += term;
    std::vector<double> rates;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      Case s;
      s.seed = seed;
      s.batcher = "{kind: continuous, max_requests: 1, max_tokens: 100000000}";
      s.workload = fmt::format(
          "{{kind: closed, clients: {}, think: 4 s, limit: 5000, input: {{kind: exponential, mean: 1000000, max: "
          "90000000}}, output: {{kind: fixed, mean: 1}}}}",
          clients);
      s.step = {.step = {}, .prefill_token = 1_us, .decode_token = {}};
      s.shape.pools = {pool(Role::both, 1, 1, 100'000'000)};
      Ran ran = run(s);
      expect_laws(ran);
      EXPECT_EQ(ran.outcome.finished, 5000);
      rates.push_back(double(ran.window.flow.ended) / ran.window.length());
      // Of every client, its request or its thought is under way: N = X (R + Z).
      const double cycle = quantiles(ran.outcome.e2e).mean + 4;
      EXPECT_NEAR(rates.back() * cycle, clients, 0.05 * clients) << seed;  // 4 s are the mean of 5,000 draws
    }
    expect_mean(rates, 1 - 1 / sum, 0.01);
  }
}

TEST(Queue, WithFixedConcurrencyRequestsWaitWithTheirSenders) {
  // Three a second to a server that takes one at a time for a second: none waits in the queue, all are served.
  Case s;
  s.batcher = "{kind: continuous, max_requests: 1, max_tokens: 100000000}";
  s.workload =
      "{kind: constant, rate: 3, limit: 50, concurrency: 1, input: {kind: fixed, mean: 1000000}, output: "
      "{kind: fixed, mean: 1}}";
  s.step = {.step = {}, .prefill_token = 1_us, .decode_token = {}};
  s.shape.pools = {pool(Role::both, 1, 1, 100'000'000)};
  Ran ran = run(s);
  expect_laws(ran);
  EXPECT_EQ(ran.outcome.finished, 50);
  EXPECT_EQ(quantiles(ran.outcome.queue).p999, 0);
  EXPECT_NEAR(ran.seconds, 50, 1e-6);
  // Two at once, one after the other in the server: the second of each pair waits for the first.
  s.workload.replace(s.workload.find("concurrency: 1"), 14, "concurrency: 2");
  ran = run(s);
  EXPECT_NEAR(quantiles(ran.outcome.queue).p50, 1, 1e-6);
  EXPECT_NEAR(ran.seconds, 50, 1e-6);
}

TEST(Queue, WhatNothingCanServeGivesItsPlaceUp) {
  Case s;
  s.workload =
      "{kind: constant, rate: 0, limit: 6, concurrency: 1, input: {kind: table, values: [10, 2000]}, output: "
      "{kind: fixed, mean: 2}}";
  s.shape.context = 100;
  s.shape.pools = {pool(Role::both, 1, 1, 100'000)};
  const Ran ran = run(s);
  expect_laws(ran);
  EXPECT_EQ(ran.outcome.finished + ran.outcome.rejected, 6);
  EXPECT_GT(ran.outcome.rejected, 0);
  EXPECT_GT(ran.outcome.finished, 0);
}

TEST(Queue, AClientWhoseRequestIsRefusedSendsItsNext) {
  Case s;
  s.workload =
      "{kind: closed, clients: 3, input: {kind: table, values: [10, 2000]}, output: {kind: fixed, mean: 20}, sessions: "
      "{turns: 2, pause: 10 ms}}";
  s.shape.context = 1000;
  s.shape.duration = 100_s;
  s.shape.pools = {pool(Role::both, 1, 1, 100'000)};
  const Ran ran = run(s);
  expect_laws(ran);
  EXPECT_GT(ran.outcome.rejected, 100);
  // To the end: were clients lost, nobody would come after the first few refusals.
  EXPECT_GT(ran.outcome.finished, 500);
  EXPECT_NEAR(ran.window.open_last / ran.window.open_before, 1, 0.5);
}
}  // namespace
}  // namespace moesim::serving
