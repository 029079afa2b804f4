// A released model as its config.json describes it: layers, tensors, caches and number formats.  It covers kinds of
// layers that nothing here can run; what can run is spec::Model.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/units.h"
#include "spec/release/weight_format.h"

namespace moesim::spec {

/// Which part of a release a tensor belongs to; counts of the model are of the backbone alone.
enum class Owner {
  backbone,
  mtp,       ///< multi-token prediction modules
  vision,    ///< the vision tower and its projector
  audio,     ///< the audio tower and its projector
  uncounted  ///< small vectors that the published count of the model leaves out
};
constexpr auto enum_names(Owner) {
  return std::to_array<std::pair<std::string_view, Owner>>({{"backbone", Owner::backbone},
                                                            {"mtp", Owner::mtp},
                                                            {"vision", Owner::vision},
                                                            {"audio", Owner::audio},
                                                            {"uncounted", Owner::uncounted}});
}

/// What a tensor is for.
enum class TensorKind {
  embedding,
  attention,
  indexer,
  state,
  dense,
  routed,
  shared,
  gate,
  residual,
  norm,
  head,
  tower
};
constexpr auto enum_names(TensorKind) {
  return std::to_array<std::pair<std::string_view, TensorKind>>({{"embedding", TensorKind::embedding},
                                                                 {"attention", TensorKind::attention},
                                                                 {"indexer", TensorKind::indexer},
                                                                 {"state", TensorKind::state},
                                                                 {"dense", TensorKind::dense},
                                                                 {"routed", TensorKind::routed},
                                                                 {"shared", TensorKind::shared},
                                                                 {"gate", TensorKind::gate},
                                                                 {"residual", TensorKind::residual},
                                                                 {"norm", TensorKind::norm},
                                                                 {"head", TensorKind::head},
                                                                 {"tower", TensorKind::tower}});
}

/// Who may quantise a tensor.
enum class Takes {
  nothing,  ///< embeddings, norms, biases, convolutions: stay as they are
  linear,   ///< a layer's projections: every method
  head,     ///< the LM head: a method that says so, or one that takes every linear map
  gate      ///< the experts' gate: no method that is read
};

/// Equal tensors: of one layer, all experts' together.
struct Tensor {
  std::string name;  // "layers.3.self_attn.q_proj"; of an expert: "layers.3.mlp.experts.0.up_proj"
  TensorKind kind{};
  Owner owner{};
  std::int64_t rows = 0, columns = 0;   // output and input width; a vector has one row
  std::int64_t copies = 1, active = 1;  // how many there are, and how many a token uses
  Takes takes{};
  bool fp32 = false;       // released in FP32 whatever the rest is
  bool duplicate = false;  // the MTP module's stored copy of embedding or head
  std::int64_t each() const { return rows * columns; }
  std::int64_t all() const { return rows * columns * copies; }
};

/// What keeps the past of a layer.
enum class MixerKind {
  none,
  full,               ///< keys and values of all tokens
  window,             ///< of the last ones
  chunk,              ///< of a fixed piece
  latent,             ///< MLA
  sparse_latent,      ///< MLA over tokens that an indexer picks
  block_sparse,       ///< attention over blocks that an indexer picks
  compressed_sparse,  ///< one entry for a few tokens, picked by an indexer, and a window
  compressed,         ///< one entry for many tokens, and a window
  gated_delta,        ///< gated DeltaNet
  kimi_delta,         ///< Kimi Delta Attention
  mamba,              ///< Mamba-1
  mamba2,
  short_convolution,
  lightning  ///< linear attention with a fixed decay
};
constexpr auto enum_names(MixerKind) {
  return std::to_array<std::pair<std::string_view, MixerKind>>({{"none", MixerKind::none},
                                                                {"full", MixerKind::full},
                                                                {"window", MixerKind::window},
                                                                {"chunk", MixerKind::chunk},
                                                                {"latent", MixerKind::latent},
                                                                {"sparse_latent", MixerKind::sparse_latent},
                                                                {"block_sparse", MixerKind::block_sparse},
                                                                {"compressed_sparse", MixerKind::compressed_sparse},
                                                                {"compressed", MixerKind::compressed},
                                                                {"gated_delta", MixerKind::gated_delta},
                                                                {"kimi_delta", MixerKind::kimi_delta},
                                                                {"mamba", MixerKind::mamba},
                                                                {"mamba2", MixerKind::mamba2},
                                                                {"short_convolution", MixerKind::short_convolution},
                                                                {"lightning", MixerKind::lightning}});
}

enum class FeedKind { none, dense, experts, both };
constexpr auto enum_names(FeedKind) {
  return std::to_array<std::pair<std::string_view, FeedKind>>(
      {{"none", FeedKind::none}, {"dense", FeedKind::dense}, {"experts", FeedKind::experts}, {"both", FeedKind::both}});
}

/// The number formats a cache can be counted in.
enum class EntryFormat {
  bf16,
  fp8,    ///< one byte an element
  packed  ///< as the publishers' kernels store it: MLA 656 B, V4 584 B and an FP4 index; else as fp8
};
constexpr auto enum_names(EntryFormat) {
  return std::to_array<std::pair<std::string_view, EntryFormat>>(
      {{"bf16", EntryFormat::bf16}, {"fp8", EntryFormat::fp8}, {"fp8_mla", EntryFormat::packed}});
}

/// What one layer keeps of a sequence: an entry for every `every` tokens, of all of them or the last `last` ones.
struct CacheEntry {
  std::int64_t bf16 = 0, fp8 = 0, packed = 0;  // bytes of one entry
  std::int64_t every = 1;
  std::int64_t last = 0;  // tokens; 0: all
  bool index = false;     // keys of an indexer
  std::int64_t bytes(EntryFormat format) const;
};

struct ReleaseLayer {
  std::vector<MixerKind> mixers;  // one; LongCat has two a layer
  FeedKind feed{};
  std::vector<CacheEntry> cache;
  std::int64_t state_bytes = 0;  // a request's recurrent and convolution states, whatever its length
  bool recurrent = false;        // that state is of use to a later request only as it was at a token: a checkpoint
};

/// The mixture, where the release has one; layers may differ in nothing of this.
struct ReleaseExperts {
  int experts = 0, top_k = 0, width = 0, idle = 0;  // idle: outputs of the gate that compute nothing
};

struct Release {
  std::string name, model_type, file;
  int hidden = 0, vocabulary = 0, max_positions = 0;
  std::vector<ReleaseLayer> layers;
  std::vector<Tensor> tensors;
  std::optional<ReleaseExperts> experts;
  std::vector<WeightFormat> formats;  // one a tensor
  std::string quantisation;           // in words; "" if nothing is quantised
  std::vector<std::string> notes;     // what was assumed, and what was not read
};
}  // namespace moesim::spec
