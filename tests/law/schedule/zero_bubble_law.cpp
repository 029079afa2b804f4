// Zero-bubble schedules at the times of stages, beside the published scheduler's order and every other schedule that
// holds no more activations, on 40 shapes and ratios.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "law/schedule/published_order.h"
#include "support/rounds.h"

namespace moesim::schedule {
namespace {
struct Case {
  int ranks = 2, micro_batches = 4;
  ScheduleCosts whole, half;  // of a rank's layers as one stage, and as two in a V
};

/// Ratios of F, I and W from those of attention (W short) to those of products alone (all equal), sends up to a tenth
/// of F, and in every third case a last stage with more work, as of a head.
Case case_of(unsigned number) {
  std::mt19937_64 random(number);
  const auto below = [&](int n) { return int(random() % unsigned(n)); };
  Case out;
  out.ranks = std::vector{2, 3, 4, 6, 8, 12, 16}[unsigned(below(7))];
  out.micro_batches = out.ranks * (1 + below(6)) + below(out.ranks);
  const int f = 80 + below(41), i = 80 + below(61), w = 40 + below(61), send = below(2) == 0 ? 0 : below(11);
  const auto costs = [&](int parts, int stages) {
    ScheduleCosts c;
    c.send = {send};
    for (int s = 0; s < stages; ++s) {
      const int more = number % 3 == 0 && s + 1 == stages ? 120 : 100;
      const auto of = [&](int takes) { return Time{std::int64_t(takes) * parts * more / 100}; };
      c.stages.push_back({.forward = of(f), .backward = of(i) + of(w), .backward_input = of(i), .weight = of(w)});
    }
    return c;
  };
  out.whole = costs(2, out.ranks), out.half = costs(1, 2 * out.ranks);
  return out;
}

struct Timed {
  std::int64_t end = INT64_MAX;
  int held = 0;  // chunk activations, in halves of a rank's layers
};
Timed timed(const std::string& kind, const Case& c) {
  const auto policy = pipeline_schedules().make(Config::from_text("schedule: " + kind, "test").at("schedule"));
  if (!policy->refusal(c.ranks, c.micro_batches).empty()) return {};
  const bool v = policy->chunks() == 2;
  const ScheduleCosts& costs = v ? c.half : c.whole;
  const Schedule s = build_schedule(*policy, kind, c.ranks, c.micro_batches, &costs);
  std::vector<int> bounds;
  for (int r = 0; r < c.ranks; ++r) bounds.push_back(policy->in_flight_bound(c.ranks, c.micro_batches, r));
  const auto problems = schedule_problems(s, bounds);
  EXPECT_TRUE(problems.empty()) << kind << ": " << problems[0];
  return {time_schedule(s, costs).end.v, std::ranges::max(peak_in_flight(s)) * (v ? 1 : 2)};
}

/// The best of the published scheduler's settings, within `limit` chunk activations.
std::int64_t published(const Case& c, int chunks, int limit) {
  const ScheduleCosts& costs = chunks == 2 ? c.half : c.whole;
  std::int64_t best = INT64_MAX;
  for (const bool before_forward : {false, true})
    for (const bool before_input : {false, true}) {
      test::PublishedOrder order(c.ranks, chunks, c.micro_batches, limit, costs, {before_forward, before_input});
      const auto programs = order.write();
      if (programs.empty()) continue;
      const Schedule s{"", chunks == 2 ? Layout::wave : Layout::straight, c.ranks, chunks, c.micro_batches, programs};
      best = std::min(best, time_schedule(s, costs).end.v);
    }
  return best;
}

constexpr int kCases = moesim::test::rounds(24);

/// A rank's layers in one piece or, in a V, in two: what is cut finer starts sooner, so that it may be beaten by less.
const std::vector<std::string> kOnePiece{"gpipe", "1f1b", "zb_h1"}, kV{"zb_v", "v_half", "v_min"};

void expect_no_shorter(const std::string& zero, const std::map<std::string, Timed>& all,
                       const std::vector<std::string>& others) {
  const Timed own = all.at(zero);
  for (const std::string& other : others)
    if (const Timed t = all.at(other); t.held <= own.held) {
      EXPECT_LE(own.end, t.end) << zero << " holds " << own.held << ", " << other << " " << t.held;
    }
}

TEST(ZeroBubble, IsNeverLongerThanThePublishedSchedulersOrderOrAnythingThatHoldsNoMore) {
  fmt::print(
      "ranks micro-batches   busy   1f1b   zb_h1 (published)   zb_v (published)   v_half (published)   v_min "
      "(published)\n");
  for (int number = 0; number < kCases; ++number) {
    const Case c = case_of(unsigned(number));
    SCOPED_TRACE(fmt::format("case {}: {} ranks, {} micro-batches", number, c.ranks, c.micro_batches));
    const std::map<std::string, std::int64_t> reference{{"zb_h1", published(c, 1, c.ranks)},
                                                        {"zb_v", published(c, 2, 2 * c.ranks)},
                                                        {"v_half", published(c, 2, (c.ranks + 2) / 2 * 2)},
                                                        {"v_min", published(c, 2, (c.ranks + 4) / 3 * 2)}};
    std::map<std::string, Timed> all;
    for (const auto& kinds : {kOnePiece, kV})
      for (const std::string& kind : kinds) all[kind] = timed(kind, c);
    const StageCosts& last = c.half.stages[unsigned(2 * c.ranks - 1)];
    const StageCosts& first = c.half.stages[0];
    const Time busy = c.micro_batches * (first.forward + first.backward + last.forward + last.backward);
    fmt::print("{:5} {:13} {:6} {:6}", c.ranks, c.micro_batches, busy.v, all["1f1b"].end);
    for (const auto& [kind, end] : reference) EXPECT_LE(all[kind].end, end) << kind;
    for (const std::string kind : {"zb_h1", "zb_v", "v_half", "v_min"})
      fmt::print("  {:7} ({:9})", all[kind].end, reference.at(kind));
    fmt::print("\n");
    expect_no_shorter("zb_h1", all, kOnePiece);
    for (const std::string& kind : kV) {
      expect_no_shorter(kind, all, kOnePiece);
      expect_no_shorter(kind, all, kV);
    }
  }
}
}  // namespace
}  // namespace moesim::schedule
