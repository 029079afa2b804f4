// The bytes that links carry are those of the tokens that were computed, folded or not.
#include <gtest/gtest.h>

#include "network/exchanges/exchange.h"
#include "serving/run_serving.h"
#include "support/places.h"

namespace moesim::serving::links {
namespace {
std::unique_ptr<results::Results> run(const std::string& yaml) {
  const Config scenario = Config::from_text(yaml, test::source_dir() + "/scenarios/test.yaml");
  auto results = std::make_unique<results::Results>(":memory:", results::RunIdentity{});
  results::SpanLog spans;
  results::StudyRun study{scenario, 1, *results, spans};
  run_serving(study);
  return results;
}

std::string service(const std::string& model, int nodes, const std::string& rate, const std::string& pools,
                    const std::string& more = "") {
  return fmt::format(
      "model: {}\ncluster: {{node: hgx-h800, nodes: {}, fabric: ib-rail}}\nrouting: {{kind: log_normal, sigma: 0.7}}\n"
      "{}serving:\n  duration: 10 s\n  workload: {{kind: poisson, rate: {}, input: {{kind: fixed, mean: 500}}, output: "
      "{{kind: fixed, mean: 50}}}}\n  pools:\n{}",
      model, nodes, more, rate, pools);
}

double links(const results::Results& results, const std::string& kind) {
  return results.has_metric("link_bytes", "links:" + kind) ? results.metric_value("link_bytes", "links:" + kind) : 0;
}
double number(results::Results& results, const std::string& sql) {
  results::Statement statement = results.database().prepare(sql);
  statement.step();
  return statement.real(0);
}
double of_table(results::Results& results, const std::string& where) {
  return number(results, "SELECT total(bytes) FROM link WHERE " + where);
}

TEST(ServingLinks, ExchangesCarryTheRowsOfTheTokensComputed) {
  // 26 MoE layers, 6 experts a token; of 16 GPUs on two nodes half lie on the other node, 7 of 16 on the same.
  const auto r =
      run(service("deepseek-v2-lite", 2, "20", "    - {parallel: {data: 16}, exchange: low_latency, graphs: true}\n"));
  const double tokens = r->metric_value("requests_finished") * (500 + 49);  // the first output comes with the prompt
  const double row = double((network::bf16_row(2048) + network::bf16_row(2048)).v), rows = tokens * 26 * 6;
  EXPECT_GT(tokens, 50'000);
  EXPECT_NEAR(links(*r, "nic") / (2 * rows * 8 / 16 * row), 1, 1e-6) << "out and in";
  EXPECT_NEAR(links(*r, "nvlink") / (2 * rows * 7 / 16 * row), 1, 1e-6);
  EXPECT_NEAR(of_table(*r, "kind = 'nic'") / links(*r, "nic"), 1, 1e-9);
  EXPECT_NEAR(of_table(*r, "name LIKE 'nic%'") / of_table(*r, "name LIKE 'leaf%>nic%'"), 1, 1e-9);
}

TEST(ServingLinks, FoldedInstancesCountForAll) {
  const std::string pools = "    - {instances: 4, parallel: {data: 16}, exchange: normal}\n";
  const auto whole = run(service("deepseek-v2-lite", 8, "80", pools)),
             folded = run(service("deepseek-v2-lite", 8, "80", pools, "fold: data\n"));
  for (const char* kind : {"nic", "nvlink"}) {
    EXPECT_NEAR(links(*folded, kind) / links(*whole, kind), 1, 0.02) << kind;
    EXPECT_NEAR(of_table(*folded, fmt::format("kind = '{}'", kind)) * 4 / links(*folded, kind), 1, 1e-9);
  }
}

TEST(ServingLinks, KvCachesCrossWholeAndOnce) {
  // 32 layers of 32 heads of 128 keys and values in BF16; each pool is a node, so that adapters carry caches alone.
  for (const char* tensor : {"1", "4"}) {
    const auto r =
        run(service("llama-2-7b", 2, "20",
                    fmt::format("    - {{role: prefill, parallel: {{tensor: {0}, data: {1}}}}}\n    - {{role: "
                                "decode, parallel: {{data: 8}}}}\n",
                                tensor, tensor == std::string("4") ? 2 : 8),
                    "network: {kind: fluid}\n"));
    EXPECT_GT(r->metric_value("requests_finished"), 100);
    EXPECT_EQ(links(*r, "nic"), 2 * r->metric_value("requests_finished") * 500 * 2 * 32 * 32 * 128 * 2) << tensor;
    EXPECT_EQ(links(*r, "nvlink") > 0, tensor == std::string("4")) << "all-reduces";
  }
}

TEST(ServingLinks, KvCachesOfPartsCrossOnceToo) {
  // Each of four GPUs that share a prompt holds all of its cache; one of them sends it.  They gather keys and values of
  // three quarters of the tokens, out and in, and what the head reads of 4096 numbers.
  const auto r = run(service("llama-2-7b", 2, "20",
                             "    - {role: prefill, parallel: {context: 4, data: 2}}\n    - {role: decode, parallel: "
                             "{data: 8}}\n",
                             "network: {kind: fluid}\n"));
  const double prompts = r->metric_value("requests_finished");
  EXPECT_GT(prompts, 100);
  EXPECT_EQ(links(*r, "nic"), 2 * prompts * 500 * 2 * 32 * 32 * 128 * 2);
  EXPECT_NEAR(links(*r, "nvlink"), 2 * 4 * 0.75 * prompts * 500 * (32 * 2 * 32 * 128 + 4096) * 2,
              1e-6 * links(*r, "nvlink"));
  EXPECT_EQ(of_table(*r, "name LIKE 'nic1>%'"), 0);
}

TEST(ServingLinks, SamplesCoverTheRun) {
  const auto r = run(service("deepseek-v2-lite", 2, "20", "    - {parallel: {data: 16}}\n",
                             "network: {kind: bottleneck, sample_interval: 1 s}\n"));
  EXPECT_NEAR(number(*r, "SELECT total(share) * 1 FROM link_use") / number(*r, "SELECT total(busy_time) FROM link"), 1,
              1e-6);
  EXPECT_GE(number(*r, "SELECT count(DISTINCT until) FROM link_use"), 10);
  EXPECT_EQ(number(*r, "SELECT count(*) FROM link WHERE peak_utilisation IS NULL"), 0);
  EXPECT_GT(number(*r, "SELECT max(peak_utilisation) FROM link"), 0);
}
}  // namespace
}  // namespace moesim::serving::links
