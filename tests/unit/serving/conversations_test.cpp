// Lengths as tools draw them, conversations, agents, and what traces hold of them.
#include <cmath>
#include <filesystem>
#include <tuple>

#include "unit/serving/all_requests.h"

namespace moesim::serving {
namespace {
TEST(Lengths, OfBenchmarkToolsLieWhereTheToolsDrawThem) {
  const auto range = [](const std::string& length) {
    int low = 1 << 30, high = 0;
    double sum = 0;
    for (const Request& r : all("{kind: constant, rate: 0, limit: 20000, input: {" + length + "}}")) {
      low = std::min(low, r.input);
      high = std::max(high, r.input);
      sum += r.input / 20000.0;
    }
    return std::tuple(low, high, sum);
  };
  const auto expect = [&](const std::string& length, int low, int high) {
    const auto [least, most, mean] = range(length);
    EXPECT_EQ(least, low) << length;
    EXPECT_EQ(most, high) << length;
    EXPECT_NEAR(mean, (low + high) / 2.0, 4 * (high - low) / std::sqrt(12 * 20000.0) + 1e-9) << length;
  };
  expect("kind: sglang_random, mean: 1024, ratio: 0.8", 819, 1024);  // int(1024 x 0.8) to 1024
  expect("kind: sglang_random, mean: 100", 1, 100);
  expect("kind: sglang_random, mean: 100, ratio: 1", 100, 100);
  expect("kind: vllm_random, mean: 100", 100, 100);
  expect("kind: vllm_random, mean: 101, ratio: 0.25", 75, 127);  // floor(75.75) to ceil(126.25)
}

TEST(Generators, AgentsCallToolsBetweenTurnsOfTheirOwnLength) {
  auto source = workloads().make(
      Config::from_text("{kind: constant, rate: 0, limit: 2000, input: {kind: fixed, mean: 640}, output: {kind: fixed, "
                        "mean: 64}, sessions: {turns: 4, count: fixed, pause: 100 s, input: {kind: fixed, mean: 128}, "
                        "tools: {share: 0.75, time: 2 s}}}",
                        "t"),
      WorkloadContext{});
  int turns = 0;
  double pauses = 0;
  while (auto request = source->next()) {
    int own = 1;
    for (auto more = source->follow_up(*request, 10_s); more; more = source->follow_up(*request, 10_s)) {
      EXPECT_EQ(more->input, request->input + request->output + 128);
      EXPECT_EQ(more->hashes.front(), request->hashes.front());
      pauses += seconds(more->arrival) - 10;
      request = more;
      ++own;
    }
    EXPECT_EQ(own, 4);
    turns += own - 1;
  }
  EXPECT_EQ(turns, 6000);
  // A quarter of a hundred seconds, the rest of two: 26.5 s, with the deviation of such a mixture.
  EXPECT_NEAR(pauses / turns, 26.5, 4 * std::sqrt((0.25 * 2e4 + 0.75 * 8 - 26.5 * 26.5) / 6000));
}

TEST(Recorded, SortsWhatIsNotSortedIfAsked) {
  const std::string file =
      write("unsorted.csv", "arrival_timestamp,prompt_size,token_size\n3,30,1\n1,10,1\n2,20,1\n1,11,1\n");
  const auto requests = all("{kind: splitwise, sort: true, file: " + file + "}");
  ASSERT_EQ(requests.size(), 4u);
  std::vector<int> inputs, rows;
  for (const Request& r : requests) inputs.push_back(r.input), rows.push_back(int(r.row));
  EXPECT_EQ(inputs, (std::vector<int>{10, 11, 20, 30}));  // of one moment, in the file's order
  EXPECT_EQ(rows, (std::vector<int>{3, 5, 4, 2}));
  EXPECT_THROW(all("{kind: splitwise, file: " + file + "}"), ConfigError);
}

TEST(Recorded, CountsWhatItLeavesOut) {
  const std::string file =
      write("models.csv", "Timestamp,Model,Request tokens,Response tokens\n1,a,1,1\n2,b,1,1\n3,b,1,1\n4,a,1,1\n");
  auto source = workloads().make(Config::from_text("{kind: burstgpt, model: a, from: 2 s, file: " + file + "}", "t"),
                                 WorkloadContext{.duration = 1_s});
  while (source->next()) {
  }
  EXPECT_EQ(source->dropped(),
            (std::map<std::string, std::int64_t>{{"before workload.from", 1}, {"of other models", 2}}));
  EXPECT_TRUE(source->cut_off());  // 4 s of the file are 2 s of the run
}

TEST(Mooncake, LaterTurnsOfASessionComeADelayAfterTheAnswer) {
  const std::string file =
      write("sessions.jsonl",
            R"({"session_id": "s1", "timestamp": 0, "input_length": 1024, "output_length": 8, "hash_ids": [1, 2]}
{"session_id": "s2", "timestamp": 100, "input_length": 512, "output_length": 8, "hash_ids": [9]}
{"session_id": "s1", "delay": 500, "input_length": 1536, "output_length": 8, "hash_ids": [1, 2, 3]}
{"session_id": "s1", "delay": 700, "input_length": 2048, "output_length": 9, "hash_ids": [1, 2, 3, 4]}
)");
  auto source = workloads().make(Config::from_text("{kind: mooncake, file: " + file + "}", "t"),
                                 WorkloadContext{.duration = 10_s});
  const auto first = source->next(), other = source->next();
  ASSERT_TRUE(first && other);
  EXPECT_FALSE(source->next());
  EXPECT_FALSE(source->follow_up(*other, 1_s));
  const auto second = source->follow_up(*first, 2_s);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->arrival, 2500_ms);
  EXPECT_EQ(second->row, 3);
  EXPECT_EQ(second->turn, 1);
  EXPECT_EQ(second->hashes, (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_FALSE(source->follow_up(*second, 9500_ms));  // 10.2 s, after the duration
  EXPECT_EQ(source->dropped().begin()->second, 1);
}

TEST(LlmServingSim, BlocksAreKnownByTheirTokensAndAllBefore) {
  const std::string file =
      write("tokens.jsonl",
            R"({"input_toks": 5, "output_toks": 2, "arrival_time_ns": 0, "input_tok_ids": [1, 2, 3, 4, 5]}
{"input_toks": 6, "output_toks": 2, "arrival_time_ns": 1, "input_tok_ids": [1, 2, 3, 4, 6, 7], "output_tok_ids": [8, 9]}
{"input_toks": 4, "output_toks": 2, "arrival_time_ns": 2, "input_tok_ids": [2, 1, 3, 4]}
)");
  auto source = workloads().make(Config::from_text("{kind: llmservingsim, hash_block: 2, file: " + file + "}", "t"),
                                 WorkloadContext{});
  EXPECT_EQ(source->hash_block(), 2);
  const auto a = source->next(), b = source->next(), c = source->next();
  ASSERT_TRUE(a && b && c);
  ASSERT_EQ(a->hashes.size(), 2u);
  ASSERT_EQ(b->hashes.size(), 4u);  // with the answer
  EXPECT_EQ(a->hashes[0], b->hashes[0]);
  EXPECT_EQ(a->hashes[1], b->hashes[1]);
  EXPECT_NE(a->hashes[1], c->hashes[1]);  // the same tokens after others
}

TEST(LlmServingSim, AgentsRepeatTheirConversation) {
  const std::string file = write(
      "agent.jsonl",
      R"({"arrival_time_ns": 0, "sub_requests": [)"
      R"({"input_toks": 100, "output_toks": 28}, {"input_toks": 192, "output_toks": 10},)"
      R"({"input_toks": 150, "output_toks": 10, "prefix_reuse_toks": 128}, {"input_toks": 64, "output_toks": 1}]})");
  auto source =
      workloads().make(Config::from_text("{kind: llmservingsim, file: " + file + "}", "t"), WorkloadContext{});
  std::vector<Request> turns{source->next().value()};
  while (auto more = source->follow_up(turns.back(), 1_s)) turns.push_back(*more);
  ASSERT_EQ(turns.size(), 4u);
  const auto common = [&](std::size_t a, std::size_t b) {
    std::size_t n = 0;
    while (n < std::min(turns[a].hashes.size(), turns[b].hashes.size()) && turns[a].hashes[n] == turns[b].hashes[n])
      ++n;
    return n;
  };
  EXPECT_EQ(common(0, 1), 2u);  // 128 tokens of prompt and answer in blocks of 64
  EXPECT_EQ(common(1, 2), 2u);  // as its prefix_reuse_toks say
  EXPECT_EQ(common(2, 3), 0u);  // shorter than what was said: another text
}

TEST(ServeGen, WindowsWithoutLengthsHaveNoRequestsOrThoseOfTheWindowBefore) {
  const std::string folder = testing::TempDir() + "idle";
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/chunk-0-trace.csv")
      << "0,0,0,,0,0\n600,0.05,1.0,Gamma,1.0,20.0\n1200,0,0,,0,0\n1800,0.1,1,,,\n";
  std::ofstream(folder + "/chunk-0-dataset.json")
      << R"({"0": {"input_tokens": "{}", "output_tokens": "{}"}, "1800": {"input_tokens": "{}", "output_tokens": "{}"},)"
      << R"("600": {"input_tokens": "{100: 0.5, 200: 0.5}", "output_tokens": "{10: 1.0}"}})";
  int early = 0, late = 0;
  for (const Request& r : all("{kind: servegen, folder: " + folder + "}")) {
    EXPECT_TRUE((r.arrival >= 600_s && r.arrival < 1200_s) || r.arrival >= 1800_s);
    EXPECT_TRUE(r.input == 100 || r.input == 200);
    EXPECT_EQ(r.output, 10);
    ++(r.arrival < 1200_s ? early : late);
  }
  EXPECT_NEAR(early, 30, 4 * std::sqrt(30));
  EXPECT_NEAR(late, 60, 4 * std::sqrt(60));
}
}  // namespace
}  // namespace moesim::serving
