#include "routing/trace.h"
#include "serving/traces/workloads.h"
#include "support/refusal.h"

#include <cmath>
#include <filesystem>

#include "serving/traces/moment.h"
#include "support/places.h"
#include "unit/serving/all_requests.h"

namespace moesim::serving {
namespace {
TEST(Azure, ReadsDatesWithCarriageReturns) {
  const std::string file = write("azure.csv",
                                 "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 23:59:59.9799600,374,44\r\n"
                                 "2023-11-17 00:00:01.0000000,396,109\r\n\r\n");
  const auto requests = all("{kind: azure, file: " + file + "}");
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].arrival, 0_s);
  EXPECT_EQ(requests[1].arrival.v, 1'020'040'000'000);  // 1.02004 s, exact
  EXPECT_EQ(requests[1].input, 396);
  EXPECT_EQ(requests[1].output, 109);
  EXPECT_EQ(requests[1].row, 3);
}

TEST(Azure, ReadsZonesAsTheLaterFilesHaveThem) {
  Moment a, b;
  ASSERT_TRUE(parse_moment("2024-05-10 02:00:00.009930+02:00", a));
  ASSERT_TRUE(parse_moment("2024-05-10T00:00:00.00993Z", b));
  EXPECT_EQ(a.second, b.second);
  EXPECT_EQ(a.picosecond, 9'930'000'000);
  EXPECT_FALSE(parse_moment("10.05.2024", a));
}

TEST(Recorded, WindowAndRateScaleAndLimit) {
  const std::string file =
      write("split.csv",
            "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,"
            "token_size\n0,2,0,0.0,1,10,5\n1,2,0,2.0,1,11,5\n2,2,0,4.0,1,12,5\n3,2,0,6.0,1,13,5\n");
  const auto requests = all("{kind: splitwise, file: " + file + ", from: 2 s, until: 6 s, rate_scale: 2}");
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].arrival, 0_s);
  EXPECT_EQ(requests[1].arrival, 1_s);  // 2 s after the window's start, twice as fast
  EXPECT_EQ(requests[1].input, 12);
  EXPECT_EQ(all("{kind: splitwise, file: " + file + ", limit: 3}").size(), 3u);
}

TEST(Mooncake, HashesCoverFullBlocksOnly) {
  const std::string file =
      write("mooncake.jsonl", R"({"timestamp": 500, "input_length": 1100, "output_length": 6, "hash_ids": [7, 8, 9]})");
  const auto requests = all("{kind: mooncake, file: " + file + "}");
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].arrival, 500_ms);
  EXPECT_EQ(requests[0].hashes, (std::vector<std::uint64_t>{7, 8}));
}

TEST(BurstGpt, OldAndNewColumns) {
  const std::string old_file = write("burst_old.csv",
                                     "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
                                     "5,ChatGPT,472,18,490,API log\n7,GPT-4,10,0,10,API log\n");
  const auto requests = all("{kind: burstgpt, file: " + old_file + "}");
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].arrival, 5_s);
  EXPECT_EQ(requests[1].output, 0);  // a failed request: to be rejected where it is served, not here
  EXPECT_EQ(all("{kind: burstgpt, model: GPT-4, file: " + old_file + "}").size(), 1u);
}

TEST(Vidur, WithAndWithoutArrivals) {
  const std::string with = write("vidur.csv", "arrived_at,num_prefill_tokens,num_decode_tokens\n1.5,10,20\n");
  EXPECT_EQ(all("{kind: vidur, file: " + with + "}").at(0).arrival, 1500_ms);
  const std::string without =
      write("vidur2.csv", "num_prefill_tokens,num_decode_tokens,num_total_tokens,pd_ratio\n10,20,30,0.5\n");
  EXPECT_EQ(all("{kind: vidur, rate: 2, file: " + without + "}").at(0).output, 20);
  EXPECT_THROW(all("{kind: vidur, file: " + without + "}"), ConfigError);
}

TEST(LlmServingSim, ToolTimeSeparatesSubRequests) {
  const std::string file = write("llm.jsonl", R"({"session_id": "a", "arrival_time_ns": 2000000000, "sub_requests": [)"
                                              R"({"input_toks": 10, "output_toks": 3, "tool_duration_ns": 1000000000},)"
                                              R"({"input_toks": 20, "output_toks": 4}]})");
  auto source =
      workloads().make(Config::from_text("{kind: llmservingsim, file: " + file + "}", "t"), WorkloadContext{});
  const auto first = source->next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->arrival, 2_s);
  const auto second = source->follow_up(*first, 5_s);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->arrival, 6_s);
  EXPECT_EQ(second->input, 20);
  EXPECT_FALSE(source->follow_up(*second, 7_s));
  EXPECT_FALSE(source->next());
}

TEST(ShareGpt, TurnsRepeatWhatCameBefore) {
  const std::string file =
      write("share.json", R"([{"id": "x", "conversations": [{"from": "human", "value": "12345678"},)"
                          R"({"from": "gpt", "value": "1234"}, {"from": "human", "value": "1234"},)"
                          R"({"from": "gpt", "value": "12345678"}]}])");
  auto source = workloads().make(Config::from_text("{kind: sharegpt, rate: 1, hash_block: 1, file: " + file + "}", "t"),
                                 WorkloadContext{});
  const auto first = source->next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->input, 2);
  EXPECT_EQ(first->output, 1);
  const auto second = source->follow_up(*first, 5_s);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->input, 4);
  ASSERT_EQ(first->hashes.size(), 3u);  // prompt and answer, since the next turn repeats both
  EXPECT_TRUE(std::equal(first->hashes.begin(), first->hashes.end(), second->hashes.begin()));
}

/// A trace of layer 1 with these tokens, each of expert 0.
std::string routing_trace(const std::string& name, const std::vector<routing::TraceToken>& tokens,
                          bool requests = true) {
  const std::string file = testing::TempDir() + name;
  routing::TraceHeader header;
  header.source = "a test";
  header.layers = {1};
  header.experts = 4, header.top_k = 1, header.requests = requests;
  header.domains = {"prose", "code"};
  routing::TraceWriter writer(file, header);
  writer.add(tokens, std::vector<std::int16_t>(tokens.size(), 0));
  writer.finish();
  return file;
}

TEST(RoutingTrace, RequestsAreAsLongAsTheirTokensSay) {
  constexpr auto prefill = routing::TracePhase::prefill, decode = routing::TracePhase::decode;
  // Request 5: a prompt of 3 and two decoded tokens.  Request 2, of the second kind: the prompt's first 6 tokens came
  // out of a cache, none was decoded.  Request 9: only decoding from position 4 on was recorded.
  const std::string file = routing_trace("lengths.db", {{0, 5, 0, -1, prefill, 0},
                                                        {0, 5, 1, -1, prefill, 0},
                                                        {0, 5, 2, -1, prefill, 0},
                                                        {0, 2, 6, -1, prefill, 1},
                                                        {1, 5, 3, -1, decode, 0},
                                                        {1, 9, 4, -1, decode, 0},
                                                        {2, 5, 4, -1, decode, 0}});
  auto source = workloads().make(
      Config::from_text("{kind: routing_trace, rate: 10, limit: 4, domains: [prose, code], file: " + file + "}", "t"),
      WorkloadContext{});
  EXPECT_EQ(source->domains(), 2);
  EXPECT_EQ(source->expected(), 4);
  std::vector<std::array<int, 3>> got;
  Time last{};
  while (const auto request = source->next()) {
    EXPECT_GT(request->arrival, last);
    last = request->arrival;
    got.push_back({request->input, request->output, request->domain});
  }
  EXPECT_EQ(got, (std::vector<std::array<int, 3>>{{3, 3, 0}, {7, 1, 1}, {4, 2, 0}, {3, 3, 0}}));
  const auto make = [&](const std::string& domains) {
    return workloads().make(
        Config::from_text("{kind: routing_trace, rate: 10, " + domains + "file: " + file + "}", "t"),
        WorkloadContext{});
  };
  EXPECT_EQ(make("")->domains(), 1);
  EXPECT_EQ(test::refusal_of([&] { (void)make("domains: [prose], "); }),
            "t:1:42: domains: " + file + ": has text of the kind \"code\", which is not among them");
}

TEST(RoutingTrace, WithoutRequestsThereIsNothingToServe) {
  const std::string file = routing_trace("none.db", {{0, -1, -1, -1, routing::TracePhase::prefill, 0}}, false);
  const std::string said = test::refusal_of([&] {
    (void)workloads().make(Config::from_text("{kind: routing_trace, rate: 1, file: " + file + "}", "t"),
                           WorkloadContext{});
  });
  EXPECT_EQ(said, "t:1:38: file: " + file + ": the trace does not say which request a token belongs to");
}

TEST(ServeGen, RateWeightedMeans) {
  const std::string folder = testing::TempDir() + "servegen";
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/chunk-0-trace.csv") << "0,2.0,1.5,Gamma,0.44,1.1\n600,0.0,0,,,\n1200,1.0,1,Weibull,0.8,1\n";
  std::ofstream(folder + "/chunk-0-dataset.json")
      << R"({"0": {"input_tokens": "{10: 0.5, 30: 0.5}", "output_tokens": "{5: 1.0}", "reason_ratio": "{}"},)"
      << R"("1200": {"input_tokens": "{7: 1}", "output_tokens": "{9: 1}"}})";
  const auto requests = all("{kind: servegen, folder: " + folder + "}");
  double early = 0, input = 0;
  for (const Request& r : requests) {
    EXPECT_FALSE(seconds(r.arrival) > 600 && seconds(r.arrival) < 1200);
    EXPECT_LT(seconds(r.arrival), 1800);
    if (seconds(r.arrival) > 600) {
      EXPECT_EQ(r.input, 7);
      continue;
    }
    ++early;
    input += r.input;
    EXPECT_EQ(r.output, 5);
  }
  EXPECT_NEAR(early, 1200, 4 * 1.5 * std::sqrt(1200));        // four standard deviations of a renewal count with cv 1.5
  EXPECT_DOUBLE_EQ(profiled_arrivals(folder, 0, 1e9), 1800);  // 600 s of 2, 600 s of 1
  EXPECT_DOUBLE_EQ(profiled_arrivals(folder, 500, 1300), 300);
  EXPECT_NEAR(input / early, 20, 4 * 10 / std::sqrt(early));
}

TEST(Generators, MeanRateWithinFourDeviations) {
  for (const auto& [yaml, mean] : std::vector<std::pair<std::string, double>>{
           {"{kind: poisson, rate: 5}", 5000},
           {"{kind: gamma, rate: 5, cv: 2}", 5000},
           {"{kind: poisson, rate: 5, rate_scale: 0.5}", 2500},
           {"{kind: bursts, rate_on: 20, rate_off: 0, on: 1 s, off: 3 s}", 5000},
           {"{kind: daily, peak_rate: 10, curve: [0, 1], period: 1000 s}", 5000},
           {"{kind: constant, rate: 5}", 5001}}) {  // one at each end
    const double count = double(all(yaml, {.seed = 3, .duration = 1000_s}).size());
    EXPECT_NEAR(count, mean, yaml.find("constant") != std::string::npos ? 0 : 4 * 5 * std::sqrt(mean)) << yaml;
  }
}

TEST(Generators, DailyFollowsItsCurve) {
  const auto requests =
      all("{kind: daily, peak_rate: 100, curve: [0, 1], period: 100 s}", {.seed = 3, .duration = 100_s});
  double middle = 0;
  for (const Request& r : requests) middle += seconds(r.arrival) > 25 && seconds(r.arrival) < 75;
  EXPECT_NEAR(middle / double(requests.size()), 0.75, 0.03);  // a triangle: three quarters of its area
}

TEST(Generators, SharedPrefixesShareTheirFirstBlocks) {
  const auto requests =
      all("{kind: constant, rate: 0, limit: 50, input: {kind: fixed, mean: 256}, output: {kind: fixed, mean: 9}, "
          "prefixes: {count: 1, tokens: 128}, hash_block: 64}");
  ASSERT_EQ(requests.size(), 50u);
  EXPECT_EQ(requests[0].hashes.size(), 2u);
  EXPECT_EQ(requests[0].unique_blocks, 2);
  EXPECT_EQ(requests[0].hashes[1], requests[49].hashes[1]);
}

TEST(Generators, SessionsGoOnAfterTheAnswer) {
  auto source = workloads().make(
      Config::from_text(
          "{kind: constant, rate: 1, sessions: {turns: 1000, pause: 1 s}, input: {kind: fixed, mean: 64}}", "t"),
      WorkloadContext{});
  const auto first = source->next();
  const auto second = source->follow_up(*first, 10_s);
  ASSERT_TRUE(second);
  EXPECT_GE(second->arrival, 10_s);
  EXPECT_EQ(second->input, first->input + first->output + 64);
  EXPECT_EQ(second->turn, 1);
  EXPECT_EQ(second->hashes[0], first->hashes[0]);
}

TEST(Samples, PublishedTracesReadWhole) {
  const std::string folder = test::source_dir() + "/../shared/data/";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the sample traces are not here";
  EXPECT_NEAR(double(all("{kind: servegen, folder: " + folder + "cases/11-servegen-empty/folder}").size()), 30, 22);
  const auto tokens = all("{kind: llmservingsim, file: " + folder + "cases/12-llmservingsim-tokens/trace.jsonl}");
  ASSERT_EQ(tokens.size(), 3u);
  EXPECT_EQ(tokens[2].hashes, tokens[0].hashes);
  EXPECT_EQ(tokens[0].hashes.size(), 8u);
  EXPECT_EQ(all("{kind: mooncake, file: " + folder + "cases/13-mooncake-sessions/trace.jsonl}").size(), 1u);
  EXPECT_EQ(all("{kind: azure, file: " + folder + "requests/AzureLLMInferenceTrace_conv.csv}").size(), 19366u);
  EXPECT_EQ(all("{kind: azure, file: " + folder + "requests/AzureLLMInferenceTrace_code.csv}").size(), 8819u);
  EXPECT_EQ(all("{kind: mooncake, file: " + folder + "requests/synthetic_trace.jsonl}").size(), 3993u);
  EXPECT_EQ(all("{kind: bailian, file: " + folder + "importer_fixtures/req_bailian.jsonl}").size(), 2u);
  EXPECT_EQ(all("{kind: burstgpt, file: " + folder + "importer_fixtures/req_burstgpt.csv}").size(), 3u);
  EXPECT_EQ(all("{kind: sharegpt, rate: 1, file: " + folder + "importer_fixtures/req_sharegpt.json}").size(), 1u);
}
}  // namespace
}  // namespace moesim::serving
