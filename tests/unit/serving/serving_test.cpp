// Requests served by small deployments.
#include <gtest/gtest.h>

#include <fstream>

#include "unit/serving/small_runs.h"

namespace moesim::serving {
namespace {
TEST(Serving, PrefillAndDecodeServeAllRequests) {
  const Ran r = run(unit("    - {role: prefill, parallel: {data: 8}}\n    - {role: decode, parallel: {data: 16}}\n"));
  EXPECT_EQ(r["requests_arrived"], r["requests_finished"]);
  EXPECT_GT(r["requests_finished"], 300);
  EXPECT_GT(r["ttft_mean"], 0);
  EXPECT_GT(r["tpot_p99"], r["tpot_p50"] * 0.999);
  EXPECT_EQ(r["output_tokens"], 50 * r["requests_finished"]);
  EXPECT_GT(r["output_tokens_per_node_second"], 0);
  EXPECT_GT(r["cost_per_million_output_tokens"], 0);
  EXPECT_GT(r["energy_per_output_token"], 0);
  EXPECT_LE(r["balancedness"], 1);
}

TEST(Serving, EnergyIsWhatGpusDrawAsLongAsTheyAreOn) {
  const auto joules = [](const std::string& energy) {
    const Ran r = run(unit(kDecode, energy));
    const double seconds = r.at("gpu_hours", "pool:decode") * 3600, limit = 700;  // of an H800, W
    return std::pair(r.at("energy", "pool:decode") / (seconds * limit), r.at("utilisation", "pool:decode"));
  };
  EXPECT_NEAR(joules("  energy: {busy: 1, idle: 1}\n").first, 1, 1e-9);
  const auto [flat, busy] = joules("  energy: {busy: 0.8, idle: 0.3}\n");
  EXPECT_NEAR(flat, 0.3 + 0.5 * busy, 1e-9);
  // By kernels: decoding waits for launches, memory and exchanges; never above its memory's share while it steps.
  const double kernels = joules("").first;
  EXPECT_GT(kernels, 0.15 + (0.33 - 0.15) * busy);
  EXPECT_LT(kernels, 0.15 + (0.70 - 0.15) * busy);
}

TEST(Serving, SameSeedSameFingerprint) {
  EXPECT_EQ(run(unit(kDecode)).end.fingerprint, run(unit(kDecode)).end.fingerprint);
  EXPECT_NE(run(unit(kDecode)).end.fingerprint, run(unit(kDecode), 2).end.fingerprint);
}

TEST(Serving, DraftsSpeedUpInProportionToAcceptance) {
  const std::string model =
      "model: deepseek-v3\ncluster: h800-144\nserving:\n  duration: 4 s\n  workload: {kind: poisson, "
      "rate: 20, input: {kind: fixed, mean: 500}, output: {kind: fixed, mean: 100}}\n";
  const std::string pools =
      "  pools: [{role: decode, parallel: {data: 144}, placement: {strategy: round_robin, slots: 288}, bank: {samples: "
      "2}}]\n";
  const Ran plain = run(model + pools),
            drafted = run(model + "  speculation: {kind: mtp, acceptance: [0.85]}\n" + pools);
  EXPECT_NEAR(drafted.at("tokens_per_step", "pool:decode"), 1.85, 0.03);
  EXPECT_LT(drafted["tpot_mean"], plain["tpot_mean"]);
  EXPECT_GT(drafted["tpot_mean"], plain["tpot_mean"] / 1.85);  // the draft and the second query are not free
}

TEST(Serving, CachesOnTheirWaySlowTheExchanges) {
  const auto tpot = [](const std::string& transfer) {
    return run(
        "model: deepseek-v2-lite\ncluster: {node: hgx-h800, nodes: 4, fabric: ib-rail}\nserving:\n  duration: 10 "
        "s\n  layerwise_transfer: " +
        transfer +
        "\n  workload: {kind: poisson, rate: 40, input: {kind: fixed, mean: 8000}, output: {kind: fixed, mean: "
        "50}}\n  pools: [{role: prefill, parallel: {data: 8}}, {role: decode, parallel: {data: 16}, graphs: "
        "true}]\n")["tpot_mean"];
  };
  EXPECT_GT(tpot("false"), tpot("true") * 1.001);  // all at once, or while the prompt was computed
}

TEST(Serving, OverlapGainsAtLargeBatchAndLosesAtSmall) {
  const auto tpot = [](const std::string& overlap, int requests) {
    return run(
        fmt::format("model: deepseek-v3\ncluster: h800-144\nserving:\n  duration: 2 s\n  drain: false\n  "
                    "workload: {{kind: poisson, rate: {}, input: {{kind: fixed, mean: 4000}}, output: {{kind: "
                    "fixed, mean: 1000}}}}\n  pools: [{{role: decode, parallel: {{data: 144}}, graphs: true, "
                    "overlap: {}, placement: {{strategy: eplb_global, slots: 288}}, batcher: {{kind: chunked, "
                    "max_requests: {}}}, bank: {{samples: 2}}}}]\n",
                    requests * 144 * 10, overlap, requests))["itl_p50"];
  };
  EXPECT_LT(tpot("five_stage", 128), tpot("none", 128));
  EXPECT_GT(tpot("five_stage", 4), tpot("none", 4));
}

TEST(Serving, SlidingWindowsHoldOnlyTheirWindow) {
  // gpt-oss-120b: every second layer keeps 128 tokens, so a long request takes half and a bit.
  const Ran r = run(
      "model: gpt-oss-120b\ncluster: {node: hgx-h100, nodes: 1, fabric: ib-rail}\nserving:\n  duration: 4 s\n  drain: "
      "false\n  workload: {kind: poisson, rate: 1000, input: {kind: fixed, mean: 1100}, output: {kind: fixed, mean: "
      "2000}}\n  pools: [{batcher: {kind: chunked, max_requests: 4000}, graphs: true}]\n");
  const double space = 128 + (1100 - 128) / 2.0;  // in tokens that all layers keep
  const double running = r.at_second("running", "pool:both", 4), capacity = r.at("kv_capacity", "pool:both");
  EXPECT_LT(running, capacity / space);
  EXPECT_GT(running, capacity / (space + 144));  // 80 for what 4 s of decoding add at most, 64 for the last block
}

TEST(Serving, FoldingKeepsLatencyAndThroughput) {
  const std::string base = "model: deepseek-v2-lite\ncluster: {node: hgx-h800, nodes: 8, fabric: ib-rail}\n";
  const std::string rest =
      "serving:\n  duration: 20 s\n  warmup: 5 s\n  workload: {kind: poisson, rate: 200, input: {kind: fixed, "
      "mean: 500}, output: {kind: fixed, mean: 50}}\n  pools:\n    - {role: prefill, instances: 3, parallel: {data: "
      "8}}\n"
      "    - {role: decode, instances: 4, parallel: {data: 8}}\n";
  const Ran full = run(base + rest), folded = run(base + "fold: data\n" + rest);
  EXPECT_LT(folded["requests_arrived"], full["requests_arrived"] / 2);
  EXPECT_NEAR(folded["tpot_mean"] / full["tpot_mean"], 1, 0.05);
  EXPECT_NEAR(folded["ttft_mean"] / full["ttft_mean"], 1, 0.1);
  EXPECT_NEAR(folded["output_tokens_per_node_second"] / full["output_tokens_per_node_second"], 1, 0.05);
}

TEST(Serving, PipelineStagesServeAllRequests) {
  const Ran r =
      run("model: llama-2-7b\ncluster: h800-8\nserving:\n  duration: 20 s\n  workload: {kind: poisson, rate: 5, input: "
          "{kind: "
          "fixed, mean: 500}, output: {kind: fixed, mean: 50}}\n  pools: [{parallel: {pipeline: 4, tensor: 2}}]\n");
  EXPECT_EQ(r["requests_arrived"], r["requests_finished"]);
  EXPECT_GT(r.at("limit_tensor", "pool:both"), 0);
}

TEST(Serving, AutoscalingFollowsTheCurve) {
  const std::string yaml =
      "model: llama-2-7b\ncluster: h800-8\nserving:\n  duration: 100 s\n  sample: 10 s\n  workload: {kind: daily, "
      "peak_rate: 10, "
      "curve: [0.1, 1], period: 100 s, input: {kind: fixed, mean: 200}, output: {kind: fixed, mean: 20}}\n"
      "  pools: [{instances: 8, start_up: 2 s, autoscale: {curve: [0.1, 1], period: 100 s, check: 1 s}}]\n";
  const Ran r = run(yaml);
  EXPECT_EQ(r["requests_arrived"], r["requests_finished"]);
  EXPECT_LT(r.at_second("instances_on", "pool:both", 10), r.at_second("instances_on", "pool:both", 50));
  EXPECT_LT(r.at("gpu_hours", "pool:both"), 8 * 100 / 3600.0 * 0.8);
}

TEST(Serving, RefusesWhatCannotBeBuilt) {
  const auto has = [](const std::string& text, std::string_view part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(message(unit("    - {role: decode, parallel: {data: 64}}\n")),
      "serving.pools: the pools take 64 GPUs, but the cluster has 32");
  has(message("model: deepseek-v3\ncluster: h800-8\nserving: {workload: {kind: poisson, rate: 1}, pools: [{parallel: "
              "{data: 8}}]}\n"),
      "the weights of deepseek-v3 take");
  has(message(unit("    - {role: decode, kv: {block: 0}}\n")), "serving.pools[0].kv.block: must be at least 1, got 0");
  has(message(unit("    - {role: decode, autoscale: {curve: [0.5, 2]}}\n")),
      "serving.pools[0].autoscale.curve[1]: shares lie between 0 and 1, got 2");
  has(message(unit("    - {role: decode, parallel: {pipeline: 28}}\n")),
      "serving.pools[0].parallel.pipeline: at most the 27 layers of deepseek-v2-lite, got 28");
  has(message(unit("    - {role: decod}\n")), "did you mean \"decode\"?");
  has(message(unit(kDecode, "  speculation: {kind: mtp, acceptance: [0.8]}\n")),
      "deepseek-v2-lite has no multi-token prediction layer");
  has(message(unit(kDecode, "  speculation: {kind: ngram, acceptance: [1.8]}\n")), "must lie between 0 and 1, got 1.8");
}

TEST(Serving, RejectsAndListsWhatIsTooLong) {
  const std::string file = testing::TempDir() + "too_long.csv";
  std::ofstream(file)
      << "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:00:00,100,10\n2023-11-16 18:00:01,200000,10\n"
         "2023-11-16 18:00:02,100,0\n";
  const Ran r =
      run("model: llama-2-7b\ncluster: h800-8\nserving: {workload: {kind: azure, file: " + file + "}, pools: [{}]}\n");
  EXPECT_EQ(r["requests_rejected"], 2);
  EXPECT_EQ(r["requests_finished"], 1);
  results::Statement s =
      r.results->database().prepare("SELECT reason FROM request WHERE state = 'rejected' ORDER BY request");
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.text(0), "row 3 is longer than the context");
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.text(0), "row 4 asks for no output tokens");
}

TEST(Serving, ARunThatServesNobodyIsNoResult) {
  const auto fixed = [](const std::string& workload, const std::string& more = "") {
    return "serving:\n" + more + "  workload: {kind: constant, " + workload +
           "}\n  pools: [{kv: {capacity: 640}, fixed: {step: 1 s}}]\n";
  };
  const auto has = [](const std::string& text, std::string_view part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(message(fixed("rate: 1, limit: 3, input: {kind: fixed, mean: 1000}")),
      "serving.workload: nobody is served: all 3 requests are rejected (3: each is longer than the KV cache can hold)");
  has(message(fixed("rate: 1, limit: 3, input: {kind: fixed, mean: 10}", "  warmup: 10 s\n")),
      "serving.warmup: the last of 3 requests arrives before it ends: none would count");
}

TEST(Serving, WarmPrefixesAreFoundByTheFirstRequest) {
  const auto first = [](const std::string& warm) {
    const Ran r =
        run("serving:\n  workload: {kind: constant, rate: 1, limit: 5, input: {kind: fixed, mean: 256}, output: {kind: "
            "fixed, "
            "mean: 2}, prefixes: {count: 3, tokens: 128, warm: " +
            warm + "}}\n  pools: [{kv: {capacity: 6400}, fixed: {step: 10 ms}}]\n");
    results::Statement s = r.results->database().prepare("SELECT cached_tokens FROM request WHERE request = 0");
    EXPECT_TRUE(s.step());
    return s.integer(0);
  };
  EXPECT_EQ(first("false"), 0);
  EXPECT_EQ(first("true"), 128);
}

TEST(Serving, SaysWhichPoolServesNobody) {
  const Ran r =
      run("serving:\n  workload: {kind: constant, rate: 1, limit: 5, input: {kind: fixed, mean: 1000}, output: {kind: "
          "fixed, "
          "mean: 2}}\n  pools: [{name: large, kv: {capacity: 6400}, fixed: {step: 10 ms}}, {name: small, kv: "
          "{capacity: 640}, "
          "fixed: {step: 10 ms}}]\n");
  results::Statement s = r.results->database().prepare("SELECT scope FROM warning WHERE name = 'idle'");
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.text(0), "pool:small");
}
}  // namespace
}  // namespace moesim::serving
