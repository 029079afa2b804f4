// DeepSeek-V4: one key and value head that all query heads share, over a window of tokens and entries that each stand
// for several; what picks entries; the output projection by groups of heads.
// Source: transformers' modeling_deepseek_v4.py and the released tensors' names.
#include <algorithm>
#include <numeric>

#include "core/ceil_div.h"
#include "spec/attention_rules.h"
#include "spec/check_model.h"
#include "spec/scale_steps.h"

namespace moesim::spec {
namespace {
/// Entries that overlap are made of two halves.
int halves(const Model& m, int entry) { return entry == m.attention.compressed->indexed ? 2 : 1; }

/// What makes entries `width` wide of `entry` tokens: places within one, keys and gates, a norm.  In 16 bits or more,
/// as no method quantises them.
void add_compressor(const Model& m, std::int64_t width, int entry, std::vector<AttentionWeight>& out) {
  const std::int64_t wide = halves(m, entry) * width;
  out.insert(out.end(), {{1, entry * wide, false}, {2 * wide, m.hidden, false}, {1, width, false}});
}

class CompressedRules final : public AttentionRules {
 public:
  void check(const AttentionShape& a, const FieldChecks& checks) const override {
    if (!a.compressed) checks.fail("attention.compressed", "is needed for {}", name_of(a.kind));
    if (!a.indexer) checks.fail("attention.indexer", "is needed for {}", name_of(a.kind));
    if (a.kv_heads != 1) checks.fail("attention.kv_heads", "must be 1 for {}, got {}", name_of(a.kind), a.kv_heads);
    if (a.v_head_dim != a.head_dim)
      checks.fail("attention.v_head_dim", "must be the head_dim {}: keys are the values, got {}", a.head_dim,
                  a.v_head_dim);
    checks.positive("attention.q_lora_rank", a.q_lora_rank);
    checks.count("attention.qk_rope_head_dim", a.qk_rope_head_dim, a.head_dim);
    checks.positive("attention.indexer.heads", a.indexer->heads);
    checks.positive("attention.indexer.head_dim", a.indexer->head_dim);
    checks.positive("attention.indexer.top_k", a.indexer->top_k);
    const CompressedShape& s = *a.compressed;
    checks.count("attention.compressed.window", s.window, kMostWidth);
    checks.count("attention.compressed.output_rank", s.output_rank, kMostWidth);
    checks.count("attention.compressed.output_groups", s.output_groups, a.heads);
    checks.count("attention.compressed.indexed", s.indexed, kMostWidth);
    if (a.heads % s.output_groups != 0)
      checks.fail("attention.compressed.output_groups", "must divide the {} heads, got {}", a.heads, s.output_groups);
  }

  std::vector<AttentionWeight> weights(const Model& m) const override {
    const AttentionShape& a = m.attention;
    const std::int64_t q = std::int64_t{a.heads} * a.head_dim;
    return {{a.q_lora_rank, m.hidden}, {1, a.q_lora_rank, false}, {q, a.q_lora_rank},
            {a.head_dim, m.hidden},    {1, a.head_dim, false},    {output_width(m), q / a.compressed->output_groups}};
  }
  std::vector<AttentionWeight> entry_weights(const Model& m, int entry) const override {
    std::vector<AttentionWeight> out;
    if (entry > 0) add_compressor(m, m.attention.head_dim, entry, out);
    return out;
  }
  std::vector<AttentionWeight> indexer_weights(const Model& m) const override {
    const IndexerShape& x = *m.attention.indexer;
    std::vector<AttentionWeight> out = {{std::int64_t{x.heads} * x.head_dim, m.attention.q_lora_rank},
                                        {x.heads, m.hidden, false}};
    add_compressor(m, x.head_dim, m.attention.compressed->indexed, out);
    return out;
  }
  std::int64_t output_width(const Model& m) const override {
    return std::int64_t{m.attention.compressed->output_groups} * m.attention.compressed->output_rank;
  }
  RotatedColumns rotated_columns(const Model& m) const override {
    return {m.attention.head_dim - m.attention.qk_rope_head_dim, m.attention.qk_rope_head_dim, true};
  }

  // Of a token in the window, and of an entry.  FP8: 448 columns with 8 bytes of exponents beside 64 rotated ones in
  // BF16, 584 B for 512, as the kernels of the release store them.
  Bytes token_bytes(const AttentionShape& a, CacheFormat format) const override {
    constexpr int kExponents = 8;
    if (format == CacheFormat::bf16) return {2 * std::int64_t{a.head_dim}};
    return {std::int64_t{a.head_dim} + a.qk_rope_head_dim + kExponents};
  }
  // The key of an entry, a token's part of it: FP4 with an 8-bit exponent for 32, as released; or FP8 with an FP32
  // scale for 128.
  Bytes index_key_bytes(const AttentionShape& a, EntryKeys keys) const override {
    const int dim = a.indexer->head_dim;
    const int key = keys == EntryKeys::fp4 ? dim / 2 + ceil_div(dim, 32) : dim + 4 * ceil_div(dim, 128);
    return {ceil_div(key, a.compressed->indexed)};
  }
  // Keys and gates of the tokens of an entry that is not full, in FP32; the indexer's beside them.
  Bytes unfinished_bytes(const Model& m, int entry) const override {
    const AttentionShape& a = m.attention;
    if (entry == 0) return {};
    const std::int64_t width = a.head_dim + (entry == a.compressed->indexed ? a.indexer->head_dim : 0);
    return {std::int64_t{entry} * 2 * halves(m, entry) * width * 4};
  }
  int latent_width(const AttentionShape&) const override { return 0; }
  std::int64_t decode_width(const AttentionShape& a) const override { return a.head_dim + a.v_head_dim; }
  AttentionShape instead_of(AttentionShape own) const override { return own; }

  void scale(AttentionShape& a, const Scale& s) const override {
    const int heads = a.heads, index_heads = a.indexer->heads;
    not_for("kv_heads", s.kv_heads, "all heads share one key");
    not_for("v_head_dim", s.v_head_dim, "keys are the values; give head_dim");
    not_for("kv_lora_rank", s.kv_lora_rank, "keys and values have no latent");
    not_for("qk_nope_head_dim", s.qk_nope_head_dim, "give head_dim and qk_rope_head_dim");
    a.heads = smaller("heads", s.heads, a.heads, s.factor);
    const double rest = left_of_factor(a, s, heads);
    a.qk_rope_head_dim = smaller("qk_rope_head_dim", s.qk_rope_head_dim, a.qk_rope_head_dim, rest, 2, 4);
    a.head_dim = a.v_head_dim = smaller("head_dim", s.head_dim, a.head_dim, rest, 2, a.qk_rope_head_dim);
    a.q_lora_rank = smaller("q_lora_rank", s.q_lora_rank, a.q_lora_rank, s.factor, 1, 4);
    a.compressed->output_groups = std::gcd(a.compressed->output_groups, a.heads);
    a.compressed->output_rank = smaller("q_lora_rank", {}, a.compressed->output_rank, s.factor, 1, 4);
    IndexerShape& x = *a.indexer;
    x.heads = smaller("index_heads", s.index_heads, x.heads, s.factor);
    const double left = std::max(1.0, s.factor * double(x.heads) / double(index_heads));
    x.head_dim = smaller("index_head_dim", s.index_head_dim, x.head_dim, left, 2, a.qk_rope_head_dim);
  }
  void fit_laptop(const AttentionShape& a, Scale& s) const override {
    s.head_dim = std::min(32, a.head_dim);
    s.qk_rope_head_dim = std::min(8, a.qk_rope_head_dim);
    s.q_lora_rank = std::min(48, a.q_lora_rank);
    s.index_heads = std::min(4, a.indexer->heads);
    s.index_head_dim = std::min(16, a.indexer->head_dim);
  }
};
}  // namespace

const AttentionRules& compressed_rules() {
  static const CompressedRules rules;
  return rules;
}

void check_compressed(const Model& m, const FieldChecks& checks) {
  const CompressedShape& s = *m.attention.compressed;
  if (m.attention.kind != AttentionKind::compressed)
    checks.fail("attention.compressed", "goes with attention of kind compressed, got {}", name_of(m.attention.kind));
  if (int(s.entries.size()) != m.layers + m.mtp_layers)
    checks.fail("attention.compressed.entries", "must have one for each of {} layers and {} MTP modules, got {}",
                m.layers, m.mtp_layers, s.entries.size());
  for (const int one : s.entries)
    if (one < 0 || one > kMostWidth)
      checks.fail("attention.compressed.entries", "must lie between 0 and {}, got {}", kMostWidth, one);
}
}  // namespace moesim::spec
