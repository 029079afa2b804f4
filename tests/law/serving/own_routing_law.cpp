// Requests of a routing trace are served with their own experts: what a run's experts get is what the trace counted.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/random.h"
#include "routing/token_tables.h"
#include "routing/trace.h"
#include "serving/run_serving.h"
#include "serving/step/recorded_loads.h"
#include "support/refusal.h"

namespace moesim::serving::own_routing {
namespace {
constexpr int kExperts = 64, kTopK = 6, kIds = 50;

/// V2-Lite's shape: requests of random lengths whose tokens are computed in passes with others'; answers choose other
/// experts than prompts.  Counts of each request, by layer and expert, into `counts`.
using Counts = std::map<std::pair<int, int>, double>;  // (layer, expert)
std::string record(const std::string& name, int requests, std::uint64_t seed, std::vector<Counts>& counts,
                   bool ids = true) {
  const std::string file = testing::TempDir() + name;
  std::filesystem::remove(file);
  routing::TraceHeader header;
  for (int l = 1; l < 27; ++l) header.layers.push_back(l);
  header.experts = kExperts, header.top_k = kTopK, header.source = "a test";
  Random random(seed, "own routing");
  std::vector<routing::TraceToken> tokens;
  for (int r = 0; r < requests; ++r) {
    const int prompt = 20 + int(random.below(700)), answer = int(random.below(40));
    for (int p = 0; p < prompt + answer; ++p)
      tokens.push_back({p < prompt ? 0 : 1 + p - prompt, r, p, ids ? (r * 7 + p) % kIds : -1,
                        p < prompt ? routing::TracePhase::prefill : routing::TracePhase::decode, 0});
  }
  std::ranges::stable_sort(tokens, {}, &routing::TraceToken::pass);
  counts.assign(std::size_t(requests), {});
  std::vector<std::int16_t> experts;
  for (const int layer : header.layers)
    for (const routing::TraceToken& t : tokens) {
      const int first = int(random.below(16)) + (t.phase == routing::TracePhase::decode ? 40 : t.request % 3 * 8);
      for (int k = 0; k < kTopK; ++k) {
        experts.push_back(std::int16_t(first + k));
        ++counts[std::size_t(t.request)][{layer, first + k}];
      }
    }
  routing::TraceWriter writer(file, header);
  writer.add(tokens, experts);
  writer.finish();
  return file;
}

struct Served {
  std::unique_ptr<results::Results> results = std::make_unique<results::Results>(":memory:", results::RunIdentity{});
  Counts loads() const {
    Counts out;
    results::Statement s =
        results->database().prepare("SELECT layer, expert, sum(tokens) FROM expert_load GROUP BY 1, 2");
    while (s.step())
      if (s.real(2) != 0) out[{int(s.integer(0)), int(s.integer(1))}] = s.real(2);
    return out;
  }
  double at(std::string_view name, std::string_view scope = "run") const { return results->metric_value(name, scope); }
};
Served serve(const std::string& workload, const std::string& pools, const std::string& more = "",
             const std::string& serving = "") {
  const Config scenario = Config::from_text(
      "model: deepseek-v2-lite\ncluster: {node: hgx-h800, nodes: 4, fabric: ib-rail}\n" + more +
          "serving:\n  workload: {kind: routing_trace, " + workload + "}\n" + serving + "  pools: " + pools + "\n",
      "own.yaml");
  Served out;
  results::SpanLog spans;
  results::StudyRun study{scenario, 1, *out.results, spans};
  run_serving(study);
  return out;
}
Counts operator+(Counts a, const Counts& b) {
  for (const auto& [key, n] : b) a[key] += n;
  return a;
}

TEST(OwnRouting, ARunOfOneRequestLoadsExpertsAsItsTraceCounted) {
  std::vector<Counts> counts;
  const std::string file = record("one.db", 1, 1, counts);
  for (const char* pools : {"[{parallel: {data: 8}}]", "[{parallel: {data: 16}, overlap: two_batch}]",
                            "[{role: prefill, parallel: {data: 8}}, {role: decode, parallel: {data: 16}}]",
                            "[{parallel: {data: 8}, batcher: {kind: chunked, max_tokens: 64}}]"})
    EXPECT_EQ(serve("rate: 1, file: " + file, pools).loads(), counts[0]) << pools;
}

TEST(OwnRouting, RequestsServedTogetherLoadExpertsWithTheirSum) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    std::vector<Counts> counts;
    const std::string file = record("many.db", 12, seed, counts);
    Counts all;
    for (const Counts& c : counts) all = std::move(all) + c;
    EXPECT_EQ(serve("rate: 1000, file: " + file, "[{parallel: {data: 8}}]").loads(), all);
    EXPECT_EQ(serve("rate: 3, limit: 2, file: " + file, "[{parallel: {data: 8}}]").loads(), counts[0] + counts[1]);
    // From the start again after the last.
    EXPECT_EQ(serve("rate: 50, limit: 13, file: " + file, "[{parallel: {data: 8}}]").loads(), all + counts[0]);
  }
}

TEST(OwnRouting, PromptsLoadTheirPoolAndAnswersTheirs) {
  std::vector<Counts> counts;
  const std::string file = record("apart.db", 5, 4, counts);
  const Served r =
      serve("rate: 100, file: " + file, "[{role: prefill, parallel: {data: 8}}, {role: decode, parallel: {data: 16}}]");
  results::Statement s = r.results->database().prepare(
      "SELECT (SELECT sum(tokens) FROM expert_load WHERE phase = 'prefill' AND expert >= 40), "
      "(SELECT sum(tokens) FROM expert_load WHERE phase = 'decode' AND expert < 40)");
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.real(0), 0) << "answers choose experts from 40 on";
  EXPECT_EQ(s.real(1), 0) << "prompts choose those below";
}

TEST(OwnRouting, AStepsLoadIsThatOfWhoIsInIt) {
  std::vector<Counts> counts;
  const auto routing = std::make_shared<const routing::RequestRouting>(record("steps.db", 2, 5, counts));
  RecordedLoads loads(routing, {1, 2});
  const int prompt = routing->requests()[0].prompt;
  const RecordedTokens alone[] = {{0, 0, prompt}}, both[] = {{0, prompt, 1}, {1, 3, 11}};
  loads.begin(alone);
  EXPECT_EQ(loads.tokens(), prompt);
  std::vector<double> want(kExperts, 0.0), second = want;
  routing->add_rows(2, 0, 0, prompt, want);
  EXPECT_TRUE(std::ranges::equal(loads.rows(1), want));
  EXPECT_TRUE(std::ranges::equal(loads.rows(1), want)) << "asked again";
  loads.look();
  loads.begin(both);
  routing->add_rows(2, 0, prompt, 1, second);
  routing->add_rows(2, 1, 3, 11, second);
  EXPECT_TRUE(std::ranges::equal(loads.rows(1), second));
  for (std::size_t e = 0; e < kExperts; ++e) {
    EXPECT_EQ(loads.seen()[kExperts + e], want[e] + second[e]) << "each step once";
    EXPECT_DOUBLE_EQ(loads.recent()[kExperts + e], second[e] / (12 * kTopK)) << "since the look";
  }
}

TEST(OwnRouting, WhoseTokensAreTogetherDecidesTheBalance) {
  // Prompts of requests 0 and 3 choose the same experts, those of 1 and 2 others: alone each loads some GPUs only.
  std::vector<Counts> counts;
  const std::string file = record("balance.db", 6, 6, counts);
  const std::string pool = "[{role: prefill, parallel: {data: 8}}]";
  const double alone = serve("rate: 0.1, file: " + file, pool).at("balancedness", "pool:prefill"),
               together = serve("rate: 1e5, file: " + file, pool).at("balancedness", "pool:prefill");
  EXPECT_GT(together, alone * 1.3);
}

TEST(OwnRouting, IsLeftToTheRoutingSectionWhereAskedAndSaysWhatItIs) {
  std::vector<Counts> counts;
  const std::string file = record("asked.db", 3, 7, counts), pool = "[{parallel: {data: 8}}]";
  EXPECT_EQ(serve("rate: 10, file: " + file, pool, "routing: {trace: " + file + "}\n").loads(),
            serve("rate: 10, file: " + file, pool).loads())
      << "the same trace in both places is no contradiction";
  const Served drawn = serve("rate: 10, own_routing: false, file: " + file, pool, "routing: balanced\n");
  EXPECT_GT(drawn.loads().size(), counts[0].size()) << "balanced routing leaves no expert out";
  EXPECT_EQ(test::refusal_of([&] { serve("rate: 10, file: " + file, pool, "routing: {kind: log_normal}\n"); }),
            "own.yaml:3:10: routing: the workload's requests have their own routing: name the same trace here or leave "
            "this out, or set serving.workload.own_routing: false");
  EXPECT_EQ(
      test::refusal_of([&] { serve("rate: 10, file: " + file, "[{parallel: {data: 8}, bank: {every: 2}}]"); }),
      "own.yaml:5:47: serving.pools[0].bank.every: requests have their own routing in every layer: leave it at 1");
  const Served said = serve("rate: 10, file: " + file, pool);
  results::Statement s = said.results->database().prepare("SELECT value FROM assumption WHERE name = 'routing'");
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.text(0), "each request's own, as recorded");
}

TEST(OwnRouting, LayersThatLookUpByTokenIdTakeTheRequestsOwnIds) {
  std::vector<Counts> counts;
  const std::string file = record("ids.db", 4, 9, counts), pool = "[{parallel: {data: 8}}]";
  const std::string law = "{kind: token_hash, layers: 3, tokens: " + file + ", others: {trace: " + file + "}";
  const Served r = serve("rate: 10, file: " + file, pool, "routing: " + law + "}\n");
  // What the table gives each id, counted token by token.
  const Config section = Config::from_text(law + "}", "law");
  const auto tables = routing::token_tables(section, {{kExperts, kTopK, 1, 1}, {8, 8}, 1, std::nullopt});
  ASSERT_TRUE(tables);
  EXPECT_EQ(tables->layers, 3);
  Counts want;
  for (const Counts& c : counts)
    for (const auto& [key, n] : c)
      if (key.first >= 3) want[key] += n;
  const routing::Trace trace(file);
  std::vector<routing::TraceToken> tokens;
  trace.read_tokens(0, trace.tokens(), tokens);
  for (const int layer : {1, 2}) {
    const std::vector<std::int16_t> table = tables->table(layer);
    for (const routing::TraceToken& t : tokens)
      for (int k = 0; k < kTopK; ++k) ++want[{layer, table[std::size_t(t.token * kTopK + k)]}];
  }
  EXPECT_EQ(r.loads(), want);
  results::Statement s = r.results->database().prepare("SELECT value FROM assumption WHERE name = 'routing'");
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.text(0), "each request's own: experts of its token ids in layers below 3, else as recorded");
  // Shares that a placement is planned from are those of the same ids.
  const auto source = routing::make_traffic(section, {{kExperts, kTopK, 1, 1}, {8, 8}, 1, std::nullopt});
  std::vector<double> shares(kExperts);
  source->shares(1, 0, shares);
  for (int e = 0; e < kExperts; ++e)
    EXPECT_NEAR(shares[std::size_t(e)] * double(tokens.size()) * kTopK, (want[{1, e}]), 1e-6) << "expert " << e;
}

TEST(OwnRouting, LooksUpNothingWithoutTheRequestsIds) {
  std::vector<Counts> counts;
  const std::string file = record("no_ids.db", 2, 9, counts), pool = "[{parallel: {data: 8}}]";
  const auto refusal = [&](const std::string& law) {
    return test::refusal_of(
        [&] { serve("rate: 10, file: " + file, pool, "routing: {kind: token_hash" + law + "}\n"); });
  };
  EXPECT_EQ(refusal(", layers: 3, others: {trace: " + file + "}"),
            "own.yaml:3:10: routing: the workload's requests have their own token ids and routing: name their trace as "
            "tokens and in others: {trace: FILE}, or set serving.workload.own_routing: false");
  const std::string bare = record("bare.db", 2, 9, counts, false);
  EXPECT_EQ(test::refusal_of(
                [&] { serve("rate: 10, file: " + bare, pool, "routing: {kind: token_hash, tokens: " + bare + "}\n"); }),
            "own.yaml:3:37: routing.tokens: " + bare + ": the trace has tokens without ids");
  EXPECT_EQ(refusal(", vocabulary: 20, tokens: " + file),
            "own.yaml:3:53: routing.tokens: " + file + ": a token has the id 20, but ids end at 19");
}

TEST(OwnRouting, RebalancingPlansFromWhatWasServed) {
  std::vector<Counts> counts;
  const std::string file = record("plans.db", 40, 8, counts);
  const Served r = serve("rate: 200, limit: 4000, file: " + file,
                         "[{parallel: {data: 8}, placement: {strategy: contiguous, slots: 72}}]", "",
                         "  rebalance: {interval: 2 s, window: 100, policy: eplb_global}\n");
  EXPECT_GE(r.at("rebalances", "pool:both"), 1);
  EXPECT_GT(r.at("rebalance_balancedness_after", "pool:both"), r.at("rebalance_balancedness_before", "pool:both"));
}
}  // namespace
}  // namespace moesim::serving::own_routing
