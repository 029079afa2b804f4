// Whole scenarios, small, through the same entry as `moesim run`.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/small_trace.h"
#include "serving/run_serving.h"
#include "serving/step/expert_bank.h"
#include "serving/step/speculation.h"
#include "spec/catalogue.h"
#include "support/temporary_folder.h"

namespace moesim::serving {
namespace {
struct Ran {
  std::unique_ptr<results::Results> results;
  results::StudyEnd end;
  double operator[](std::string_view name) const { return results->metric_value(name); }
  double at(std::string_view name, std::string_view scope) const { return results->metric_value(name, scope); }
  /// Of the time series, at the sample of that second.
  double at_second(std::string_view name, std::string_view scope, double second) const {
    results::Statement s =
        results->database().prepare("SELECT value FROM series WHERE name = ? AND scope = ? AND time = ?");
    EXPECT_TRUE(s.bind(0, name).bind(1, scope).bind(2, second).step()) << name << " at " << second << " s";
    return s.real(0);
  }
};
Ran run(const std::string& yaml, std::uint64_t seed = 1) {
  const Config scenario = Config::from_text(yaml, std::string(SOURCE_DIR) + "/scenarios/test.yaml");
  Ran out;
  out.results = std::make_unique<results::Results>(":memory:", results::RunIdentity{});
  results::SpanLog spans;
  results::StudyRun study{scenario, seed, *out.results, spans};
  out.end = scenario.at("serving").placed([&] { return run_serving(study); });
  return out;
}
std::string message(const std::string& yaml) {
  try {
    run(yaml);
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "accepted";
}

// A V3 decode unit on one node: small enough for a test, with everything in it.
std::string unit(const std::string& pool, const std::string& more = "", const std::string& load = "rate: 20") {
  return "model: deepseek-v2-lite\ncluster: {node: hgx-h800, nodes: 4, fabric: ib-rail}\n"
         "routing: {kind: log_normal, sigma: 0.7}\n"
         "serving:\n  duration: 20 s\n  workload: {kind: poisson, " +
         load + ", input: {kind: fixed, mean: 500}, output: {kind: fixed, mean: 50}}\n" + more + "  pools:\n" + pool;
}
const char* const kDecode = "    - {role: decode, parallel: {data: 16}, graphs: true}\n";

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

TEST(Serving, CopiesShareAnExpertsRowsEvenlyAndNoOtherChoiceIsTaken) {
  const auto decode = [](const std::string& placement) {
    return unit("    - {role: prefill, parallel: {data: 8}}\n    - {role: decode, parallel: {data: 16}, placement: {" +
                placement + "}}\n");
  };
  const Ran unnamed = run(decode("strategy: eplb, slots: 96")),
            even = run(decode("strategy: eplb, slots: 96, replica_choice: round_robin"));
  EXPECT_EQ(unnamed.end.fingerprint, even.end.fingerprint);
  const std::string refused = message(decode("strategy: eplb, slots: 96, replica_choice: nearest"));
  EXPECT_NE(refused.find("serving.pools[1].placement.replica_choice: serving does not know which source an expert's "
                         "rows come from"),
            std::string::npos)
      << refused;
  EXPECT_EQ(message(decode("strategy: greedy, replica_choice: nearest")), "accepted") << "no expert has copies";
}

TEST(Serving, SameSeedSameFingerprint) {
  EXPECT_EQ(run(unit(kDecode)).end.fingerprint, run(unit(kDecode)).end.fingerprint);
  EXPECT_NE(run(unit(kDecode)).end.fingerprint, run(unit(kDecode), 2).end.fingerprint);
}

TEST(Serving, SkewSlowsEveryStepAndCopiesHelp) {
  const auto step = [](const std::string& routing, const std::string& placement) {
    std::string yaml =
        unit("    - {role: decode, parallel: {data: 16}, " + placement + "}\n", "  drain: false\n", "rate: 3000");
    yaml.replace(yaml.find("20 s"), 4, "6 s");
    yaml.replace(yaml.find("log_normal, sigma: 0.7"), 22, routing);
    return run(yaml)["tpot_mean"];
  };
  const double balanced = step("balanced", "graphs: true"), skewed = step("log_normal, sigma: 1.5", "graphs: true");
  const double copies = step("log_normal, sigma: 1.5", "placement: {strategy: eplb_global, slots: 96}, graphs: true");
  EXPECT_GT(skewed, balanced);
  EXPECT_LT(copies, skewed);
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

const char* const kBusy = "rate: 100";  // every GPU has a request at any time

TEST(Serving, FaultsSlowDownAndRecover) {
  const Ran healthy = run(unit(kDecode, "", kBusy));
  const Ran slow = run(unit(kDecode, "  faults: [{kind: slow_gpu, at: 5 s, gpu: 3, share: 0.3}]\n", kBusy));
  EXPECT_GT(slow["tpot_mean"], healthy["tpot_mean"]);
  const Ran lost =
      run(unit(kDecode, "  faults: [{kind: gpu, at: 5 s, gpu: 3, answer: replace, detect: 1 s}]\n", kBusy));
  EXPECT_EQ(lost["requests_arrived"], lost["requests_finished"]);
  EXPECT_GT(lost["requests_retried"], 0);
  EXPECT_GE(lost.at("recovery_time", "fault:0,gpu,replace"), 1);
  const Ran masked = run(unit(kDecode, "  faults: [{kind: gpu, at: 5 s, gpu: 3, answer: mask, detect: 1 s}]\n", kBusy));
  EXPECT_GT(masked.at("masked_share", "fault:0,gpu,mask"), 0);
  const Ran covered =
      run(unit("    - {role: decode, parallel: {data: 16}, placement: {strategy: round_robin, slots: 128}}\n",
               "  faults: [{kind: gpu, at: 5 s, gpu: 3, detect: 1 s}]\n"));
  EXPECT_EQ(covered.at("recovery_time", "fault:0,gpu,redundancy"), 1);  // detection only
}

TEST(Serving, RebalancingFollowsAMovingHotSpotAtACost) {
  std::string yaml = unit(
      "    - {role: decode, parallel: {data: 16}, placement: {strategy: eplb_global, slots: 96}, "
      "bank: {redraw: 200, samples: 4}}\n",
      "  rebalance: {interval: 4 s, window: 200, policy: eplb_global}\n");
  yaml.replace(yaml.find("{kind: log_normal, sigma: 0.7}"), 30,
               "{kind: rotating_hot_spot, count: 4, factor: 6, every: 200, stride: 7}");  // moves once a window
  const std::string pool = "pool:decode";
  const Ran waits = run(yaml);
  EXPECT_GT(waits.at("rebalances", pool), 3);
  EXPECT_GT(waits.at("rebalance_bytes", pool), 0);
  EXPECT_GT(waits.at("rebalance_time", pool), 0);
  EXPECT_GT(waits.at("rebalance_balancedness_after", pool), waits.at("rebalance_balancedness_before", pool));
  // The loads are a window old: what the plan was made for is better served than what is routed by then.
  EXPECT_GT(waits.at("rebalance_balancedness_hoped", pool), waits.at("rebalance_balancedness_after", pool));
  EXPECT_GT(waits.at("rebalance_load_age", pool), 0.3);
  yaml.replace(yaml.find("policy: eplb_global"), 19, "policy: eplb_global, layerwise: true");
  const Ran beside = run(yaml);
  EXPECT_GT(beside.at("rebalances", pool), 1);
  EXPECT_EQ(beside.at("rebalance_time", pool), 0);
  EXPECT_GT(beside.at("rebalance_bytes", pool), 0);
}

/// A hot spot that moves at every window, with the placement planned anew as `rebalance` says.
Ran moving_hot_spot(const std::string& rebalance) {
  std::string yaml = unit(
      "    - {role: decode, parallel: {data: 16}, placement: {strategy: eplb_global, slots: 96}, "
      "bank: {redraw: 200, samples: 4}}\n",
      "  rebalance: {interval: 4 s, window: 200, policy: eplb_global" + rebalance + "}\n");
  yaml.replace(yaml.find("{kind: log_normal, sigma: 0.7}"), 30,
               "{kind: rotating_hot_spot, count: 4, factor: 6, every: 200, stride: 7}");
  return run(yaml);
}

TEST(Serving, ATriggerDecidesWhetherAnIntervalEndsWithAPlan) {
  const std::string pool = "pool:decode";
  const Ran unnamed = moving_hot_spot(""), always = moving_hot_spot(", trigger: always"),
            never = moving_hot_spot(", trigger: never"),
            shy = moving_hot_spot(", trigger: {kind: threshold, below: 0.01}"),
            rare = moving_hot_spot(", trigger: {kind: periodic, interval: 1000}"),
            uneven = moving_hot_spot(", trigger: {kind: threshold, below: 0.9}");
  EXPECT_EQ(unnamed.end.fingerprint, always.end.fingerprint);
  EXPECT_EQ(never.at("rebalances", pool), 0);
  EXPECT_EQ(shy.end.fingerprint, never.end.fingerprint);
  EXPECT_GT(rare.at("rebalances", pool), 0);
  EXPECT_LT(rare.at("rebalances", pool), always.at("rebalances", pool));
  EXPECT_GT(uneven.at("rebalances", pool), 0);
  EXPECT_GT(uneven.at("balancedness", pool), never.at("balancedness", pool));
  EXPECT_EQ(moving_hot_spot(", below: 0.9").end.fingerprint, uneven.end.fingerprint);
}

TEST(Serving, OnSteadyLoadsAThresholdNeverPlans) {
  const auto with = [](const std::string& rebalance) {
    return run(
        unit("    - {role: decode, parallel: {data: 16}, placement: {strategy: eplb_global, slots: 96}}\n", rebalance));
  };
  const Ran still = with(""),
            watched = with("  rebalance: {interval: 2 s, window: 100, trigger: {kind: threshold, below: 0.8}}\n");
  EXPECT_EQ(watched.at("rebalances", "pool:decode"), 0);
  EXPECT_EQ(watched["tpot_mean"], still["tpot_mean"]);
}

TEST(Serving, ATriggerIsRefusedWhereItIsWritten) {
  const auto said = [](const std::string& rebalance) {
    return message(unit(kDecode, "  rebalance: {interval: 1 s, " + rebalance + "}\n"));
  };
  EXPECT_NE(said("trigger: sometimes").find("test.yaml:7:39: serving.rebalance.trigger: no rebalance is called"),
            std::string::npos)
      << said("trigger: sometimes");
  EXPECT_NE(said("trigger: {kind: threshold, below: 2}")
                .find("serving.rebalance.trigger.below: must lie between 0 and 1, got 2"),
            std::string::npos);
  EXPECT_NE(said("below: 0.5, trigger: always").find("serving.rebalance.below: is a threshold trigger for short"),
            std::string::npos);
  EXPECT_NE(said("policy: affinity").find(std::string("serving.rebalance.policy: affinity: ") + kAskForTrace),
            std::string::npos)
      << said("policy: affinity");
}

TEST(Serving, StrategiesOfTokensPlanOnTheScenariosTrace) {
  const TemporaryFolder folder;
  const std::string trace = write_small_trace(folder.file("trace.db"), spec::load_model("deepseek-v2-lite"));
  const auto with = [&](const std::string& routing, const std::string& strategy) {
    std::string yaml = unit("    - {role: decode, parallel: {data: 16}, placement: {strategy: \"" + strategy + "\"}}\n",
                            "  rebalance: {interval: 8 s, window: 100, policy: \"" + strategy + "\"}\n");
    yaml.replace(yaml.find("{kind: log_normal, sigma: 0.7}"), 30, routing);
    return yaml;
  };
  for (const char* strategy : {"affinity", "coactivation", "traffic"}) {
    EXPECT_EQ(message(with("{trace: " + trace + "}", strategy)), "accepted") << strategy;
    EXPECT_NE(message(with("balanced", strategy)).find(kAskForTrace), std::string::npos) << strategy;
  }
}

TEST(Serving, ALostAdapterSharesItsNeighboursOrTheGpuIsLost) {
  const std::string fault = "  faults: [{kind: nic, at: 5 s, gpu: 3, detect: 1 s}]\n";
  const Ran healthy = run(unit(kDecode, "", kBusy)), rerouted = run(unit(kDecode, fault, kBusy));
  EXPECT_EQ(rerouted.at("recovery_time", "fault:0,nic,reroute"), 1);
  EXPECT_EQ(rerouted["requests_retried"], 0);
  EXPECT_GT(rerouted["tpot_mean"], healthy["tpot_mean"]);
  std::string yaml = unit(kDecode, fault, kBusy);  // nodes of one GPU: no neighbour
  yaml.replace(yaml.find("{node: hgx-h800, nodes: 4"), 25,
               "{node: {gpu: h800, gpus: 1, nics: 1, nic: 50 GB/s}, nodes: 16");
  const Ran lost = run(yaml);
  EXPECT_GT(lost["requests_retried"], 0);
  EXPECT_EQ(lost["requests_arrived"], lost["requests_finished"]);
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
      "2000}}\n  pools: [{batcher: {kind: chunked, max_requests: 10000}, graphs: true}]\n");
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

TEST(Serving, RefusesFaultsOfWhatIsNotThere) {
  const auto with = [](const std::string& fault) {
    const std::string text = message(unit(kDecode, "  faults: [{at: 1 s, " + fault + "}]\n"));
    const std::size_t place = text.find("test.yaml:");
    return place == std::string::npos ? text : text.substr(place);
  };
  EXPECT_EQ(with("gpu: 999"), "test.yaml:7:11: serving.faults: there is no GPU 999 in an instance of 16");
  EXPECT_EQ(with("gpu: 16"), "test.yaml:7:11: serving.faults: there is no GPU 16 in an instance of 16");
  EXPECT_EQ(with("gpu: 15"), "accepted");
  EXPECT_EQ(with("gpu: -1"), "test.yaml:7:11: serving.faults: there is no GPU -1 in an instance of 16");
  EXPECT_EQ(with("instance: 1"), "test.yaml:7:11: serving.faults: there is no instance 1 in pool \"\"");
  EXPECT_EQ(with("kind: slow_link, share: 0"),
            "test.yaml:7:11: serving.faults: share: must be above 0 and at most 1, got 0");
  EXPECT_EQ(with("kind: slow_link, share: 2"),
            "test.yaml:7:11: serving.faults: share: must be above 0 and at most 1, got 2");
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
  has(message(unit("    - {role: decod}\n")), "did you mean \"decode\"?");
  has(message(unit(kDecode, "  speculation: {kind: mtp, acceptance: [0.8]}\n")),
      "deepseek-v2-lite has no multi-token prediction layer");
  has(message(unit(kDecode, "  speculation: {kind: ngram, acceptance: [1.8]}\n")), "must lie between 0 and 1, got 1.8");
}

/// A recording of V2-Lite's shape: prompts choose experts 0 to 5, decoding 58 to 63.
std::string recording(const std::vector<std::string>& notes) {
  const std::string file = testing::TempDir() + "serving.trace.db";
  std::filesystem::remove(file);
  routing::TraceHeader header;
  for (int l = 1; l < 27; ++l) header.layers.push_back(l);
  header.experts = 64, header.top_k = 6, header.notes = notes;
  routing::TraceWriter writer(file, header);
  for (const routing::TracePhase phase : {routing::TracePhase::prefill, routing::TracePhase::decode}) {
    const bool prompt = phase == routing::TracePhase::prefill;
    std::vector<routing::TraceToken> tokens(
        100, {.pass = prompt ? 0 : 1, .request = 0, .position = 0, .token = -1, .phase = phase});
    std::vector<std::int16_t> experts;
    for (int i = 0; i < 26 * 100 * 6; ++i) experts.push_back(std::int16_t(prompt ? i % 6 : 63 - i % 6));
    for (int i = 0; i < 100; ++i) tokens[std::size_t(i)].position = (prompt ? 0 : 100) + i;
    writer.add(tokens, experts);
  }
  writer.finish();
  return file;
}

TEST(Serving, DecodingIsRoutedAsDecodingWasRecorded) {
  std::string yaml = unit("    - {role: prefill, parallel: {data: 8}}\n    - {role: decode, parallel: {data: 16}}\n");
  yaml.replace(yaml.find("{kind: log_normal, sigma: 0.7}"), 30, "{trace: " + recording({}) + "}");
  const Ran r = run(yaml);
  results::Statement s = r.results->database().prepare(
      "SELECT phase, min(expert), max(expert) FROM expert_load WHERE tokens > 0 GROUP BY phase ORDER BY phase");
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.text(0), "decode");
  EXPECT_EQ(s.integer(1), 58);
  EXPECT_EQ(s.integer(2), 63);
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.text(0), "prefill");
  EXPECT_EQ(s.integer(1), 0);
  EXPECT_EQ(s.integer(2), 5);
}

TEST(Serving, DraftsAreAcceptedAsTheTraceMeasured) {
  const routing::Trace trace(
      recording({"layers 0 are dense", "drafts agree: speculation acceptance [0.8512, 0.5000]"}));
  EXPECT_EQ(measured_acceptance(trace.header()), (std::vector<double>{0.8512, 0.5}));
  EXPECT_TRUE(measured_acceptance(routing::TraceHeader{}).empty());
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

TEST(ExpertBank, KeptDrawsAgreeWithFreshOnes) {
  // Fresh draws at the exact token count against the bank's interpolation between kept ones: the means over layers and
  // steps agree within 2 %, which is below the draws' own spread.
  const spec::Model model = spec::load_model("deepseek-v3");
  const spec::Cluster cluster = spec::load_cluster("h800-144");
  const network::Topology topology(cluster);
  const network::ExchangeGroup group(topology, GpuId{0}, 144);
  const auto kernel_model = compute::kernel_models().make(Config::from_text("calibrated", "k"), cluster.node.gpu);
  compute::KernelCosts kernels(*kernel_model);
  const spec::GroupShape shape{144, 8};
  const auto source = routing::make_traffic(Config::from_text("{kind: log_normal, sigma: 0.7}", "r"),
                                            {{256, 8, 8, 4}, shape, 1, std::nullopt});
  ExpertBank::Setup setup;
  setup.model = &model;
  setup.kernels = &kernels;
  setup.options.precision.linear = spec::Dtype::fp8;
  setup.options.layout = compute::GroupLayout::masked;
  setup.group = &group;
  setup.gpus = 144;
  setup.dispatch = {network::ExchangeKernel::low_latency, network::ExchangeDirection::dispatch, network::fp8_row(7168),
                    0, true};
  setup.combine = {network::ExchangeKernel::low_latency, network::ExchangeDirection::combine, network::bf16_row(7168),
                   0, true};
  setup.layers = {3, 20, 60};
  for (int i = 0; i < 3; ++i) setup.maps.push_back(exchange::contiguous_map(256, 144));
  setup.sources = {source.get(), source.get()};
  ExpertBank many(setup);
  setup.settings.samples = 4;
  ExpertBank few(setup);
  const std::vector<double> weights{0, 1};
  for (const double tokens : {700.0, 5000.0, 13000.0}) {
    double of_many = 0, of_few = 0, fresh = 0;
    const auto time = [](const ExpertTimes& t) { return t.dispatch + t.experts + t.combine; };
    for (int i = 0; i < 300; ++i) {
      const std::size_t layer = std::size_t(i % 3);
      of_many += time(many.times(layer, i, 0, tokens, tokens / 144 * 1.1, weights));
      of_few += time(few.times(layer, i, 0, tokens, tokens / 144 * 1.1, weights));
      fresh += time(many.draw(layer, 1000 + i, tokens, tokens / 144 * 1.1, weights));
    }
    EXPECT_NEAR(of_many / fresh, 1, 0.02) << tokens;
    EXPECT_NEAR(of_few / fresh, 1, 0.02) << tokens << ", four draws kept";
  }
}
}  // namespace
}  // namespace moesim::serving
