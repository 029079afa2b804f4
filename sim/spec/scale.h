// Scales a model's widths down so that it computes on a laptop while it routes like the original: layers, experts,
// groups and top-k stay.
#pragma once
#include <optional>

#include "core/config.h"
#include "spec/model.h"

namespace moesim::spec {

struct Scale {
  double factor = 1;
  std::optional<int> hidden, expert_width, dense_width;
  std::optional<int> heads, kv_heads, head_dim, v_head_dim;
  std::optional<int> qk_nope_head_dim, qk_rope_head_dim, q_lora_rank, kv_lora_rank;
  std::optional<int> index_heads, index_head_dim;
  std::optional<int> state_heads, state_dim;
  std::optional<int> vocabulary;

  static void fields(auto& f, auto& p) {
    f("factor", p.factor, "divides every width that is not given; heads first, then what a head holds");
    f("hidden", p.hidden, "width of the residual stream");
    f("expert_width", p.expert_width, "inner width of an expert");
    f("dense_width", p.dense_width, "inner width of the dense FFN");
    f("heads", p.heads, "query heads");
    f("kv_heads", p.kv_heads, "key and value heads; for GQA");
    f("head_dim", p.head_dim, "width of a head; not for MLA");
    f("v_head_dim", p.v_head_dim, "width of a value head; for MLA");
    f("qk_nope_head_dim", p.qk_nope_head_dim, "MLA: part of a head without positions");
    f("qk_rope_head_dim", p.qk_rope_head_dim, "MLA: part of a head that RoPE rotates; even");
    f("q_lora_rank", p.q_lora_rank, "MLA: width of the query latent");
    f("kv_lora_rank", p.kv_lora_rank, "MLA: width of the key-value latent");
    f("index_heads", p.index_heads, "DSA: query heads of the indexer");
    f("index_head_dim", p.index_head_dim, "DSA: width of the indexer's heads and key");
    f("state_heads", p.state_heads, "key heads (Mamba-2: groups) of layers with a state; the others keep their ratio");
    f("state_dim", p.state_dim, "width of their heads");
    f("vocabulary", p.vocabulary, "rows of the embedding; factor leaves at least 256");
  }
};

/// The model with smaller widths; what it would say of its release is dropped.  Widths from `factor` are rounded up,
/// and to even numbers where RoPE rotates.  Throws ConfigError "scale.KEY: problem" if a value is larger than the
/// model's, does not apply to its attention, or breaks a rule between values.
Model scaled(const Model& model, const Scale& scale);

/// A model small enough to compute with here, that routes like the original: hidden width 128, experts 32 wide, 4
/// heads, byte vocabulary; parts that are smaller already stay.
Scale laptop_scale(const Model& model);
}  // namespace moesim::spec
