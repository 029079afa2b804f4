// What one layer of a model is: its attention, what that reads and what it keeps, its positions and its feed-forward
// network.  The one place that knows which layers of a model differ.
#pragma once
#include <cstdint>
#include <vector>

#include "spec/model.h"

namespace moesim::spec {

/// The keys a query sees: up to its own, from first_key() on.
struct KeysRead {
  enum class Span {
    all,      ///< every key of the sequence so far
    sliding,  ///< the last `width`, its own among them
    chunk,    ///< those of its own chunk of `width` positions
    picked    ///< any `width` that an indexer picks, all while there are no more
  };
  Span span = Span::all;
  std::int64_t width = 0;

  bool bounded() const { return span != Span::all; }
  /// Of a query at `position`.
  std::int64_t first_key(std::int64_t position) const {
    switch (span) {
      case Span::all:
      case Span::picked:
        return 0;
      case Span::sliding:
        return position < width ? 0 : position - width + 1;
      case Span::chunk:
        return position / width * width;
    }
    return 0;
  }
  /// Of `context` tokens before it, those that the next token looks back on.
  std::int64_t seen(std::int64_t context) const {
    if (span == Span::picked) return context < width ? context : width - 1;
    return context - first_key(context);
  }
  bool operator==(const KeysRead&) const = default;
};

/// The tokens whose keys and values stay in the cache: all, or the `last` ones.
struct KeysKept {
  std::int64_t last = 0;  // 0: all
  bool bounded() const { return last > 0; }
  /// Of a sequence of `tokens`.
  std::int64_t of(std::int64_t tokens) const { return last > 0 && last < tokens ? last : tokens; }
  bool operator==(const KeysKept&) const = default;
};

/// When the query and key heads are normalised.
enum class HeadNorm {
  none,
  before_rope,  ///< with a weight for each column of a head
  whole,        ///< of all heads together, before RoPE, with a weight for each column of all
  after_rope    ///< without weights (Llama-4)
};

/// Which columns of a head RoPE turns, and how.
struct LayerRope {
  bool active = true;        // false: this layer has no positions
  double theta = 10000;      // base of its frequencies
  bool stretched = true;     // the model's scaling to longer contexts applies
  bool interleaved = false;  // a pair is two neighbours; false: half of the turning columns apart
  int first = 0, dims = 0;   // the columns of a query head that turn
  bool operator==(const LayerRope&) const = default;
};

/// Where a layer's picked keys come from.
enum class IndexUse {
  none,   ///< it picks none
  own,    ///< an indexer of its own
  shared  ///< the nearest indexer of a layer before
};

struct LayerAttention {
  AttentionKind kind = AttentionKind::mha;
  KeysRead reads;
  KeysKept keeps;
  LayerRope rope;
  HeadNorm head_norm = HeadNorm::none;
  IndexUse index = IndexUse::none;
  int entry = 0;            // tokens that one entry stands for (spec/compressed_shape.h); 0: it has none
  std::int64_t window = 0;  // tokens it reads and keeps as they are, beside entries or alone; 0: not of this kind
  /// Of a sequence of `tokens`, the keys that it keeps.
  std::int64_t kept(std::int64_t tokens) const {
    if (window == 0) return keeps.of(tokens);
    return (tokens < window ? tokens : window) + (entry > 0 ? tokens / entry : 0);
  }
  bool operator==(const LayerAttention&) const = default;
};

enum class FfnKind { dense, experts, none };
struct LayerFfn {
  FfnKind kind = FfnKind::dense;
  int width = 0;  // inner width of the dense network, or of one routed expert
  bool operator==(const LayerFfn&) const = default;
};

struct LayerShape {
  LayerAttention attention;
  LayerFfn ffn;
  bool has_experts() const { return ffn.kind == FfnKind::experts; }
  bool operator==(const LayerShape&) const = default;
};

/// Layer `layer` of the model.  From model.layers on: the MTP modules, which read everything and have experts if the
/// model is a mixture.  Cheap: nothing is stored, so it follows whatever is done to the model.
LayerShape layer_shape(const Model& model, int layer);
inline bool has_experts(const Model& model, int layer) { return layer_shape(model, layer).has_experts(); }
/// All of them, MTP modules left out.
std::vector<LayerShape> layer_shapes(const Model& model);

/// What the layers read that do not read everything; everything if there is no window and no indexer.
KeysRead windowed_read(const Model& model);
/// What those layers keep.
KeysKept windowed_keep(const Model& model);
/// How many of the model's layers have an indexer of their own.
int layers_with_indexer(const Model& model);
/// How many of the model's layers keep something for each token, all or the last ones.
int caching_layers(const Model& model);
/// Layers, MTP modules among them where `mtp`, whose entries are of so many tokens, for each such number.
struct EntryLayers {
  int entry = 0, layers = 0;
};
std::vector<EntryLayers> entry_layers(const Model& model, bool mtp);
/// How many of the model's layers have attention of this kind.
int layers_of_kind(const Model& model, AttentionKind kind);
/// The heads of layers of this kind: a model's windowed layers may have others than the rest.
AttentionShape heads_of(const AttentionShape& attention, AttentionKind kind);
/// How many of the model's layers read a window.
int windowed_layers(const Model& model);

/// Whether a layer has RoPE by RopeShape::no_rope_every.
bool has_rope(const RopeShape& rope, int layer);
}  // namespace moesim::spec
