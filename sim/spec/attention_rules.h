// What each kind of attention makes of an AttentionShape: its checks, weights, cache and widths.  A file a kind:
// attention_heads.cpp (MHA, GQA), attention_latent.cpp (MLA), attention_sparse.cpp (DSA), attention_delta.cpp (gated
// DeltaNet), attention_mamba.cpp (Mamba-2), attention_kimi.cpp (KDA), attention_blocks.cpp (block-sparse
// GQA), attention_windowed.cpp (windowed layers with heads of their own), attention_factored.cpp (MFA),
// attention_compressed.cpp (DeepSeek-V4).
#pragma once
#include <cstdint>
#include <vector>

#include "spec/count.h"
#include "spec/field_checks.h"
#include "spec/model.h"
#include "spec/scale.h"

namespace moesim::spec {

/// One weight of a layer's attention; a vector (norm, bias) has one row.
struct AttentionWeight {
  std::int64_t rows = 0, columns = 0;
  bool matrix = true;
};
/// The columns of a query head that RoPE turns.
struct RotatedColumns {
  int first = 0, count = 0;
  bool interleaved = false;  // in pairs of neighbours; false: pairs half of them apart
};

class AttentionRules {
 public:
  virtual ~AttentionRules() = default;
  /// The rules between the fields that this kind uses; all kinds' are checked before.
  virtual void check(const AttentionShape& a, const FieldChecks& checks) const = 0;
  /// All weights of a layer but the output projection, its bias, and sinks.
  virtual std::vector<AttentionWeight> weights(const Model& m) const = 0;
  /// Those of the indexer that some layers have besides (LayerAttention::index).
  virtual std::vector<AttentionWeight> indexer_weights(const Model&) const { return {}; }
  /// Those that make entries of `entry` tokens (LayerAttention::entry).
  virtual std::vector<AttentionWeight> entry_weights(const Model&, int) const { return {}; }
  /// Columns of the output projection.
  virtual std::int64_t output_width(const Model& m) const {
    return std::int64_t{m.attention.heads} * m.attention.v_head_dim;
  }
  virtual RotatedColumns rotated_columns(const Model& m) const = 0;

  /// Keys and values of one token in one layer.
  virtual Bytes token_bytes(const AttentionShape& a, CacheFormat format) const = 0;
  /// What a layer with an indexer keeps of a token for it, in whatever format the cache is.
  virtual Bytes index_key_bytes(const AttentionShape&, EntryKeys) const { return {}; }
  /// What one request keeps in one layer whatever its length, and the operations on it for one token.
  virtual Bytes state_bytes(const Model&) const { return {}; }
  virtual double state_flops(const Model&) const { return 0; }
  /// What it keeps besides in a layer of entries of `entry` tokens: those of an entry that is not full.
  virtual Bytes unfinished_bytes(const Model&, int) const { return {}; }
  /// Width of the latent that is cached instead of keys and values; 0 if those are.
  virtual int latent_width(const AttentionShape& a) const = 0;
  /// Columns multiplied for each query head and key in decoding: of the logits and of the sum of values.
  virtual std::int64_t decode_width(const AttentionShape& a) const = 0;
  /// The same of a prompt of `length` tokens.
  virtual std::int64_t prompt_width(const AttentionShape& a, std::int64_t) const { return a.head_dim + a.v_head_dim; }
  /// The same where the model is trained.
  virtual std::int64_t training_width(const AttentionShape& a) const { return a.head_dim + a.v_head_dim; }
  /// The attention of a model that cached by this kind instead of its own.
  virtual AttentionShape instead_of(AttentionShape own) const = 0;

  /// Applies the widths of `s` that are about attention; throws ConfigError as scaled() does.
  virtual void scale(AttentionShape& a, const Scale& s) const = 0;
  /// Sets the widths of heads that a laptop computes quickly, none larger than the model's.
  virtual void fit_laptop(const AttentionShape& a, Scale& s) const = 0;
};
const AttentionRules& rules_of(AttentionKind kind);

// One a file; for rules_of().
const AttentionRules& multi_head_rules();
const AttentionRules& grouped_rules();
const AttentionRules& latent_rules();
const AttentionRules& sparse_rules();
const AttentionRules& delta_rules();
const AttentionRules& mamba_rules();
const AttentionRules& compressed_rules();
const AttentionRules& kimi_rules();
const AttentionRules& block_rules();
const AttentionRules& window_rules();
const AttentionRules& factored_rules();
const AttentionRules& no_rules();

/// The rules between the fields of `delta`, which the model has.
void check_delta(const Model& m, const FieldChecks& checks);
/// Likewise of `mamba`.
void check_mamba(const Model& m, const FieldChecks& checks);
/// Likewise of `kimi`, and of `attention.blocks`.
void check_kimi(const Model& m, const FieldChecks& checks);
void check_blocks(const Model& m, const FieldChecks& checks);
/// Likewise of `attention.window_heads`.
void check_windows(const Model& m, const FieldChecks& checks);
/// The weights of a layer of heads `a`, as AttentionRules::weights().
std::vector<AttentionWeight> head_weights(const Model& m, const AttentionShape& a);
/// Columns of a head `dim` wide that turn where a share of them does.
RotatedColumns rotated_heads(const Model& m, int dim, double share);
/// Likewise of `attention.compressed`.
void check_compressed(const Model& m, const FieldChecks& checks);
/// Applies the factor and the widths of `s` that are about it.
void scale_delta(DeltaShape& d, const Scale& s);
void scale_mamba(MambaShape& m, const Scale& s);
void scale_kimi(KimiShape& k, const Scale& s);
/// `before`: the heads of the other layers before they were scaled.
void scale_windows(AttentionShape& a, const AttentionShape& before);
}  // namespace moesim::spec
