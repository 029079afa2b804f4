// Traces that are not: the message names the file, the row and what was expected.
#include <gtest/gtest.h>

#include <fstream>

#include "serving/traces/workloads.h"
#include "support/refusal.h"

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
            ":3: requests must be sorted by time, but this one comes 0.5 s before the one above it");
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
  EXPECT_EQ(message("azure", ""), ": expected a header line with column names, the file is empty");
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
  EXPECT_EQ(make("{kind: azure, file: nowhere.csv}"),
            "test.yaml:1:21: file: nowhere.csv: no such file; looked in the working folder");
  EXPECT_EQ(make("{kind: constant, rate: 0}"), "test.yaml:1:1: limit: is needed where the rate is 0");
}
}  // namespace
}  // namespace moesim::serving
