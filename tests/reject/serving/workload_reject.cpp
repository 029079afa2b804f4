// Traces that are not: the message names the file, the row and what was expected.
#include <gtest/gtest.h>

#include <fstream>

#include "serving/traces/workloads.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::serving {
namespace {
/// The message without the folder of the file.
std::string message(const std::string& kind, const std::string& text, const std::string& more = "") {
  const std::string file = testing::TempDir() + "trace";
  std::ofstream(file, std::ios::binary) << text;
  try {
    auto source = workloads().make(Config::from_text("{kind: " + kind + ", file: " + file + more + "}", "test.yaml"),
                                   WorkloadContext{});
    while (source->next()) {
    }
  } catch (const ConfigError& e) {
    const std::string what = e.what();
    return what.starts_with(file) ? what.substr(file.size()) : what;
  }
  return "accepted";
}

TEST(RejectTrace, NamesTheRow) {
  const std::string azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  EXPECT_EQ(message("azure", "TIMESTAMP,ContextToken,GeneratedTokens\n"),
            ":1: missing column \"ContextTokens\"; did you mean \"ContextToken\"?");
  EXPECT_EQ(message("azure", azure + "2023-11-16 18:17:03,12,3\n16.11.2023,12,3\n"),
            ":3: TIMESTAMP: expected a date and time such as 2023-11-16 18:17:03.9799600, got \"16.11.2023\"");
  EXPECT_EQ(message("azure", azure + "2023-11-16 18:17:03,12,3\n2023-11-16 18:17:02.5,12,3\n"),
            ":3: requests must be sorted by time, but this one comes 0.5 s before the one above it; "
            "sort: true sorts them");
  EXPECT_EQ(message("azure", azure + "2023-11-16 18:17:03,-12,3\n"),
            ":2: ContextTokens: must not be negative, got -12");
  EXPECT_EQ(message("azure", azure + "2023-11-16 18:17:03,1.5,3\n"),
            ":2: ContextTokens: expected a whole number, got \"1.5\"");
  EXPECT_EQ(message("azure", azure + "2023-11-16 18:17:03,12\n"), ":2: expected 3 cells as in the header, got 2");
  EXPECT_EQ(message("burstgpt", "Timestamp,Model,Request tokens,Response tokens\n-1,a,2,3\n"),
            ":2: Timestamp: a time must not be negative, got -1");
  EXPECT_EQ(message("mooncake", "{\"timestamp\": 1, \"input_length\": 5}\n"), ":1: missing key \"output_length\"");
  EXPECT_EQ(message("mooncake", "{\"timestamp\": -1, \"input_length\": 5, \"output_length\": 2}\n"),
            ":1: timestamp: a time must not be negative, got -1");
  EXPECT_EQ(message("mooncake", "{\"timestamp\": 1, \n"), ":1: is not JSON: byte 18");
  EXPECT_EQ(message("mooncake", R"({"timestamp": 1, "input_length": 5, "output_length": 2, "hash_ids": [1, 2]})"),
            ":1: hash_ids: expected at most 1 ids for 5 tokens in blocks of 512, got 2");
  EXPECT_EQ(message("vidur", "num_prefill_tokens,num_decode_tokens\n1,2\n"),
            ":1: has no column \"arrived_at\", so the scenario must give workload.rate above 0");
  EXPECT_EQ(message("sharegpt", "[{}]", ", rate: 1"), ": conversation 1: missing key \"conversations\"");
  EXPECT_EQ(message("splitwise", "arrival_timestamp,prompt_size,token_size\n1e300,2,3\n"),
            ":2: lies more than 106 days after the start; choose a part with workload.from and workload.until");
  EXPECT_EQ(message("splitwise", "arrival_timestamp,prompt_size,token_size\n1,4294967297,3\n"),
            ":2: prompt_size: is beyond 10^9, got 4294967297");
  EXPECT_EQ(message("llmservingsim", R"({"arrival_time_ns": 1, "sub_requests": [{"input_toks": 1, "output_toks": 1,)"
                                     R"( "tool_duration_ns": 1e300}]})"),
            ":1: tool_duration_ns: is longer than 53 days");
  EXPECT_EQ(message("mooncake", std::string(200'000, '[')), ":1: byte 100: lists nest deeper than 100");
  EXPECT_EQ(message("mooncake", R"({"timestamp": 1, "timestamp": 2, "input_length": 5, "output_length": 2})"),
            ":1: byte 27: key \"timestamp\" appears twice");
  EXPECT_EQ(message("sharegpt", R"([{"conversations": [{"from": "human", "value": "hello"}]}])",
                    ", rate: 1, tokens_per_character: 1e300"),
            ": conversation 1: has more than 10^9 tokens");
  EXPECT_EQ(message("azure", ""), ": expected a header line with column names, the file is empty");
}

TEST(RejectTrace, ProfilesOfClients) {
  const auto profile = [](const std::string& trace, const std::string& dataset) {
    const TemporaryFolder folder;
    folder.write("chunk-0-trace.csv", trace);
    folder.write("chunk-0-dataset.json", dataset);
    const std::string out = test::refusal_of([&] {
      (void)workloads().make(Config::from_text("{kind: servegen, folder: " + folder.path().string() + "}", "test.yaml"),
                             WorkloadContext{});
    });
    const std::size_t chunk = out.find("chunk");
    return chunk == std::string::npos ? out : out.substr(chunk);
  };
  const std::string lengths = R"({"0": {"input_tokens": "{12: 1}", "output_tokens": "{3: 1}"}})";
  EXPECT_EQ(profile("0,1,1,,,\n", lengths), "accepted");
  EXPECT_EQ(profile("0,inf,1,,,\n", lengths),
            "chunk-0-trace.csv:1: field 2: expected a number that is not negative, got \"inf\"");
  EXPECT_EQ(profile("0,1,1,Weibull,1e-5,1\n", lengths),
            "chunk-0-trace.csv:1: the shape must be at least 0.01, got 1e-05");
  const auto input = [&](const std::string& text) {
    return profile("0,1,1,,,\n", R"({"0": {"input_tokens": ")" + text + R"(", "output_tokens": "{3: 1}"}})");
  };
  EXPECT_EQ(input("{nan: 1}"), "chunk-0-dataset.json: expected \"{length: weight, ...}\"");
  EXPECT_EQ(input("{1e300: 1}"), "chunk-0-dataset.json: a length is beyond 10^9, got 1e+300");
  EXPECT_EQ(input("{1: 1e308, 2: 1e308}"), "chunk-0-dataset.json: the weights are too large");
  EXPECT_EQ(input("{1: 0}"), "chunk-0-dataset.json: has no lengths");
  EXPECT_EQ(profile("0,1,1,,,\n", R"({"nan": {}})"),
            "chunk-0-dataset.json: window \"nan\": expected its start in seconds as key");
}

TEST(RejectGenerator, NamesTheKey) {
  const auto make = [](const std::string& yaml) {
    return test::refusal_of([&] { (void)workloads().make(Config::from_text(yaml, "test.yaml"), WorkloadContext{}); });
  };
  EXPECT_EQ(make("{kind: poisson, rate: 0}"), "test.yaml:1:23: rate: must be above 0, got 0");
  EXPECT_EQ(make("{kind: poisson}"), "test.yaml:1:1: missing key \"rate\"");
  EXPECT_EQ(make("{kind: poison, rate: 1}"),
            "test.yaml:1:8: kind: no workload is called \"poison\"; did you mean \"poisson\"?");
  EXPECT_EQ(make("{kind: poisson, rate: 1, input: {mean: -3}}"), "test.yaml:1:40: input.mean: must be above 0, got -3");
  EXPECT_EQ(make("{kind: poisson, rate: 1, input: {mean: 5000, max: 4000}}"),
            "test.yaml:1:40: input.mean: must be at most max = 4000, got 5000");
  EXPECT_EQ(make("{kind: poisson, rate: 1, input: {mean: 5, min: 8}}"),
            "test.yaml:1:40: input.mean: must be at least min = 8, got 5");
  EXPECT_EQ(make("{kind: azure, file: nowhere.csv}"),
            "test.yaml:1:21: file: nowhere.csv: no such file; looked in the working folder");
  EXPECT_EQ(make("{kind: poisson, rate: 1, domains: [0, 0]}"),
            "test.yaml:1:35: domains: shares must add up to more than 0, got 0");
  EXPECT_EQ(make("{kind: poisson, rate: 1, sessions: {turns: 1e9}}"),
            "test.yaml:1:44: sessions.turns: must lie between 1 and 10000, got 1000000000");
  EXPECT_EQ(make("{kind: poisson, rate: 1, prefixes: {count: 2000000000}}"),
            "test.yaml:1:44: prefixes.count: must lie between 0 and 1000000, got 2000000000");
  EXPECT_EQ(make("{kind: poisson, rate: 1, input: {max: 2147483647}}"),
            "test.yaml:1:39: input.max: must be at most 100000000, got 2147483647");
  EXPECT_EQ(make("{kind: poisson, rate: 1, input: {kind: table, values: [1, 2], weights: [1e308, 1e308]}}"),
            "test.yaml:1:72: input.weights: are too large to be added up");
  EXPECT_EQ(make("{kind: constant, rate: 0}"), "test.yaml:1:1: limit: is needed where the rate is 0");
}
TEST(RejectTrace, SessionsThatCannotBe) {
  EXPECT_EQ(message("mooncake", R"({"session_id": "a", "delay": 5, "input_length": 5, "output_length": 2})"),
            ":1: has a delay, but is the first of its session: it needs a timestamp");
  EXPECT_EQ(message("mooncake", R"({"delay": 5, "input_length": 5, "output_length": 2})"),
            ":1: has a delay after the turn before, but no session_id");
  EXPECT_EQ(
      message("llmservingsim", R"({"arrival_time_ns": 1, "input_toks": 3, "output_toks": 1, "input_tok_ids": [1]})"),
      ":1: input_tok_ids: expected as many as input_toks, 3, got 1");
}

TEST(RejectGenerator, WhatHasNoEffect) {
  const auto make = [](const std::string& text) {
    return test::refusal_of(
        [&] { (void)workloads().make(Config::from_text("{kind: poisson, rate: 1, " + text + "}", "w.yaml"), {}); });
  };
  EXPECT_EQ(make("input: {kind: fixed, mean: 5, cv: 2}"),
            "w.yaml:1:60: input.cv: has no effect on lengths of kind fixed");
  EXPECT_EQ(make("input: {kind: uniform, values: [5]}"),
            "w.yaml:1:57: input.values: has no effect on lengths of kind uniform");
  EXPECT_EQ(make("output: {ratio: 0.5}"), "w.yaml:1:42: output.ratio: has no effect on lengths of kind log_normal");
  EXPECT_EQ(make("input: {kind: vllm_random, mean: 5, ratio: 1}"),
            "w.yaml:1:69: input.ratio: expected at least 0 and below 1, got 1");
  EXPECT_EQ(make("input: {kind: sglang_random, mean: 0.5}"),
            "w.yaml:1:61: input.mean: expected 1 to 100000000, got 0.5");
  EXPECT_EQ(make("prefixes: {tokens: 5}"), "w.yaml:1:45: prefixes.tokens: has no effect without prefixes.count");
  EXPECT_EQ(make("sessions: {turns: 1.5, count: fixed}"),
            "w.yaml:1:44: sessions.turns: must be whole where their number is fixed, got 1.5");
  EXPECT_EQ(make("sessions: {turns: 2, tools: {time: 1 s}}"),
            "w.yaml:1:61: sessions.tools.time: has no effect without sessions.tools.share");
}

TEST(RejectWorkload, ConcurrencyThatCannotBe) {
  const auto refused = [](const std::string& text, std::vector<LoadShare> shares = {}) {
    const WorkloadContext context{.seed = 1, .shares = std::move(shares)};
    return test::refusal_of([&] { (void)workloads().make(Config::from_text(text, "w.yaml"), context); });
  };
  EXPECT_EQ(refused("{kind: closed, clients: 0}"), "w.yaml:1:25: clients: must be at least 1, got 0");
  EXPECT_EQ(refused("{kind: closed, clients: 2, concurrency: 2}"),
            "w.yaml:1:41: concurrency: is that of the clients here; leave it out");
  EXPECT_EQ(refused("{kind: closed, clients: 2, rate_scale: 2}"),
            "w.yaml:1:40: rate_scale: has no effect: there is no rate");
  EXPECT_EQ(refused("{kind: poisson, rate: 1, concurrency: -1}"),
            "w.yaml:1:39: concurrency: must not be negative, got -1");
  const std::vector<LoadShare> half = {{.prompt = 0.5}};
  EXPECT_EQ(refused("{kind: closed, clients: 2}", half),
            "w.yaml:1:8: kind: clients cannot be shared out to folded instances; set fold: none");
  EXPECT_EQ(refused("{kind: poisson, rate: 1, concurrency: 4}", half),
            "w.yaml:1:39: concurrency: cannot be shared out to folded instances; set fold: none");
}
}  // namespace
}  // namespace moesim::serving
