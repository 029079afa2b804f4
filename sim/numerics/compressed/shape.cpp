#include "numerics/compressed/shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "formats/json.h"
#include "spec/check_model.h"
#include "spec/hugging_face_attention.h"
#include "spec/release/python_json.h"

namespace moesim::numerics {
namespace {
int size_of(const formats::JsonObject& v, const char* key) { return int(v.integer(key, 1, spec::kMostWidth)); }

void only(const formats::JsonObject& v, const char* key, const std::string& expected) {
  if (const std::string got = v.text_or(key, expected); got != expected)
    v.fail(key, fmt::format("expected {}, got \"{}\"", expected, got));
}

void read_attention(const formats::JsonObject& v, CompressedShape& s) {
  s.heads = size_of(v, "num_attention_heads");
  s.head_dim = size_of(v, "head_dim");
  s.rope_dims = size_of(v, "qk_rope_head_dim");
  s.query_rank = size_of(v, "q_lora_rank");
  s.groups = size_of(v, "o_groups");
  s.group_rank = size_of(v, "o_lora_rank");
  s.window = size_of(v, "sliding_window");
  s.index_heads = size_of(v, "index_n_heads");
  s.index_dim = size_of(v, "index_head_dim");
  s.index_picks = size_of(v, "index_topk");
  if (const int kv = v.whole_or("num_key_value_heads", 1); kv != 1)
    v.fail("num_key_value_heads", fmt::format("deepseek_v4 has 1, got {}", kv));
  if (s.heads % s.groups != 0) v.fail("o_groups", fmt::format("must divide the {} heads, got {}", s.heads, s.groups));
  const int narrower = std::min(s.head_dim, s.index_dim);
  if (s.rope_dims > narrower || s.rope_dims % 2 != 0)
    v.fail("qk_rope_head_dim", fmt::format("must be even and at most {}, got {}", narrower, s.rope_dims));
  s.ratios = v.list("compress_ratios");
  if (int(s.ratios.size()) < s.layers)
    v.fail("compress_ratios",
           fmt::format("must have one entry for each of the {} layers, has {}", s.layers, s.ratios.size()));
  s.ratios.resize(std::size_t(s.layers));
  for (const int one : s.ratios)
    if (one < 0) v.fail("compress_ratios", fmt::format("must not be negative, got {}", one));
}

void read_experts(const formats::JsonObject& v, CompressedShape& s) {
  s.hashed_layers = v.whole_or("num_hash_layers", 0);
  s.experts = int(v.integer("n_routed_experts", 1, spec::kMostExperts));
  s.top_k = size_of(v, "num_experts_per_tok");
  if (s.top_k > s.experts)
    v.fail("num_experts_per_tok", fmt::format("must be 1 to the {} experts, got {}", s.experts, s.top_k));
  s.expert_width = size_of(v, "moe_intermediate_size");
  s.shared_width = v.whole_or("n_shared_experts", 1) * s.expert_width;
  s.gate_scale = v.number_or("routed_scaling_factor", 1);
  s.swiglu_limit = v.number_or("swiglu_limit", 0);
  only(v, "scoring_func", "sqrtsoftplus");
  only(v, "topk_method", "noaux_tc");
  if (!v.flag_or("norm_topk_prob", true)) v.fail("norm_topk_prob", "expected true, got false");
}
}  // namespace

CompressedShape read_compressed(const std::string& file) {
  const formats::JsonValue document = spec::read_python_json(file);
  const formats::JsonObject v(document, file);
  if (const std::string type = v.text_or("model_type", ""); type != "deepseek_v4")
    v.fail("model_type", fmt::format("expected deepseek_v4, got \"{}\"", type));
  CompressedShape s;
  s.name = std::filesystem::absolute(file).parent_path().filename().string();
  s.vocabulary = int(v.integer("vocab_size", 1, spec::kMostVocabulary));
  s.hidden = size_of(v, "hidden_size");
  s.layers = int(v.integer("num_hidden_layers", 1, spec::kMostLayers));
  s.positions = v.whole_or("max_position_embeddings", 0);
  s.streams = size_of(v, "hc_mult");
  s.stream_epsilon = v.number_or("hc_eps", 1e-6);
  s.sinkhorn_rounds = size_of(v, "hc_sinkhorn_iters");
  s.norm_epsilon = v.number_or("rms_norm_eps", 1e-6);
  if (v.flag_or("tie_word_embeddings", false)) v.fail("tie_word_embeddings", "expected false, got true");
  read_attention(v, s);
  read_experts(v, s);
  spec::Model m;  // for its positions alone
  spec::read_rope(v, m);
  s.rope = m.rope;
  s.compressed_theta = v.number_or("compress_rope_theta", s.rope.theta);
  return s;
}

CompressedShape compressed_shape(const spec::Model& m) {
  const spec::AttentionShape& a = m.attention;
  const spec::MoeShape& moe = *m.moe;
  CompressedShape s;
  s.name = m.name;
  s.vocabulary = m.vocabulary, s.hidden = m.hidden, s.layers = m.layers, s.streams = m.residual_streams;
  s.positions = m.max_positions;
  s.heads = a.heads, s.head_dim = a.head_dim, s.rope_dims = a.qk_rope_head_dim, s.query_rank = a.q_lora_rank;
  s.groups = a.compressed->output_groups, s.group_rank = a.compressed->output_rank, s.window = a.compressed->window;
  s.index_heads = a.indexer->heads, s.index_dim = a.indexer->head_dim, s.index_picks = a.indexer->top_k;
  s.ratios.assign(a.compressed->entries.begin(), a.compressed->entries.begin() + m.layers);
  s.hashed_layers = moe.hash_layers;
  s.experts = moe.experts, s.top_k = moe.top_k, s.expert_width = moe.expert_width, s.shared_width = moe.shared_total();
  s.gate_scale = moe.scale, s.swiglu_limit = m.swiglu_limit, s.norm_epsilon = m.norm_epsilon;
  s.stream_epsilon = 1e-6,
  s.sinkhorn_rounds = 20;  // config.json of DeepSeek-V4-Flash and Pro: hc_eps, hc_sinkhorn_iters
  s.rope = m.rope;
  s.compressed_theta = 160000;  // the same: compress_rope_theta
  return s;
}
}  // namespace moesim::numerics
