// Counts what a model holds, stores, caches and computes, exactly, from its shape alone.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/units.h"
#include "spec/model.h"

namespace moesim::spec {

enum class ParameterPart { embedding, attention, dense, routed, shared, gate, norm, head };

/// Equal weight matrices (or vectors, with one row) of a model.
struct WeightShape {
  ParameterPart part{};
  std::int64_t rows = 0, columns = 0;  // output and input width
  std::int64_t copies = 0;             // in the whole model
  std::int64_t active = 0;             // copies that one token uses
  bool linear = false;     // a layer's projection or FFN: what FP8 and FP4 releases quantise; false for gates too
  bool mtp = false;        // belongs to a multi-token prediction layer
  bool duplicate = false;  // the MTP layer's stored copy of the embedding or head
  bool selection_bias = false;
  std::int64_t each() const { return rows * columns; }
};
/// Every weight of the model, MTP layers last.
std::vector<WeightShape> weight_shapes(const Model& model);

/// Numbers of parameters.  total() and active leave the MTP layers out.
struct Parameters {
  std::int64_t embedding = 0, attention = 0, dense = 0, routed = 0, shared = 0;
  std::int64_t gate = 0;  // with the selection bias
  std::int64_t norms = 0, head = 0;
  std::int64_t mtp = 0;                  // what the MTP layers add
  std::int64_t mtp_stored = 0;           // the same with their stored copies of embedding and head
  std::int64_t fp8_scales = 0;           // of 128 x 128 blocks, MTP included; 0 unless the release is FP8
  std::int64_t active = 0;               // used by one token
  std::int64_t active_no_embedding = 0;  // without the input embedding, which is looked up, not multiplied
  std::int64_t total() const { return embedding + attention + dense + routed + shared + gate + norms + head; }
  /// As the Hugging Face page counts the released files.
  std::int64_t stored() const { return total() + mtp_stored + fp8_scales; }
};
Parameters count_parameters(const Model& model);

std::int64_t expert_parameters(const Model& model);     // one routed expert in one layer; 0 for a dense model
std::int64_t attention_parameters(const Model& model);  // one layer that caches, with its latent and head norms,
                                                        // without an indexer
std::int64_t attention_parameters(const Model& model, AttentionKind kind);  // one of its layers of that kind
std::int64_t indexer_parameters(const Model& model);                        // one layer's (DSA); 0 without
std::int64_t gate_parameters(const Model& model);                           // one layer, without the selection bias

/// How weights are stored.  fp32, bf16, fp16: all of them so.  Else the projections of layers as spec/dtype.h says, a
/// selection bias in FP32, the rest in BF16 (DeepSeek-V3).
struct Storage {
  Dtype dtype = Dtype::bf16;
  std::optional<Dtype> attention, experts;  // of their projections, if in another
  Dtype of(ParameterPart part) const;
  /// Whether any projection is stored in fewer than 16 bits.
  bool quantised() const;
};
Storage released_storage(const Model& model);
/// "fp8", "bf16, experts fp4".
std::string storage_text(const Storage& storage);
/// Bytes of the weights, MTP layers left out.
Bytes weight_bytes(const Model& model, Storage storage);
/// Bytes of the released files' weights: as released, with MTP layers and their duplicates.
Bytes released_bytes(const Model& model);
/// Bytes of the weights a decode step of `batch` tokens reads, each weight once; a token's experts are drawn
/// independently and uniformly, so a layer's step reads experts x (1 - (1 - top_k/experts)^batch) of them on average.
double weight_bytes_read(const Model& model, Storage storage, int batch);

enum class CacheFormat {
  bf16,    ///< two bytes an element
  fp8,     ///< one byte an element
  fp8_mla  ///< MLA: FP8 latent, an FP32 scale for each 128 of it, BF16 rope part (656 B for 512 + 64); else as fp8
};
constexpr auto enum_names(CacheFormat) {
  return std::to_array<std::pair<std::string_view, CacheFormat>>(
      {{"bf16", CacheFormat::bf16}, {"fp8", CacheFormat::fp8}, {"fp8_mla", CacheFormat::fp8_mla}});
}
/// Whether the cache holds a latent instead of keys and values, and decoding attends to that.
bool caches_latent(const Model& model);
/// Keys and values of one token in one layer that keeps them, an indexer's key apart.
Bytes cache_bytes_per_layer(const Model& model, CacheFormat format);
/// The same in a layer of this kind: windowed layers may have heads of their own.
Bytes cache_bytes_per_layer(const Model& model, AttentionKind layer, CacheFormat format);
/// In what an indexer of entries (DeepSeek-V4) keeps its keys.
enum class EntryKeys {
  fp4,  ///< as released: 68 B for 128
  fp8   ///< on GPUs without FP4: 132 B (operator_costs.md, section 5; SGLang's and vLLM's Hopper caches)
};
/// The key of one layer's indexer; 0 where it has none of its own.  MTP modules' layers come after the model's.
Bytes index_bytes_per_layer(const Model& model, int layer, EntryKeys keys = EntryKeys::fp4);
/// The keys of all indexers for one token; 0 without.
Bytes index_bytes_per_token(const Model& model);
/// Keys and values of one token in all layers that keep them, windows not yet full, with indexers' keys.  Of entries
/// that stand for several tokens (DeepSeek-V4) its part of each; their windows, which every request has, are left out.
Bytes cache_bytes_per_token(const Model& model, CacheFormat format);
/// What the layers with a state keep of one sequence, whatever its length; 0 in most models.
Bytes state_bytes(const Model& model);
/// Operations of one token on those states, beside products with weights.
double state_flops(const Model& model);
/// Cache of one sequence of `context` tokens, states included; a windowed layer keeps its window only.
Bytes cache_bytes(const Model& model, std::int64_t context, CacheFormat format);

/// The same if the model cached by another kind of attention: MHA a key and a value for each of its heads, GQA for 8 KV
/// heads, MLA a latent of 512 and a rope part of 64 (its own if it is an MLA model).
Bytes cache_bytes_as(const Model& model, AttentionKind kind, std::int64_t context, CacheFormat format);

/// Operations of one token; 2 for each parameter in use (input embedding left out) plus attention over its context:
/// 2 x heads x (QK width + V width) for each token attended to, 2 x index heads x their width for each that an indexer
/// scores (DSA), and state_flops().  MTP layers left out.
///
/// decode: a token that attends to `context` tokens (its own included); MLA computes in the latent space (absorbed),
/// widths kv_lora + rope and kv_lora.
Flops decode_flops(const Model& model, std::int64_t context);
/// prefill: mean over the tokens of a sequence of `length`, causal (half the square); MLA computes in full heads; DSA
/// in the latent space where a prompt is longer than what it picks, else as MLA without scores.
Flops prefill_flops(const Model& model, std::int64_t length);
/// training: three times the forward pass.  Non-causal counts the whole square, as many publications do.
/// DSA trains in the latent space; its indexer learns from the picks alone (DeepSeek-V3.2-Exp report, section 2.1.1).
Flops training_flops(const Model& model, std::int64_t length, bool causal);
}  // namespace moesim::spec
