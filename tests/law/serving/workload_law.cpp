// Laws of every workload: a stream in order of arrival, the same for the same seed, with prefixes inside its prompts.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "common/small_trace.h"
#include "serving/traces/workloads.h"
#include "spec/catalogue.h"

namespace moesim::serving {
namespace {
/// How to have each kind: its parameters beside the kind, and the file they name, if any.  In a folder of its own.
struct Example {
  std::string parameters, file_text;
};
const std::map<std::string_view, Example> kExamples = {
    {"poisson", {"rate: 3, prefixes: {count: 4, tokens: 200}, sessions: {turns: 3, pause: 2 s}", ""}},
    {"gamma", {"rate: 3, cv: 2", ""}},
    {"bursts", {"rate_on: 10, rate_off: 1, on: 5 s, off: 10 s", ""}},
    {"daily", {"peak_rate: 5", ""}},
    {"constant", {"rate: 2", ""}},
    {"closed", {"clients: 5, think: 1 s, sessions: {turns: 2, pause: 2 s}", ""}},
    {"azure",
     {"file: f", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:00:00,100,10\n2023-11-16 18:00:01,20,1\n"}},
    {"burstgpt",
     {"file: f", "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,GPT-4,47,18,65,API log\n"}},
    {"splitwise",
     {"file: f",
      "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n0,2,0,0.5,1,10,"
      "5\n"}},
    {"vidur", {"file: f, rate: 2", "num_prefill_tokens,num_decode_tokens\n10,20\n30,40\n50,60\n"}},
    {"mooncake",
     {"file: f",
      "{\"timestamp\": 500, \"input_length\": 1100, \"output_length\": 6, \"hash_ids\": [7, 8, 9]}\n"
      "{\"timestamp\": 700, \"input_length\": 600, \"output_length\": 6, \"hash_ids\": [7, 10]}\n"}},
    {"bailian",
     {"file: f",
      "{\"chat_id\": 1, \"parent_chat_id\": -1, \"timestamp\": 0.5, \"input_length\": 40, \"output_length\": 6, "
      "\"type\": \"text\", \"turn\": 1, \"hash_ids\": [1, 2, 3]}\n"}},
    {"llmservingsim",
     {"file: f",
      "{\"session_id\": \"a\", \"arrival_time_ns\": 2000000000, \"sub_requests\": [{\"input_toks\": 10, "
      "\"output_toks\": 3, \"tool_duration_ns\": 1000000000}, {\"input_toks\": 20, \"output_toks\": 4}]}\n"}},
    {"sharegpt",
     {"file: f, rate: 1, hash_block: 1",
      "[{\"conversations\": [{\"from\": \"human\", \"value\": \"12345678\"}, {\"from\": \"gpt\", \"value\": \"1234\"}, "
      "{\"from\": \"human\", \"value\": \"1234\"}, {\"from\": \"gpt\", \"value\": \"12345678\"}]}]"}},
    {"routing_trace", {"file: f, rate: 2", ""}},
    {"servegen", {"folder: .", "0,2.0,1.5,Gamma,0.44,1.1\n"}},
};

class EveryWorkload : public testing::TestWithParam<std::string_view> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(kExamples.contains(GetParam())) << GetParam() << " has no example here";
    const Example& example = kExamples.at(GetParam());
    if (GetParam() == "servegen") {
      std::ofstream("chunk-0-trace.csv") << example.file_text;
      std::ofstream("chunk-0-dataset.json") << R"({"0": {"input_tokens": "{10: 1}", "output_tokens": "{5: 1}"}})";
    } else if (GetParam() == "routing_trace") {
      std::filesystem::remove("f");
      write_small_trace("f", spec::load_model("deepseek-v2-lite"));
    } else if (!example.file_text.empty()) {
      std::ofstream("f", std::ios::binary) << example.file_text;
    }
  }
  static std::unique_ptr<Workload> make(std::uint64_t seed = 1) {
    const std::string yaml =
        "{kind: " + std::string(GetParam()) + ", " + kExamples.at(GetParam()).parameters + ", limit: 300}";
    const std::string here = (std::filesystem::current_path() / "test.yaml").string();
    return workloads().make(Config::from_text(yaml, here), {.seed = seed, .duration = 600_s});
  }
  /// All requests, each conversation followed up 1 s after the request before it was sent.
  static std::vector<Request> all(Workload& workload) {
    std::vector<Request> out;
    while (auto request = workload.next()) {
      out.push_back(*request);
      for (auto more = workload.follow_up(*request, request->arrival + 1_s); more;
           more = workload.follow_up(*request, request->arrival + 1_s)) {
        EXPECT_GE(more->arrival, request->arrival + 1_s);
        const bool new_one = GetParam() == "closed" && more->turn == 0;  // of the same client
        EXPECT_TRUE(new_one || more->session == request->session);
        EXPECT_EQ(more->turn, new_one ? 0 : request->turn + 1);
        request = more;
        out.push_back(*request);
      }
    }
    return out;
  }
};
std::vector<std::string_view> all_kinds() {
  std::vector<std::string_view> out;
  for (const auto& s : workloads().table()) out.push_back(s.kind);
  return out;
}
INSTANTIATE_TEST_SUITE_P(Family, EveryWorkload, testing::ValuesIn(all_kinds()),
                         [](const auto& kind) { return std::string(kind.param); });

TEST_P(EveryWorkload, RequestsComeInOrderAndInTime) {
  const auto workload = make();
  Time last{};
  std::int64_t count = 0;
  while (const auto request = workload->next()) {
    EXPECT_GE(request->arrival, last);
    EXPECT_LE(request->arrival, 600_s);
    EXPECT_GE(request->row, 1);
    last = request->arrival;
    ++count;
  }
  EXPECT_GE(count, 1);
  EXPECT_LE(count, 300);
  EXPECT_FALSE(workload->next()) << "a stream that has ended goes on";
}

TEST_P(EveryWorkload, PrefixesLieInsideWhatIsSaid) {
  const auto workload = make();
  for (const Request& r : all(*workload)) {
    EXPECT_GE(r.input, 0);
    EXPECT_GE(r.output, 0);
    EXPECT_GE(r.domain, 0);
    EXPECT_LT(r.domain, workload->domains());
    const std::int64_t blocks = std::int64_t(r.hashes.size()) + r.unique_blocks;
    if (workload->hash_block() == 0)
      EXPECT_EQ(blocks, 0);
    else
      EXPECT_LE(blocks * workload->hash_block(), std::int64_t{r.input} + r.output);
  }
}

TEST_P(EveryWorkload, SameSeedSameRequests) {
  const std::vector<Request> first = all(*make(7)), second = all(*make(7));
  ASSERT_EQ(first.size(), second.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].arrival, second[i].arrival);
    EXPECT_EQ(first[i].input, second[i].input);
    EXPECT_EQ(first[i].output, second[i].output);
    EXPECT_EQ(first[i].hashes, second[i].hashes);
  }
}
}  // namespace
}  // namespace moesim::serving
