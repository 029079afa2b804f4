// Which tensors a model is made of, their shapes, and what they are called in a Hugging Face checkpoint.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "spec/layer_shape.h"

namespace moesim::numerics {

/// One role a tensor plays.  Matrices are (outputs, inputs); vectors have one row.
enum class Part : std::uint8_t {
  embedding,
  final_norm,
  head,
  attention_norm,      // before attention
  attention_out_norm,  // after it, before the residual sum (Gemma-3)
  ffn_norm,
  ffn_out_norm,  // Gemma-3
  query,         // also MLA without query compression
  query_bias,
  query_norm,  // one head wide
  key,
  key_bias,
  key_norm,
  value,
  value_bias,
  query_down,  // MLA
  query_down_norm,
  query_up,
  kv_down,  // latent, then the rope part shared by all heads
  kv_down_norm,
  kv_up,  // a head's nope part of the key, then its value
  output,
  output_bias,
  sinks,
  dense_gate,
  dense_up,
  dense_down,
  router,
  router_bias,
  selection_bias,
  shared_gate,
  shared_up,
  shared_down,
  mtp_embedding_norm,
  mtp_hidden_norm,
  mtp_projection,  // of (embedding, hidden) side by side
  mtp_embedding,   // a copy of the main one in released checkpoints
  mtp_head_norm,
  mtp_head,            // likewise
  shared_output_gate,  // one number a token (Qwen2-MoE)
  delta_qkvz,          // gated DeltaNet: rows by key head, then query, key, its values, their gates; or
  delta_ba,            // likewise: the gates b of what is written, then the a of what decays
  delta_qkv,           // all queries, all keys, all values
  delta_z,
  delta_b,
  delta_a,
  delta_convolution,  // (channels, taps), the last tap for the token itself
  delta_decay,        // logarithm of a rate, a value head
  delta_step_bias,
  delta_norm,  // one value head wide
  delta_output,
  mamba_input,  // Mamba-2: gates of the output, channels of the convolution, a step a head
  mamba_convolution,
  mamba_convolution_bias,
  mamba_decay,  // logarithm of a rate, a head
  mamba_skip,
  mamba_step_bias,
  mamba_norm,
  mamba_output,
  expert_gate,  // from here to expert_down_bias once an expert
  expert_up,
  expert_down,
  expert_gate_bias,
  expert_up_bias,
  expert_down_bias,
  index_query,  // DSA's indexer, from the query latent; once a layer again
  index_key,
  index_key_norm,
  index_key_norm_bias,
  index_weights  // of its heads
};
inline constexpr int kParts = int(Part::index_weights) + 1;
inline constexpr Part kFirstExpertPart = Part::expert_gate;
inline constexpr int kExpertParts = int(Part::expert_down_bias) + 1 - int(kFirstExpertPart);
/// Whether there is one for each routed expert.
constexpr bool is_of_expert(Part part) { return part >= kFirstExpertPart && part <= Part::expert_down_bias; }

struct PartShape {
  Part part;
  int rows = 1, columns = 0;
  std::int64_t size() const { return std::int64_t(rows) * columns; }
};

/// Embedding, final norm and head (absent if tied to the embedding).
std::vector<PartShape> outer_parts(const spec::Model& model);
/// All of one layer but the routed experts.  Layers from model.layers on are the MTP modules.
std::vector<PartShape> layer_parts(const spec::Model& model, int layer);
/// One routed expert's.
std::vector<PartShape> expert_parts(const spec::Model& model);

/// Where element (row, column) of a part lies in a stored tensor: offset + row * row_stride + column * column_stride.
struct StoredPlace {
  std::string name;
  std::vector<std::int64_t> shape;  // of the whole stored tensor
  std::int64_t offset = 0, row_stride = 0, column_stride = 1;
};
/// Hugging Face's name and layout of a part.  expert: -1 for parts that are not an expert's.
StoredPlace stored_place(const spec::Model& model, const PartShape& shape, int layer, int expert);
/// True for stored tensors that a forward pass over text does not need: rotary tables, vision towers.
bool is_ignored_tensor(const std::string& name);
}  // namespace moesim::numerics
