#include "routing/statistics.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/random.h"
#include "routing/exporters/exporters.h"
#include "routing/load_shape.h"

namespace moesim::routing {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::json;

TEST(LoadShape, OfLoadsThatCanBeWorkedOut) {
  const std::vector<double> equal{5, 5, 5, 5}, one{0, 0, 8, 0}, mixed{1, 2, 3, 4}, none{0, 0};
  EXPECT_EQ(max_over_mean(equal), 1);
  EXPECT_EQ(max_over_mean(one), 4);
  EXPECT_EQ(balance(one), 0.25);
  EXPECT_EQ(max_over_mean(none), 1);
  EXPECT_EQ(gini(equal), 0);
  EXPECT_EQ(gini(one), 0.75);
  EXPECT_DOUBLE_EQ(gini(mixed), 0.25);  // (-3*1 - 1*2 + 1*3 + 3*4) / (4 * 10)
  EXPECT_DOUBLE_EQ(variation(mixed), std::sqrt(1.25) / 2.5);
  EXPECT_EQ(share_of_largest(mixed, 2), 0.7);
  EXPECT_DOUBLE_EQ(effective_number(equal), 4);
  EXPECT_DOUBLE_EQ(effective_number(one), 1);
  EXPECT_DOUBLE_EQ(correlation(mixed, std::vector<double>{2, 4, 6, 8}), 1);
  EXPECT_DOUBLE_EQ(correlation(mixed, std::vector<double>{4, 3, 2, 1}), -1);
  EXPECT_EQ(correlation(mixed, equal), 0);
}

struct TraceFile {
  std::string file = ::testing::TempDir() + "statistics.db";
  TraceFile(const TraceHeader& h, const std::vector<TraceToken>& tokens, const std::vector<std::int16_t>& ids,
            const std::vector<float>& weights = {}) {
    fs::remove(file);
    TraceWriter writer(file, h);
    writer.add(tokens, ids, weights);
    writer.finish();
  }
  ~TraceFile() { fs::remove(file); }
};

TraceHeader header(int layers, int experts, int top_k) {
  TraceHeader h;
  h.source = "a test";
  for (int m = 0; m < layers; ++m) h.layers.push_back(3 + m);
  h.experts = experts;
  h.top_k = top_k;
  return h;
}

// Two requests in turn, 4 experts on 2 GPUs of a node each, top-2.
TEST(TraceStatistics, OfATraceSmallEnoughToCountByHand) {
  TraceHeader h = header(2, 4, 2);
  h.domains = {"prose", "code"};
  std::vector<TraceToken> tokens;
  for (int t = 0; t < 6; ++t) tokens.push_back({t / 2, t % 2, t / 2, t, TracePhase::prefill, std::uint8_t(t % 2)});
  // Layer 3: request 0 (tokens 0, 2, 4) has first choices 0, 0, 1; request 1 (tokens 1, 3, 5) has 2, 2, 2.
  // Layer 4: after 0 comes 3, after 1 comes 3, after 2 comes 0, 0, 1.
  const std::vector<std::int16_t> ids = {0, 1, 2, 3, 0, 2, 2, 0, 1, 0, 2, 3,  //
                                         3, 2, 0, 1, 3, 1, 0, 1, 3, 2, 1, 0};
  const TraceFile file(h, tokens, ids);
  const Trace trace(file.file);
  const TraceStatistics s = trace_statistics(trace, {2, 1});
  ASSERT_EQ(s.layers.size(), 2u);
  EXPECT_EQ(s.tokens, 6);
  EXPECT_EQ(s.consecutive, 4);
  EXPECT_EQ(s.domains, 2);
  const LayerStatistics& l = s.layers[0];
  EXPECT_EQ(l.layer, 3);
  EXPECT_DOUBLE_EQ(l.max_over_mean, 4 / 3.0);  // loads 4, 2, 4, 2
  EXPECT_EQ(l.hottest, 0);
  EXPECT_EQ(l.cold, 0);
  EXPECT_EQ(l.repetition, 3 / 4.0);       // 0 0, then 0 1; 2 2, 2 2
  EXPECT_DOUBLE_EQ(l.affinity, 5 / 6.0);  // 0 -> 3 twice, 1 -> 3 once, 2 -> 0 twice of three
  EXPECT_EQ(s.layers[1].affinity, 0);
  EXPECT_EQ(s.mean(&LayerStatistics::affinity), l.affinity);
  EXPECT_DOUBLE_EQ(l.nodes_per_token, 8 / 6.0);  // tokens 2 and 3 reach both
  EXPECT_DOUBLE_EQ(l.gpus_per_token, 8 / 6.0);
  EXPECT_EQ(l.balance, 1);  // 6 rows each
  // prose: 0 1 0 2 1 0 -> 3, 2, 1, 0; code: 2 3 2 0 2 3 -> 1, 0, 3, 2.
  EXPECT_DOUBLE_EQ(l.domain_correlation, -0.6);
}

TEST(TraceStatistics, NamesCollapseAndColdExperts) {
  const int n = 400;
  std::vector<TraceToken> tokens;
  std::vector<std::int16_t> ids;
  Random random(1, "collapse");
  for (int t = 0; t < n; ++t) tokens.push_back({0, 0, t, t, TracePhase::prefill, 0});
  for (int t = 0; t < n; ++t) ids.push_back(std::int16_t(random.below(64)));
  for (int t = 0; t < n; ++t) ids.push_back(std::int16_t(random.uniform() < 0.98 ? 7 : random.below(64)));
  const TraceFile file(header(2, 64, 1), tokens, ids);
  const Trace trace(file.file);
  const TraceStatistics s = trace_statistics(trace, {8, 8});
  EXPECT_FALSE(s.layers[0].collapsed);
  EXPECT_TRUE(s.layers[1].collapsed);
  EXPECT_GT(s.layers[1].cold, 40);
  const std::string text = statistics_text(trace, s);
  EXPECT_NE(text.find("layer 4 has collapsed: its load is spread as over 1."), std::string::npos) << text;
  EXPECT_NE(text.find("the hottest is 7"), std::string::npos);
  const Json json = Json::parse(statistics_json(trace, s));
  for (const char* name :
       {"balancedness", "imbalance", "expert_load_max_over_mean", "expert_load_gini", "nodes_per_token"})
    EXPECT_TRUE(json.at(name).is_number()) << name;
  EXPECT_TRUE(json["domain_correlation"].is_null());
}

TEST(TraceStatistics, AffinityByChanceIsWhatFewTokensShowAnyway) {
  const int n = 3000, experts = 16;
  std::vector<TraceToken> tokens;
  std::vector<std::int16_t> ids(std::size_t(3 * n));
  Random random(2, "affinity");
  for (int t = 0; t < n; ++t) {
    tokens.push_back({0, 0, t, t, TracePhase::prefill, 0});
    const auto e = std::int16_t(random.below(experts));
    ids[std::size_t(t)] = e;  // layer 3
    ids[std::size_t(n + t)] =
        std::int16_t(random.uniform() < 0.5 ? (e + 5) % 16 : random.below(16));  // follows half the time
    ids[std::size_t(2 * n + t)] = std::int16_t(random.below(experts));           // follows nothing
  }
  const TraceFile file(header(3, experts, 1), tokens, ids);
  const TraceStatistics s = trace_statistics(Trace(file.file), {16, 8});
  EXPECT_NEAR(s.layers[0].affinity, 0.53, 0.04);
  EXPECT_NEAR(s.layers[1].affinity, s.layers[1].affinity_by_chance, 0.02);
  EXPECT_NEAR(s.layers[0].affinity_by_chance, s.layers[1].affinity_by_chance, 0.02);
}

std::string exported(const Trace& trace, const char* format) {
  std::string out;
  exporter(format).write(trace, [&](std::string_view text) { out += text; });
  return out;
}

/// Ids up to the largest in a few tokens: what is counted follows what occurs.
TEST(TraceStatistics, OneLargeIdTakesNoTableOfItsSquare) {
  const std::string file = ::testing::TempDir() + "large_id.db";
  TraceHeader h;
  h.layers = {0, 1, 2};
  h.experts = 32'767;
  h.top_k = 1;
  TraceWriter writer(file, h);
  writer.add(std::vector<TraceToken>{{0, 0, 0, 1, TracePhase::prefill, 0}, {0, 0, 1, 1, TracePhase::prefill, 0}},
             std::vector<std::int16_t>{32'766, 32'766, 5, 6, 7, 7});
  writer.finish(false);
  const Trace trace(file);
  const TraceStatistics s = trace_statistics(trace, {1, 8});
  EXPECT_EQ(s.layers[0].hottest, 32'766);
  EXPECT_EQ(s.layers[0].affinity, 0.5);
  EXPECT_EQ(s.layers[1].affinity, 1);
  EXPECT_NE(statistics_text(trace, s).find("\nthe trace is incomplete: its recording was interrupted\n"),
            std::string::npos);
  EXPECT_NE(statistics_json(trace, s).find("\"complete\": false"), std::string::npos);
  std::filesystem::remove(file);
}

TEST(Export, EachPlainFormHoldsTheTrace) {
  TraceHeader h = header(2, 4, 2);
  h.weights = true;
  h.hidden_layers = 6;
  const std::vector<TraceToken> tokens = {{0, 0, 5, 17, TracePhase::prefill, 0}, {1, 0, 6, 9, TracePhase::decode, 0}};
  const std::vector<std::int16_t> ids = {3, 1, -1, -1, 0, 2, 1, -1};
  const TraceFile file(h, tokens, ids, {0.5f, 0.25f, 0, 0, 0.1f, 1, 2, 3});
  const Trace trace(file.file);
  EXPECT_EQ(exported(trace, "jsonl"),
            "{\"sequence\":0,\"position\":5,\"token\":17,\"phase\":\"prefill\",\"layers\":{\"3\":{\"experts\":[3,1],"
            "\"weights\":[0.5,0.25]},"
            "\"4\":{\"experts\":[0,2],\"weights\":[0.1,1]}}}\n"
            "{\"sequence\":0,\"position\":6,\"token\":9,\"phase\":\"decode\",\"layers\":{\"4\":{\"experts\":[1,-1],"
            "\"weights\":[2,3]}}}\n");
  EXPECT_EQ(exported(trace, "csv"),
            "pass,sequence,position,token,phase,domain,layer,expert_0,expert_1,weight_0,weight_1\n"
            "0,0,5,17,prefill,,3,3,1,0.5,0.25\n0,0,5,17,prefill,,4,0,2,0.1,1\n"
            "1,0,6,9,decode,,3,-1,-1,0,0\n1,0,6,9,decode,,4,1,-1,2,3\n");
  const std::string npy = exported(trace, "npy");
  EXPECT_EQ(npy.size() % 64, 16u);  // the data begins at a multiple of 64, and is 2 x 2 x 2 x 2 bytes
  EXPECT_NE(npy.find("'shape': (2, 2, 2)"), std::string::npos);
  EXPECT_EQ(npy.substr(npy.size() - 16, 4), std::string("\x03\x00\x01\x00", 4));
  EXPECT_EQ(Json::parse(exported(trace, "loads"))["logical_count"],
            Json::parse("[[0,0,0,0],[0,0,0,0],[0,0,0,0],[0,1,0,1],[1,1,1,0],[0,0,0,0]]"));
  EXPECT_THROW(exporter("jsnl"), ConfigError);
}

TEST(TraceInfo, SaysWhatTheTraceHasAndLacks) {
  TraceHeader h = header(2, 4, 1);
  h.model = "tiny";
  h.requests = false;
  h.notes = {"a note"};
  const TraceFile file(h, {{0, -1, -1, 17, TracePhase::prefill, 0}}, {1, -1});
  const std::string text = info_text(Trace(file.file));
  EXPECT_NE(text.find("router   2 MoE layers (3-4), 4 experts, top-1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("lacks    gate weights, requests and positions\n"), std::string::npos) << text;
  EXPECT_NE(text.find("gaps     1 of 2 choices are absent\n"), std::string::npos) << text;
  EXPECT_NE(text.find("note     a note\n"), std::string::npos) << text;
  EXPECT_EQ(Json::parse(info_json(Trace(file.file)))["lacks"],
            Json::parse(R"(["gate weights", "requests and positions"])"));
}
}  // namespace
}  // namespace moesim::routing
