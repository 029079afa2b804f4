// What cutting prompts must keep, and what it may gain.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "serving/run_serving.h"
#include "support/places.h"

namespace moesim::serving::context {
namespace {
struct PromptRun {
  std::unique_ptr<results::Results> results;
  std::uint64_t fingerprint = 0;
  double ttft() const { return results->metric_value("ttft_p50"); }
};

PromptRun served(const std::string& model, int tokens, const std::string& pool, const std::string& more = "") {
  const Config scenario = Config::from_text(
      fmt::format("model: {}\ncluster: {{node: hgx-h200, nodes: 2, fabric: ib-rail}}\nrouting: balanced\nserving:\n  "
                  "workload: {{kind: closed, clients: 1, limit: 2, input: {{kind: fixed, mean: {}}}, output: {{kind: "
                  "fixed, mean: 2}}}}\n{}  pools:\n    - {{role: prefill, overhead: 0 s, batcher: {{kind: chunked, "
                  "max_tokens: 16384}}, {}}}\n",
                  model, tokens, more, pool),
      test::source_dir() + "/scenarios/test.yaml");
  PromptRun out{std::make_unique<results::Results>(":memory:", results::RunIdentity{})};
  results::SpanLog spans;
  results::StudyRun study{scenario, 1, *out.results, spans};
  out.fingerprint = run_serving(study).fingerprint;
  return out;
}

constexpr const char* kModels[] = {"{extends: deepseek-v3, layers: 5}", "{extends: deepseek-v3.2, layers: 5}",
                                   "{extends: qwen3-235b-a22b, layers: 3}", "gpt-oss-120b"};

TEST(ContextLaw, OnePartIsThePromptItself) {
  for (const char* model : kModels) {
    const PromptRun plain = served(model, 3000, "parallel: {data: 4, tensor: 2}"),
                    one = served(model, 3000, "parallel: {data: 4, tensor: 2, context: 1}");
    EXPECT_EQ(plain.fingerprint, one.fingerprint) << model;
    EXPECT_EQ(plain.ttft(), one.ttft()) << model;
  }
}

// Parts are never quicker than their share of the whole: kernels, gathers and the head can only add to it.  Experts
// are as many GPUs' in each case, so that what is compared is the cut alone.
TEST(ContextLaw, ALongPromptIsQuickerTheMoreShareIt) {
  for (const char* model : kModels) {
    double before = served(model, 32768, "parallel: {data: 8}").ttft();
    const double alone = before;
    for (const int parts : {2, 4, 8}) {
      const double now =
          served(model, 32768, fmt::format("parallel: {{data: {}, context: {}}}", 8 / parts, parts)).ttft();
      EXPECT_LT(now, before) << model << " " << parts;
      EXPECT_GT(now, alone / parts) << model << " " << parts;
      before = now;
    }
  }
}

TEST(ContextLaw, ALostGpuTakesThePromptsOfItsRankWithIt) {
  const PromptRun r = served(kModels[0], 32768, "parallel: {data: 2, context: 4}, start_up: 1 s",
                             "  faults: [{kind: gpu, at: 100 ms, gpu: 3, detect: 1 s}]\n");
  EXPECT_EQ(r.results->metric_value("requests_unaccounted"), 0);
  EXPECT_EQ(r.results->metric_value("recovery_time", "fault:0,gpu,restart"), 2);
}

TEST(ContextLaw, ASlowGpuHoldsUpAllParts) {
  const PromptRun healthy = served(kModels[2], 32768, "parallel: {context: 8}"),
                  slow = served(kModels[2], 32768, "parallel: {context: 8}",
                                "  faults: [{kind: slow_gpu, at: 0 s, gpu: 6, share: 0.5}]\n");
  EXPECT_GT(slow.ttft(), 1.2 * healthy.ttft());
}
}  // namespace
}  // namespace moesim::serving::context
