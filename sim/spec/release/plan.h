// What a family's reader makes of a config.json: the pieces of every layer, from which tensors and caches follow.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "spec/release/release.h"

namespace moesim::spec {

/// Attention with keys and values of its heads.
struct HeadPlan {
  enum class Norm { none, head, whole };  // of queries and keys: a head's columns, or the whole projection's
  enum class Gate { none, wide_query, per_head };
  int heads = 0, kv_heads = 0, head_dim = 0, v_head_dim = 0;
  int q_rank = 0;  // queries come through a normed latent of this width (MFA)
  bool q_bias = false, kv_bias = false, o_bias = false;
  Norm norm = Norm::none;
  int norm_values = 1;  // 2: with a bias
  bool norm_uncounted = false;
  Gate gate = Gate::none;
  bool keys_are_values = false;  // no projection of values; both are cached
  bool borrows_keys = false;     // reads another layer's cache, and has no keys and values
  bool sinks = false;
  std::int64_t window = 0;
  bool chunked = false;
  int index_heads = 0, index_dim = 0;     // picks blocks of keys
  int index_block = 0, index_blocks = 0;  // their keys, and how many are picked
};

/// MLA.
struct LatentPlan {
  int heads = 0, q_rank = 0, kv_rank = 0, nope = 0, rope = 0, v_dim = 0;
  bool output_gate = false, bias = false;
  int index_heads = 0, index_dim = 0;
  bool reuses_index = false;  // sparse by the indices of a layer before
};

/// One shared key and value head over compressed entries (DeepSeek-V4).
struct CompressedPlan {
  int heads = 0, head_dim = 0, rope = 0, q_rank = 0, o_groups = 0, o_rank = 0;
  int ratio = 0;  // tokens an entry; 0: the window alone
  bool indexed = false;
  int index_heads = 0, index_dim = 0, window = 0;
};

struct DeltaPlan {
  int key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0, convolution = 0;
  bool apart = false;  // q, k, v, z, b, a as four matrices instead of two
};

struct KimiDeltaPlan {
  int heads = 0, dim = 0, convolution = 0;
  bool full_gate = false;
};

struct MambaPlan {
  bool second = true;  // Mamba-2
  int heads = 0, head_dim = 0, groups = 0, state = 0, convolution = 0;
  int inner = 0, step_rank = 0;  // Mamba-1
  bool convolution_bias = true, bias = false, inner_norms = false;
};

struct ShortConvolutionPlan {
  int kernel = 0;
  bool bias = false;
};

struct LightningPlan {
  int heads = 0, head_dim = 0, gate_norm = 0;
  bool norm = false;
};

using MixerPlan = std::variant<HeadPlan, LatentPlan, CompressedPlan, DeltaPlan, KimiDeltaPlan, MambaPlan,
                               ShortConvolutionPlan, LightningPlan>;

struct ExpertPlan {
  int experts = 0, top_k = 0, width = 0;
  int latent = 0;  // experts work at this width between two maps; 0: the model's
  bool latent_norm = false;
  int matrices = 3;  // 2: without a gate matrix
  int idle = 0;      // gate outputs that compute nothing
  int shared_width = 0;
  bool shared_gate = false;
  bool selection_bias = false, gate_bias = false, expert_bias = false;
  bool gate = true;
  bool gate_scales = false;  // a scale a column and one an expert (Gemma-4)
};

struct LayerPlan {
  std::vector<MixerPlan> mixers;
  std::vector<int> dense;  // inner widths of dense networks
  int dense_matrices = 3;
  bool dense_bias = false;
  std::optional<ExpertPlan> experts;
  int norms = 2;
  int norm_values = 1;       // 2: with a bias
  int extra_vectors = 0;     // of the model's width: AttnRes
  int residual_streams = 0;  // hyper-connections
  int scalars = 0;           // uncounted
  int side_width = 0;        // Gemma's per-layer input
};

/// What a family calls its modules; patterns of quantised layers name them.
struct ModuleNames {
  std::string attention = "self_attn", state = "linear_attn", dense = "mlp", experts = "mlp";
  std::string gate = "gate", shared = "shared_experts";
  std::string mtp;  // begins an MTP module's names, before its number; "": a layer after the last
  std::string gate_matrix = "gate_proj", up_matrix = "up_proj", down_matrix = "down_proj";
};

struct Plan {
  int hidden = 0, vocabulary = 0, max_positions = 0;
  bool tied = false, head_bias = false;
  std::vector<LayerPlan> layers;
  std::vector<LayerPlan> mtp;  // each: two norms, a map that joins its inputs, a norm, a layer
  bool mtp_stores_embedding = false;
  bool mtp_joins_apart = false;  // two maps of the width instead of one of twice the width
  int mtp_joins = -1;            // how many such joins; -1: one a layer of mtp
  int final_norm_values = 1;
  int embedding_norm_values = 0;
  int side_width = 0, side_vocabulary = 0;  // Gemma's per-layer embeddings
  int position_rows = 0;                    // learned positions
  ModuleNames names;
  std::vector<Tensor> towers;
  std::vector<std::string> notes;
};

/// Layers, tensors and caches of `plan`, every weight in the plan's order.
Release carry_out(const Plan& plan);
}  // namespace moesim::spec
