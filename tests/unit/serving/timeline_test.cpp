// What a serving run leaves for its timeline.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "core/log.h"
#include "results/perfetto.h"
#include "support/places.h"
#include "unit/serving/small_runs.h"

namespace moesim::serving {
namespace {
struct Drawn {
  results::SpanLog spans;
  Ran ran;
};
Drawn draw(results::SpanFilter filter) {
  filter.enabled = true;
  Drawn out{results::SpanLog(filter), {}};
  const Config scenario = Config::from_text(
      unit("    - {role: prefill, parallel: {data: 8}}\n    - {role: decode, parallel: {data: 16}}\n"),
      test::source_dir() + "/scenarios/test.yaml");
  out.ran.results = std::make_unique<results::Results>(":memory:", results::RunIdentity{});
  results::StudyRun study{scenario, 1, *out.ran.results, out.spans};
  out.ran.end = run_serving(study);
  return out;
}
std::string group_of(const results::SpanLog& log, const results::SpanLog::Span& s) {
  const results::SpanLog::Track& t = log.tracks()[std::size_t(s.track)];
  return t.gpu ? t.stream.substr(t.stream.rfind(", ") + 2) : t.group;
}

TEST(ServingTimeline, SpansOfOneTrackNeverOverlap) {
  const Drawn d = draw({});
  std::map<std::uint32_t, std::vector<results::SpanLog::Span>> tracks;
  for (const auto& s : d.spans.spans()) tracks[std::uint32_t(s.track)].push_back(s);
  EXPECT_GT(tracks.size(), 6u);
  for (auto& [track, spans] : tracks) {
    std::ranges::stable_sort(spans, {}, &results::SpanLog::Span::start);
    for (std::size_t i = 0; i < spans.size(); ++i) {
      EXPECT_LE(spans[i].start, spans[i].end);
      if (i > 0) {
        EXPECT_LE(spans[i - 1].end, spans[i].start) << d.spans.tracks()[track].stream;
      }
    }
  }
}

TEST(ServingTimeline, AddsUpToTheFiguresOfTheRun) {
  const Drawn d = draw({});
  std::map<std::string, double> seconds_of;
  std::map<std::string, int> count;
  for (const auto& s : d.spans.spans()) {
    seconds_of[group_of(d.spans, s)] += seconds(s.end - s.start);
    ++count[group_of(d.spans, s)];
  }
  const double finished = d.ran["requests_finished"];
  EXPECT_NEAR(seconds_of["requests"], d.ran["e2e_mean"] * finished, 1e-6 * seconds_of["requests"]);
  EXPECT_EQ(count["KV caches"], finished);
  EXPECT_NEAR(seconds_of["parts of a step"], seconds_of["steps"], 1e-6 * seconds_of["steps"]);
}

TEST(ServingTimeline, KeepsTheWindowAskedFor) {
  const Drawn d = draw({.enabled = true, .from = 5_s, .to = 6_s, .gpus = {}});
  EXPECT_FALSE(d.spans.spans().empty());
  for (const auto& s : d.spans.spans()) EXPECT_TRUE(s.end >= 5_s && s.start <= 6_s);
  EXPECT_LT(results::perfetto_json(d.spans).size(), results::perfetto_json(draw({}).spans).size() / 5);
}
}  // namespace
}  // namespace moesim::serving
