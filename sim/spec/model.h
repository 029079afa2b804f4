// What a model is made of: the published hyper-parameters, in the field's names.  Counting is in spec/count.h.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "spec/architecture.h"
#include "spec/attention_kind.h"
#include "spec/block_shape.h"
#include "spec/compressed_shape.h"
#include "spec/delta_shape.h"
#include "spec/dtype.h"
#include "spec/indexer_shape.h"
#include "spec/kimi_shape.h"
#include "spec/mamba_shape.h"
#include "spec/moe_shape.h"
#include "spec/window_shape.h"

namespace moesim::spec {

struct AttentionShape {
  AttentionKind kind = AttentionKind::mha;
  int heads = 0;
  int kv_heads = 0;  // equal to heads for MLA, where it means nothing
  int head_dim = 0;  // of Q and K; nope + rope for MLA
  int v_head_dim = 0;
  int q_lora_rank = 0;       // MLA: 0 means queries are not compressed
  int kv_lora_rank = 0;      // MLA
  int qk_nope_head_dim = 0;  // MLA
  int qk_rope_head_dim = 0;  // MLA
  bool qkv_bias = false;
  bool o_bias = false;
  bool qk_norm = false;
  bool qk_norm_whole = false;                 // over all heads together (OLMoE, MiniMax-M2)
  bool qk_norm_bare = false;                  // counted without weights: published counts leave them out (Gemma-4)
  bool output_gate = false;                   // by the sigmoid of a second half of each query head (Qwen3-Next), or
                                              // in MLA of a product of its own (Kimi-K3)
  bool head_gate = false;                     // each head's output times the sigmoid of one number (Step)
  bool keys_are_values = false;               // values are the keys before their norm (Gemma-4); both are cached
  bool sinks = false;                         // one learned logit a head (gpt-oss)
  int sliding_window = 0;                     // tokens; 0 means none
  std::vector<int> sliding_layers;            // the layers that use it, ascending
  bool chunked = false;                       // the window is a fixed chunk instead of sliding (Llama-4)
  double query_scalar = 0;                    // the softmax scale is 1/sqrt of it (Gemma-3); 0 means of head_dim
  double temperature_scale = 0;               // attn_scale (Llama-4), for layers without RoPE; 0 means no tuning
  double temperature_floor = 0;               // floor_scale
  std::optional<IndexerShape> indexer;        // DSA; of compressed attention, among entries
  std::optional<CompressedShape> compressed;  // DeepSeek-V4 alone
  std::optional<BlockShape> blocks;           // block-sparse GQA
  std::optional<WindowShape> window_heads;    // of windowed layers, where theirs are others

  static void fields(auto& f, auto& p) {
    f("kind", p.kind,
      "MHA, GQA, MLA, DSA (MLA over keys that an indexer picks), block-sparse GQA (over blocks of them) or compressed "
      "(DeepSeek-V4)");
    f("heads", p.heads, "query heads");
    f("kv_heads", p.kv_heads, "key and value heads; equal to heads for MHA and MLA");
    f("head_dim", p.head_dim, "width of a query or key head; nope + rope for MLA");
    f("v_head_dim", p.v_head_dim, "width of a value head");
    f("q_lora_rank", p.q_lora_rank, "MLA: width of the query latent; 0 if queries are not compressed");
    f("kv_lora_rank", p.kv_lora_rank, "MLA: width of the key-value latent");
    f("qk_nope_head_dim", p.qk_nope_head_dim, "MLA: part of a head without positions");
    f("qk_rope_head_dim", p.qk_rope_head_dim, "MLA: part of a head that RoPE rotates; its key is shared by all heads");
    f("qkv_bias", p.qkv_bias, "the query, key and value projections have biases");
    f("o_bias", p.o_bias, "the output projection has a bias");
    f("qk_norm", p.qk_norm, "queries and keys are normalised, per head");
    f("qk_norm_whole", p.qk_norm_whole, "qk_norm: over all heads together instead");
    f("qk_norm_bare", p.qk_norm_bare, "qk_norm: its weights, a few a layer, are not counted");
    f("output_gate", p.output_gate,
      "queries are projected twice as wide; the sigmoid of the other half gates the output; MLA: of a product of its "
      "own");
    f("head_gate", p.head_gate, "the sigmoid of one number a head, of the layer's input, gates that head's output");
    f("keys_are_values", p.keys_are_values, "values are the keys as projected: there is no projection of values");
    f("sinks", p.sinks, "one learned logit a head joins the softmax");
    f("sliding_window", p.sliding_window, "tokens a windowed layer looks back; 0 for none");
    f("sliding_layers", p.sliding_layers, "the windowed layers, ascending");
    f("chunked", p.chunked, "the window is a fixed chunk of positions instead of sliding");
    f("query_scalar", p.query_scalar, "the softmax scale is 1/sqrt of it; 0 means of head_dim");
    f("temperature_scale", p.temperature_scale,
      "how much queries of layers without RoPE grow with the position; 0: not");
    f("temperature_floor", p.temperature_floor, "positions a step of that growth");
    f("indexer", p.indexer, "DSA: what picks the keys that are attended to; compressed: the entries");
    f("compressed", p.compressed, "DeepSeek-V4: windows, entries of several tokens, the output by groups of heads");
    f("blocks", p.blocks, "block-sparse GQA: what picks the blocks of keys that are attended to");
    f("window_heads", p.window_heads, "the heads of windowed layers, where they are others than those of the rest");
  }
};

struct RopeShape {
  double theta = 10000;
  std::string scaling = "none";  // none, yarn, llama3, linear
  double factor = 1;
  int original_positions = 0;
  double beta_fast = 32, beta_slow = 1, mscale = 1, mscale_all_dim = 0;
  double low_freq_factor = 1, high_freq_factor = 4;
  bool truncate = true;      // YaRN: round the correction range to whole dimensions
  double local_theta = 0;    // theta of the sliding-window layers if different (Gemma-3); 0 means the same
  double partial = 1;        // share of each head that rotates (GLM-4.5: 0.5)
  double local_partial = 0;  // of the sliding-window layers if different (Gemma-4); 0 means the same
  int no_rope_every = 0;     // Llama-4: every 4th layer has no RoPE; 0 means all have

  static void fields(auto& f, auto& p) {
    f("theta", p.theta, "base of the rotation frequencies");
    f("scaling", p.scaling, "none, yarn, llama3 or linear");
    f("factor", p.factor, "how many times the original context is stretched");
    f("original_positions", p.original_positions, "context before scaling");
    f("beta_fast", p.beta_fast, "YaRN: rotations above which a frequency stays");
    f("beta_slow", p.beta_slow, "YaRN: rotations below which a frequency is divided");
    f("mscale", p.mscale, "YaRN: attention temperature of the rotated part");
    f("mscale_all_dim", p.mscale_all_dim, "YaRN: attention temperature of the softmax scale");
    f("low_freq_factor", p.low_freq_factor, "Llama 3: start of the blend");
    f("high_freq_factor", p.high_freq_factor, "Llama 3: end of the blend");
    f("truncate", p.truncate, "YaRN: round the correction range to whole dimensions");
    f("local_theta", p.local_theta, "theta of the windowed layers if different; 0 means the same");
    f("partial", p.partial, "share of each head that rotates");
    f("local_partial", p.local_partial, "that share in windowed layers if different; 0 means the same");
    f("no_rope_every", p.no_rope_every, "every n-th layer has no RoPE; 0 means all have");
  }
};

/// What the publisher says, for comparison with what is counted.
struct Published {
  std::string total, active;      // in the publisher's words: "671B"
  std::int64_t stored = 0;        // parameters in the released files; 0 if not known
  bool stored_has_scales = true;  // that figure counts the FP8 scales

  static void fields(auto& f, auto& p) {
    f("total", p.total, "parameters in the publisher's words");
    f("active", p.active, "parameters a token uses in the publisher's words");
    f("stored", p.stored, "parameters in the released files");
    f("stored_has_scales", p.stored_has_scales, "that figure counts the FP8 scales");
  }
};

struct Model {
  std::string name;    // the catalogue's: deepseek-v3
  std::string title;   // DeepSeek-V3 (Dec 2024)
  std::string family;  // DeepSeek: models that are listed together
  Architecture architecture = Architecture::llama;
  std::string hugging_face;  // repository, "" if not released
  std::string unpublished;   // why nothing below is known; "" for all others
  std::string uncosted;      // why its layers have no times, where they can be computed; "" for others
  std::string unsupported;   // why a release that is counted cannot be run, and nothing below is set; "" for others
  int vocabulary = 0, hidden = 0, layers = 0;
  int dense_width = 0;  // intermediate_size of dense layers; 0 if it has none
  AttentionShape attention;
  std::optional<MoeShape> moe;      // none for a dense model
  std::optional<DeltaShape> delta;  // of layers that keep a state in place of keys and values
  std::optional<MambaShape> mamba;  // likewise
  std::optional<KimiShape> kimi;    // likewise
  std::vector<int> network_layers;  // where a layer is attention or a network: those that are a network, ascending
  RopeShape rope;
  bool tied_embeddings = false;
  int mtp_layers = 0;        // num_nextn_predict_layers
  int residual_streams = 1;  // hc_mult: copies of the residual stream that hyper-connections mix
  int residual_blocks = 0;   // attn_res_block_size: layers whose summed results every later half attends to; 0: none
  int max_positions = 0;
  int norms_per_layer = 2;  // 4 in Gemma-3, 7 in Gemma-4, whose experts and dense networks have two each
  double norm_epsilon = 1e-6;
  double swiglu_limit = 0;                                 // gpt-oss clamps at 7; 0 means no clamp
  Dtype weights = Dtype::bf16;                             // as released
  std::optional<Dtype> attention_weights, expert_weights;  // where they are released in another format
  std::string weights_note;                                // what `weights` leaves out; "" for nothing
  std::string license, source;
  Published published;

  static void fields(auto& f, auto& p) {
    f("title", p.title, "the model's full name");
    f("family", p.family, "models that are listed together");
    f.required("architecture", p.architecture, "whose layer structure and weight names it has");
    f("hugging_face", p.hugging_face, "repository of the weights");
    f("unpublished", p.unpublished, "why the structure is not known");
    f.required("vocabulary", p.vocabulary, "rows of the embedding");
    f.required("hidden", p.hidden, "width of the residual stream");
    f.required("layers", p.layers, "transformer layers, MTP layers apart");
    f("dense_width", p.dense_width, "inner width of the dense FFN; 0 if no layer has one");
    f("attention", p.attention, "how a token attends to those before it");
    f("moe", p.moe, "mixture of experts; none for a dense model");
    f("delta", p.delta, "layers of gated DeltaNet; none if all attend to keys and values");
    f("mamba", p.mamba, "layers of Mamba-2; none in most models");
    f("kimi", p.kimi, "layers of Kimi Delta Attention; none in most models");
    f("network_layers", p.network_layers,
      "where each layer is either attention or a network: those that are a network; empty: each is both");
    f("rope", p.rope, "rotary position embedding");
    f("tied_embeddings", p.tied_embeddings, "the LM head is the embedding");
    f("mtp_layers", p.mtp_layers, "multi-token prediction layers");
    f("residual_streams", p.residual_streams, "copies of the residual stream that hyper-connections mix; 1: none do");
    f("residual_blocks", p.residual_blocks,
      "layers whose results are summed to one that the halves of layers attend to; 0: they add to one stream");
    f("max_positions", p.max_positions, "longest context in the published configuration");
    f("norms_per_layer", p.norms_per_layer, "RMSNorms of the residual stream a layer");
    f("norm_epsilon", p.norm_epsilon, "epsilon of the RMSNorms");
    f("swiglu_limit", p.swiglu_limit, "clamp of the SwiGLU; 0 for none");
    f("weights", p.weights, "number format of the released weights");
    f("attention_weights", p.attention_weights, "of the attention projections; none: as weights");
    f("expert_weights", p.expert_weights, "of the routed experts; none: as weights");
    f("license", p.license, "licence of the weights");
    f("source", p.source, "where the figures come from");
    f("published", p.published, "the publisher's own counts, held against ours");
  }

  // What differs from layer to layer is in spec/layer_shape.h, and so are these.
  bool is_moe_layer(int layer) const;
  /// "" for a model whose shape is below and whose layers have times.
  const std::string& obstacle() const {
    return !unpublished.empty() ? unpublished : !unsupported.empty() ? unsupported : uncosted;
  }
  /// Numbers of a token from layer to layer; the results of all blocks of layers among them, which early layers lack.
  int stream_width() const {
    const int blocks = residual_blocks > 0 ? (layers + residual_blocks - 1) / residual_blocks : 0;
    return hidden * (residual_streams + blocks);
  }
  /// Whether each half's result is normed before it joins the stream.
  bool norms_results() const { return norms_per_layer >= 4; }
  /// Whether the dense network and the experts beside it have norms of their own, before and after.
  bool norms_branches() const { return norms_per_layer >= 7; }
  /// Width of a token on its way to routed experts and back.
  int row_width() const { return moe && moe->latent_width > 0 ? moe->latent_width : hidden; }
  /// Matrices from the input of a routed or shared expert to its inner width: gate and up, or up alone.
  int expert_inputs() const { return traits_of(architecture).gating == Gating::relu_squared ? 1 : 2; }
  /// Whether its layers are halves of others': attention or a network.
  bool halved() const { return !network_layers.empty(); }
  bool can_run() const { return obstacle().empty(); }
  bool has_qk_norm_weights() const;
  /// Model layer numbers of the MoE layers, ascending.
  std::vector<int> moe_layers() const;
};
}  // namespace moesim::spec
