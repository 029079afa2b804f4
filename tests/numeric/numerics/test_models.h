// Tiny models of each architecture, for tests.
#pragma once
#include "spec/model.h"

namespace moesim::numerics {

inline spec::Model v2lite_tiny() {
  spec::Model m;
  m.name = "v2lite_tiny", m.architecture = spec::Architecture::deepseek_v2;
  m.vocabulary = 512, m.hidden = 64, m.layers = 4, m.dense_width = 172, m.max_positions = 64;
  spec::AttentionShape& a = m.attention;
  a.kind = spec::AttentionKind::mla;
  a.heads = a.kv_heads = 4, a.head_dim = 24, a.v_head_dim = 16;
  a.kv_lora_rank = 32, a.qk_nope_head_dim = 16, a.qk_rope_head_dim = 8;
  spec::MoeShape moe;
  moe.expert_width = 24, moe.experts = 16, moe.shared_experts = 2, moe.top_k = 6, moe.first_dense_layers = 1;
  m.moe = moe;
  return m;
}

inline spec::Model v3_micro() {
  spec::Model m;
  m.name = "v3_micro", m.architecture = spec::Architecture::deepseek_v3;
  m.vocabulary = 64, m.hidden = 32, m.layers = 3, m.dense_width = 48, m.max_positions = 32;
  spec::AttentionShape& a = m.attention;
  a.kind = spec::AttentionKind::mla;
  a.heads = a.kv_heads = 2, a.head_dim = 12, a.v_head_dim = 8;
  a.q_lora_rank = 24, a.kv_lora_rank = 16, a.qk_nope_head_dim = 8, a.qk_rope_head_dim = 4;
  spec::MoeShape moe;
  moe.expert_width = 16, moe.experts = 8, moe.shared_experts = 1, moe.top_k = 2, moe.first_dense_layers = 1;
  moe.score = spec::Score::sigmoid, moe.selection = spec::Selection::noaux_tc, moe.groups = 4, moe.groups_used = 2;
  moe.normalise = true, moe.scale = 2.5, moe.selection_bias = true;
  m.moe = moe;
  return m;
}
}  // namespace moesim::numerics
