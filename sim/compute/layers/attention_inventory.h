// The operations of a layer's attention: what all kinds share is in attention_inventory.cpp, a kind's own in a file
// each: attention_inventory_gqa.cpp (MHA, GQA), attention_inventory_mla.cpp, attention_inventory_dsa.cpp,
// attention_inventory_delta.cpp (gated DeltaNet), attention_inventory_mamba.cpp (Mamba-2),
// attention_inventory_kimi.cpp (KDA), attention_inventory_blocks.cpp (block-sparse
// GQA), attention_inventory_windowed.cpp (windowed layers with heads of their own), attention_inventory_factored.cpp
// (MFA), attention_inventory_compressed.cpp (DeepSeek-V4), attention_inventory_none.cpp (layers that are a network
// alone).
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "compute/layers/memory.h"
#include "compute/layers/operation_list.h"
#include "spec/layer_shape.h"

namespace moesim::compute {

/// One layer's attention on this GPU.
struct AttentionPart {
  spec::LayerAttention layer;
  std::optional<spec::AttentionShape> own;  // of windowed layers with heads of their own
  const spec::AttentionShape& a;            // `own`, or the model's
  std::int64_t tokens, rows;                // of linear layers, of norms and residuals
  std::int64_t hidden;
  int heads, kv_heads;  // on this GPU
  std::int64_t q, o;    // widths of the queries and of the output of the heads here
  const AttentionWork& prefill;
  const AttentionWork& decode;

  explicit AttentionPart(const LayerCall& call);
  AttentionPart(const AttentionPart&) = delete;
  AttentionPart& operator=(const AttentionPart&) = delete;
  std::int64_t k() const { return std::int64_t{kv_heads} * a.head_dim; }
  bool o_bias() const { return a.o_bias && !spec::keeps_state(layer.kind); }
  std::int64_t v() const { return std::int64_t{kv_heads} * a.v_head_dim; }
};

/// What the forward pass of training keeps, item by item.
struct Kept {
  std::vector<MemoryItem> items;
  spec::Dtype linear;  // of products' inputs
  void add(std::string name, std::string_view needed_by, std::int64_t elements, spec::Dtype dtype) {
    if (elements > 0) items.push_back({std::move(name), tensor_bytes(elements, dtype), needed_by});
  }
};
/// What attention_kept() is asked about.
struct KeptCall {
  const spec::Model& model;
  int layer;
  std::int64_t tokens, heads;  // heads on this GPU
  const LayerOptions& options;
};

class AttentionInventory {
 public:
  virtual ~AttentionInventory() = default;

  // The forward pass, in this order.
  /// From the normed and cast input to queries, keys and values, RoPE included.
  virtual void projections(OperationList& list, const LayerCall& c, const AttentionPart& s) const = 0;
  /// Numbers a token adds to the cache of this GPU.
  virtual std::int64_t cached_width(const AttentionPart& s) const = 0;
  /// As whole prompts are attended to, and as one kernel of the backward pass.
  virtual AttentionHeads prompt_heads(const AttentionPart& s) const = 0;
  /// What looks back over whole prompts, with what surrounds it; there are some.
  virtual void prompt_core(OperationList& list, const LayerCall& c, const AttentionPart& s) const;
  /// The core of decoding, with what surrounds it.
  virtual void decode_core(OperationList& list, const LayerCall& c, const AttentionPart& s) const = 0;
  /// What is done to the core's result before the output projection.
  virtual void gate_output(OperationList&, const AttentionPart&) const {}

  // The backward pass, in this order.
  virtual void gate_output_backward(OperationList&, const AttentionPart&) const {}
  /// What is recomputed before the core.
  virtual void recompute(OperationList& list, const LayerCall& c, const AttentionPart& s) const = 0;
  /// The gradients of prompt_core().
  virtual void core_backward(OperationList& list, const LayerCall& c, const AttentionPart& s) const;
  /// Columns of queries and keys here that RoPE turns; 0 in a layer without.
  virtual std::int64_t rotated_columns(const LayerCall& c, const AttentionPart& s) const = 0;
  /// From the gradients of queries, keys and values to those of what is projected from the normed input.
  virtual void heads_backward(OperationList& list, const LayerCall& c, const AttentionPart& s) const = 0;
  /// From there to the gradient of the normed input.
  virtual void projections_backward(OperationList& list, const LayerCall& c, const AttentionPart& s) const = 0;
  /// Gradients of the weights but the output projection's.
  virtual void weight_gradients(OperationList& list, const LayerCall& c, const AttentionPart& s) const = 0;

  // Memory
  /// Weights that a prompt of one token does not read.
  virtual Bytes weights_beside(const spec::Model&, int, const LayerOptions&) const { return {}; }
  /// The operation that needs the normed input.
  virtual std::string_view input_needed_by(const spec::AttentionShape& a) const = 0;
  /// Width of what the output projection reads here.
  virtual std::int64_t output_width(const spec::Model& model, const LayerOptions& options) const;
  /// The operation that needs what the core gives, beside the output projection's gradient; "" if none does.
  virtual std::string_view core_needed_by() const { return "attention backward"; }
  /// What one GPU keeps of a request in one layer whatever its length.
  virtual Bytes state_bytes(const spec::Model&, int, const LayerOptions&) const { return {}; }
  /// What is kept between the projections and the core.
  virtual void keep(Kept& kept, const KeptCall& c) const = 0;
  /// What one of `tensor` GPUs caches of a token.
  virtual AttentionHeads cached_heads(const spec::AttentionShape& a, int tensor) const = 0;
};
const AttentionInventory& inventory_of(spec::AttentionKind kind);

// One a file; for inventory_of().
const AttentionInventory& grouped_inventory();
const AttentionInventory& latent_inventory();
const AttentionInventory& sparse_inventory();
const AttentionInventory& delta_inventory();
const AttentionInventory& mamba_inventory();
const AttentionInventory& compressed_inventory();
const AttentionInventory& kimi_inventory();
const AttentionInventory& block_inventory();
const AttentionInventory& window_inventory();
const AttentionInventory& factored_inventory();
const AttentionInventory& no_inventory();

// Steps that kinds share.
void store_cache(OperationList& list, const LayerCall& c, std::int64_t elements);
void rotate(OperationList& list, std::string_view name, std::int64_t tokens, std::int64_t columns);
/// What an indexer learns: the attention of `heads` to its picks, whose scores are computed once more
/// (DeepSeek-V3.2-Exp report, section 2.1.1; Megatron-LM's sparse_attn_score_recompute).
void index_target(OperationList& list, AttentionHeads heads, const AttentionWork& picked, int picks);
/// Hyper-connections (hyper_connections.cpp).  Before a half of a layer: streams to its input; after it: its result to
/// the streams, or in models without the sum of `inputs` with the residual.  After the last layer: streams to one. Then
/// the same backward, in the order of the backward pass, and the gradients of their weights.
void enter_half(OperationList& list, const LayerCall& c);
void leave_half(OperationList& list, const LayerCall& c, int inputs = 2);
void join_streams(OperationList& list, const LayerCall& c, std::int64_t rows);
void leave_half_backward(OperationList& list, const LayerCall& c);
void enter_half_backward(OperationList& list, const LayerCall& c);
void join_streams_backward(OperationList& list, const LayerCall& c, std::int64_t rows);
void stream_weights(OperationList& list, const LayerCall& c);
void join_stream_weights(OperationList& list, const LayerCall& c, std::int64_t rows);
/// Residuals over blocks of layers (block_residuals.cpp): before each half, where the model has them.
void attend_to_blocks(OperationList& list, const LayerCall& c);
void attend_to_blocks_backward(OperationList& list, const LayerCall& c);
/// A scan over the states of one GPU's heads, from the work of a batch; whoever calls says which heads.
StateScan scan_of(const AttentionWork& w);
/// The weights of `sinks`: one a head here.
double sinks_of(const AttentionPart& s);
}  // namespace moesim::compute
