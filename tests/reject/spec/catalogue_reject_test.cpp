// Wrong models and hardware: the exact line a user reads.
#include <gtest/gtest.h>

#include "spec/catalogue.h"
#include "spec/scale.h"
#include "support/refusal.h"
#include "support/temporary_folder.h"

namespace moesim::spec {
namespace {

std::string model_error(const std::string& text) {
  return test::refusal_of([&] { (void)read_model(Config::from_text(text, "m.yaml")); });
}
std::string cluster_error(const std::string& text) {
  return test::refusal_of([&] { (void)read_cluster(Config::from_text(text, "s.yaml").at("cluster")); });
}

TEST(RejectModel, UnknownNames) {
  EXPECT_EQ(test::refusal_of([] { (void)load_model("deepsek-v3"); }),
            "no model is called \"deepsek-v3\"; did you mean \"deepseek-v3\"?");
  EXPECT_EQ(test::refusal_of([] { (void)load_gpu("h801"); }), "no gpu is called \"h801\"; did you mean \"h800\"?");
  EXPECT_TRUE(test::refusal_of([] {
                (void)load_model("no/such.yaml");
              }).starts_with("no/such.yaml: no such file; looked in the working folder, "));
  EXPECT_EQ(test::refusal_of([] { (void)load_model("no/config.json"); }), "no/config.json: no such file");
  EXPECT_EQ(model_error("{name: deepseek-v4}"),
            "m.yaml:1:8: name: no model is called \"deepseek-v4\"; did you mean \"deepseek-v2\"?");
}

TEST(RejectModel, MisspeltAndMissingKeys) {
  EXPECT_EQ(model_error("extends: deepseek-v3\nmoe:\n  topk: 4\n"),
            "m.yaml:3:3: moe: unknown key \"topk\"; did you mean \"top_k\"?");
  EXPECT_EQ(model_error("extends: deepseek-v3\nhiden: 4\n"),
            "m.yaml:2:1: unknown key \"hiden\"; did you mean \"hidden\"?");
  EXPECT_EQ(model_error("architecture: llama\nvocabulary: 10\nhidden: 8\n"), "m.yaml:1:1: missing key \"layers\"");
  EXPECT_EQ(model_error("architecture: llama\nvocabulary: 10\nhidden: 8\nlayers: 2\ndense_width: 8\n"),
            "m.yaml:1:1: missing key \"attention\"");
  EXPECT_EQ(model_error("extends: mixtral-8x7b\nattention: {kind: GQB}\n"),
            "m.yaml:2:19: attention.kind: \"GQB\" is not known here; did you mean \"GQA\"?");
  EXPECT_EQ(model_error("extends: gemma-3-27b\narchitecture: gemma_3\n"),
            "m.yaml:2:15: architecture: \"gemma_3\" is not known here; did you mean \"gemma3\"?");
  EXPECT_EQ(model_error("extends: gemma-3-27b\narchitecture: bert\n"),
            "m.yaml:2:15: architecture: \"bert\" is not known here; there are: deepseek, deepseek_v2, deepseek_v3, "
            "mixtral, mistral, qwen3_moe, qwen2, llama, llama4, gemma3, gpt_oss, glm4_moe, deepseek_v32, glm_moe_dsa, "
            "olmoe, qwen2_moe, minimax_m2, qwen3_next, qwen3_5_moe, nemotron_h, deepseek_v4");
}

TEST(RejectModel, ValuesThatContradictEachOther) {
  EXPECT_EQ(model_error("extends: deepseek-v3\nmoe: {groups: 7}\n"),
            "m.yaml:2:15: moe.groups: must divide the 256 experts, got 7");
  EXPECT_EQ(model_error("extends: deepseek-v3\nmoe: {groups_used: 1, top_k: 33}\n"),
            "m.yaml:2:30: moe.top_k: must be at most 32, the experts of 1 of 8 groups, got 33");
  EXPECT_EQ(
      model_error("extends: deepseek-v3\nmoe: {groups: 256, groups_used: 8}\n"),
      "m.yaml:2:15: moe.groups: must leave 2 experts a group, which noaux_tc ranks groups by, got 256 groups of 1");
  EXPECT_EQ(model_error("extends: deepseek-v3\nmoe: {groups: 128, groups_used: 3}\n"),
            "m.yaml:2:6: moe: top_k: must be at most 6, the experts of 3 of 128 groups, got 8");
  EXPECT_EQ(model_error("extends: deepseek-v3\nmoe: {top_k: 300}\n"),
            "m.yaml:2:14: moe.top_k: must lie between 1 and the 256 experts, got 300");
  EXPECT_EQ(model_error("extends: deepseek-v3\nmoe: {groups_used: 9}\n"),
            "m.yaml:2:20: moe.groups_used: must lie between 1 and the 8 groups, got 9");
  EXPECT_EQ(model_error("extends: mixtral-8x7b\nattention: {kv_heads: 5}\n"),
            "m.yaml:2:23: attention.kv_heads: must divide the 32 heads, got 5");
  EXPECT_EQ(model_error("extends: deepseek-v3\nattention: {head_dim: 128}\n"),
            "m.yaml:2:23: attention.head_dim: must be qk_nope_head_dim + qk_rope_head_dim = 192, got 128");
  EXPECT_EQ(model_error("extends: mistral-7b\nattention: {sliding_layers: [1, 1]}\n"),
            "m.yaml:2:29: attention.sliding_layers: must be ascending layer numbers from 0 to 31, got 1");
  EXPECT_EQ(model_error("extends: llama-2-7b\ndense_width: 0\n"),
            "m.yaml:2:14: dense_width: must be more than 0, got 0");
}

TEST(RejectModel, NumbersThatNoModelHas) {
  const auto error = [](const std::string& text) {
    return model_error("extends: mixtral-8x7b\n" + text).substr(std::string("m.yaml:2:").size());
  };
  EXPECT_EQ(error("layers: 2000000000"), "9: layers: must be at most 10000, got 2000000000");
  EXPECT_EQ(error("hidden: 2000000000"), "9: hidden: must be at most 16777216, got 2000000000");
  EXPECT_EQ(error("norm_epsilon: -1e-6"), "15: norm_epsilon: must be more than 0, got -1e-06");
  EXPECT_EQ(error("norm_epsilon: 0"), "15: norm_epsilon: must be more than 0, got 0");
  EXPECT_EQ(error("max_positions: -1"), "16: max_positions: must be 0 or more, got -1");
  EXPECT_EQ(error("attention: {head_dim: 1000000}"), "23: attention.head_dim: must be at most 524288, got 1000000");
  EXPECT_EQ(error("attention: {sliding_window: -4}"), "29: attention.sliding_window: must be 0 or more, got -4");
  EXPECT_EQ(error("moe: {layer_frequency: 0}"), "24: moe.layer_frequency: must be more than 0, got 0");
  EXPECT_EQ(error("moe: {experts: 2000000000}"), "16: moe.experts: must be at most 100000, got 2000000000");
  EXPECT_EQ(error("moe: {scale: -1}"), "14: moe.scale: must be more than 0, got -1");
  EXPECT_EQ(error("rope: {no_rope_every: -1}"), "23: rope.no_rope_every: must be 0 or more, got -1");
  EXPECT_EQ(error("hidden: 16777216\nmoe: {expert_width: 16777216}"),
            "9: hidden: with it the model has about 2e+17 parameters, expected at most 1e+15");
}

TEST(RejectModel, AnEntryThatExtendsItselfOrNothing) {
  const TemporaryFolder folder;
  const std::string a = folder.write("a.yaml", "extends: b\ntitle: A\n");
  folder.write("b.yaml", "extends: a\ntitle: B\n");
  EXPECT_EQ(test::refusal_of([&] { (void)load_model(a); }),
            folder.file("b.yaml") + ":1:10: extends: \"a\" extends itself");
  const std::string lost = folder.write("lost.yaml", "extends: deepseek-v5\n");
  EXPECT_EQ(test::refusal_of([&] { (void)load_model(lost); }),
            lost + ":1:10: extends: no model is called \"deepseek-v5\"; did you mean \"deepseek-v2\"?");
}

TEST(RejectModel, ConfigJson) {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& text) {
    const std::string file = folder.write("config.json", text);
    const std::string out = test::refusal_of([&] { (void)load_model(file); });
    return out.starts_with(file + ": ") ? out.substr(file.size() + 2) : out;
  };
  const std::string head =
      R"({"vocab_size": 100, "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128, )"
      R"("num_attention_heads": 4, )";
  EXPECT_EQ(error("{"), "is not JSON: byte 2");
  EXPECT_EQ(error("[]"), "expected a JSON object");
  EXPECT_EQ(error("{}"), "missing key \"model_type\"");
  EXPECT_EQ(error(R"({"model_type": "mixtrl"})"),
            "missing key \"hidden_size\" (model_type \"mixtrl\" is not known, and its keys do not describe a plain "
            "decoder)");
  EXPECT_EQ(error(R"({"model_type": "llama"})"), "missing key \"vocab_size\"");
  EXPECT_EQ(error(R"({"model_type": "llama", "vocab_size": "many"})"), "vocab_size: expected an integer, got \"many\"");
  EXPECT_EQ(error(head + R"("model_type": "mixtral"})"), "missing key \"num_local_experts\"");
  EXPECT_EQ(error(head + R"("model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 9})"),
            "num_experts_per_tok: must lie between 1 and the 8 experts, got 9");
  EXPECT_EQ(error(head + R"("model_type": "llama", "num_key_value_heads": 3})"),
            "num_key_value_heads: must divide the 4 heads, got 3");
  EXPECT_EQ(error(head + R"("model_type": "deepseek_v3", "kv_lora_rank": 16})"), "missing key \"qk_nope_head_dim\"");
  EXPECT_EQ(error(head + R"("model_type": "llama", "rope_scaling": {"type": "longrope", "factor": 2}})"),
            "rope_scaling.type: expected yarn, llama3, linear or default, got \"longrope\"");
  EXPECT_EQ(error(head + R"("model_type": "llama", "rope_scaling": {"type": "yarn", "factor": 2}})"),
            "rope_scaling: missing key \"original_max_position_embeddings\"");
  EXPECT_EQ(error(R"({"model_type": "gemma3", "text_config": {"hidden_size": 8}})"),
            "text_config: missing key \"num_hidden_layers\"");
  EXPECT_EQ(error(head + R"("model_type": "llama", "rms_norm_eps": -1})"), "rms_norm_eps: must be more than 0, got -1");
  EXPECT_EQ(error(head + R"("model_type": "llama", "hidden_size": 8})"), "byte 150: key \"hidden_size\" appears twice");
  EXPECT_EQ(error(head + R"("model_type": "qwen3_moe", "num_experts": 8, "decoder_sparse_step": 0})"),
            "decoder_sparse_step: expected 1 to 10000, got 0");
  EXPECT_EQ(error(head + R"("model_type": "llama4", "num_local_experts": 8, "interleave_moe_layer_step": 0})"),
            "interleave_moe_layer_step: expected 1 to 10000, got 0");
  EXPECT_EQ(error(head + R"("model_type": "deepseek", "n_routed_experts": 8, "moe_intermediate_size": 8,)"
                         R"( "num_experts_per_tok": 2, "moe_layer_freq": 0})"),
            "moe_layer_freq: expected 1 to 10000, got 0");
  EXPECT_EQ(error(R"({"model_type": "llama", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1073741824})"),
            "num_hidden_layers: expected 0 to 10000, got 1073741824");
  EXPECT_EQ(error("{\"model_type\": " + std::string(200'000, '[')), "byte 114: lists nest deeper than 100");
  const TemporaryFolder empty;
  EXPECT_EQ(test::refusal_of([&] { (void)load_model(empty.path()); }),
            empty.path().string() + ": this folder has no config.json");
}

TEST(RejectHardware, WrongUnitsKindsAndCounts) {
  EXPECT_EQ(
      cluster_error("cluster: {node: {extends: hgx-h800, nic: 400}, nodes: 4, fabric: ib-rail}"),
      "s.yaml:1:42: cluster.node.nic: expected a bandwidth with a unit (B/s, MB/s, GB/s, TB/s, GiB/s, Mbps, Gbps, "
      "Tbps), got \"400\"");
  EXPECT_NE(cluster_error("cluster: {node: h800, nodes: 4, fabric: ib-rail}").find("expected a node, got a gpu"),
            std::string::npos);
  EXPECT_EQ(cluster_error("cluster: {node: hgx-h800, nodes: 0, fabric: ib-rail}"),
            "s.yaml:1:34: cluster.nodes: must be more than 0");
  EXPECT_EQ(cluster_error("cluster: {node: hgx-h800, nodes: 4}"), "s.yaml:1:10: cluster: missing key \"fabric\"");
  EXPECT_EQ(cluster_error("cluster: {nod: hgx-h800, nodes: 4, fabric: ib-rail}"),
            "s.yaml:1:11: cluster: unknown key \"nod\"; did you mean \"node\"?");
  EXPECT_EQ(cluster_error("cluster: {node: hgx-h900, nodes: 4, fabric: ib-rail}"),
            "s.yaml:1:17: cluster.node: no node is called \"hgx-h900\"; did you mean \"hgx-h100\"?");
  EXPECT_EQ(cluster_error("cluster: {node: {extends: hgx-h800, nics: 0}, nodes: 2, fabric: ib-rail}"),
            "s.yaml:1:54: cluster.nodes: 2 nodes need network adapters, and hgx-h800 has none");
  EXPECT_EQ(cluster_error("cluster: {node: hgx-h800, nodes: 2, fabric: {extends: ib-rail, oversubscription: 0.5}}"),
            "s.yaml:1:82: cluster.fabric.oversubscription: must be 1 or more, got 0.5");
}

TEST(RejectHardware, SharesAboveOne) {
  const auto gpu_error = [](const std::string& keys) {
    return test::refusal_of([&] { (void)read_gpu(Config::from_text("{extends: h100, " + keys + "}", "g.yaml")); });
  };
  EXPECT_EQ(gpu_error("draw: {memory: 2}"), "g.yaml:1:32: draw.memory: expected a share from 0 to 1, got 2");
  EXPECT_EQ(gpu_error("draw: {idle: -0.1}"), "g.yaml:1:30: draw.idle: expected a share from 0 to 1, got -0.1");
  EXPECT_EQ(gpu_error("sustained_clock: 2"), "g.yaml:1:34: sustained_clock: expected a share from 0 to 1, got 2");
}

TEST(RejectHardware, AGpuWithoutMemory) {
  const auto gpu_error = [](const std::string& keys) {
    return test::refusal_of([&] { (void)read_gpu(Config::from_text("{extends: h100, " + keys + "}", "g.yaml")); });
  };
  EXPECT_NE(gpu_error("memory: 0 B, reserve: 0 B"), "accepted");
  EXPECT_EQ(gpu_error("memory: 1 B, reserve: 0 B"), "accepted");
}

TEST(RejectHardware, MoreThanCanBeCounted) {
  EXPECT_EQ(test::refusal_of([] { (void)read_gpu(Config::from_text("{extends: h100, sms: 100001}", "g.yaml")); }),
            "g.yaml:1:22: sms: must be at most 100000, got 100001");
  EXPECT_EQ(cluster_error("cluster: {node: hgx-h800, nodes: 2000000000, fabric: ib-rail}"),
            "s.yaml:1:34: cluster.nodes: must be at most 131072, got 2000000000");
  EXPECT_EQ(cluster_error("cluster: {node: {extends: hgx-h800, gpus: 2000000000}, nodes: 2, fabric: ib-rail}"),
            "s.yaml:1:43: cluster.node.gpus: must be at most 10000, got 2000000000");
}

TEST(RejectScale, WhatCannotBe) {
  EXPECT_EQ(model_error("{name: deepseek-v3, scale: {hidden: 9000}}"),
            "m.yaml:1:37: scale.hidden: must lie between 1 and the model's 7168, got 9000");
  EXPECT_EQ(
      model_error("{name: deepseek-v3, scale: {layers: 4}}"),
      "m.yaml:1:29: scale: unknown key \"layers\"; known keys: factor, hidden, expert_width, dense_width, heads, "
      "kv_heads, head_dim, v_head_dim, qk_nope_head_dim, qk_rope_head_dim, q_lora_rank, kv_lora_rank, index_heads, "
      "index_head_dim, state_heads, state_dim, vocabulary");
  EXPECT_EQ(model_error("{name: deepseek-v3, scale: {head_dim: 8}}"),
            "m.yaml:1:39: scale.head_dim: for MLA give qk_nope_head_dim and qk_rope_head_dim");
  EXPECT_EQ(model_error("{name: mixtral-8x7b, scale: {kv_lora_rank: 8}}"),
            "m.yaml:1:44: scale.kv_lora_rank: only MLA models have it, this one has GQA");
  EXPECT_EQ(model_error("{name: mixtral-8x7b, scale: {factor: 0.5}}"),
            "m.yaml:1:38: scale.factor: must be 1 or more, got 0.5");
  EXPECT_EQ(model_error("{name: mixtral-8x7b, scale: {heads: 6, kv_heads: 4}}"),
            "m.yaml:1:50: scale.kv_heads: must divide the 6 heads, got 4");
  EXPECT_EQ(model_error("{name: gpt-4, scale: {factor: 2}}"),
            "m.yaml:1:31: scale.factor: nothing is published of gpt-4");
}
}  // namespace
}  // namespace moesim::spec
