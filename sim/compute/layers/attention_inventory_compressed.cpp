// DeepSeek-V4: queries through a latent, one head of keys that are values too, entries of several tokens and what picks
// among them, attention over a window and entries, its output turned back and projected by groups of heads.  Kernels as
// serving systems run them: SGLang's and vLLM's DeepSeek-V4 backends, FlashMLA over picks, DeepGEMM's scores.
#include "compute/layers/attention_inventory.h"
#include "compute/layers/index_kernels.h"
#include "spec/attention_rules.h"

namespace moesim::compute {
namespace {
const spec::IndexerShape& entry_indexer(const AttentionPart& s) { return *s.a.indexer; }
bool picks(const AttentionPart& s) { return s.layer.index == spec::IndexUse::own; }
int halves(const AttentionPart& s) { return picks(s) ? 2 : 1; }

EntryReach entry_reach(const AttentionPart& s) {
  return {s.layer.window, s.layer.entry, picks(s) ? entry_indexer(s).top_k : 0};
}
/// Keys and entries of a prompt's query at most.
int most_read(const LayerCall& c, const AttentionPart& s) {
  const EntryReach reach = entry_reach(s);
  if (reach.picks > 0) return int(reach.window) + reach.picks;
  return int(reach.window + (reach.entry > 0 ? c.batch.prefill.longest / reach.entry : 0));
}
AttentionHeads heads_on_one_key(const spec::AttentionShape& a, int heads) {
  return {spec::AttentionKind::compressed, heads, 1, a.head_dim, a.head_dim, true, a.qk_rope_head_dim};
}
std::int64_t projected(const AttentionPart& s) { return s.a.q_lora_rank + s.a.head_dim; }
std::int64_t index_width(const AttentionPart& s) {
  return std::int64_t{entry_indexer(s).heads} * entry_indexer(s).head_dim;
}

/// Groups of heads here, and the columns that each projects.
struct OutputGroups {
  int count;
  std::int64_t rank, columns;
  OutputGroups(const spec::AttentionShape& a, int tensor)
      : count(share_of(a.compressed->output_groups, tensor, "output groups of heads")),
        rank(a.compressed->output_rank),
        columns(std::int64_t{a.heads} / a.compressed->output_groups * a.head_dim) {}
};
Gemm group_product(const OperationList& list, const OutputGroups& g, std::int64_t tokens, bool back) {
  Gemm out{.m = tokens, .n = g.rank, .k = g.columns, .dtype = list.linear_dtype(), .batch = g.count};
  if (back) std::swap(out.n, out.k);
  out.weights = list.stored_dtype();
  out.scales = list.scales();
  return out;
}

/// Columns of keys and gates that entries are made of, the indexer's beside the layer's own.
std::int64_t entry_columns(const AttentionPart& s) {
  if (s.layer.entry == 0) return 0;
  return 2 * halves(s) * (s.a.head_dim + (picks(s) ? entry_indexer(s).head_dim : 0));
}

/// Keys and gates of all tokens, with the weights of the indexer's heads in one product in 16 bits; then entries of
/// those that are full: weighted sums, normed, turned and stored, all in one kernel.  Every GPU of a tensor-parallel
/// group makes all of them.
void make_entries(OperationList& list, const AttentionPart& s) {
  if (s.layer.entry == 0) return;
  const std::int64_t columns = entry_columns(s), weights = picks(s) ? entry_indexer(s).heads : 0;
  const std::int64_t width = columns / 2 / halves(s);
  list.add("entry k, gate", Gemm{.m = s.tokens, .n = columns + weights, .k = s.hidden});
  list.moved("entries", MemoryKind::norm, s.tokens * columns, spec::Dtype::bf16,
             s.tokens * width / s.layer.entry + width, spec::Dtype::bf16, double(s.layer.entry * columns / 2 + width),
             s.tokens);
}

void choose(OperationList& list, const AttentionPart& s, const Batch& batch, bool decode) {
  const spec::IndexerShape& x = entry_indexer(s);
  const AttentionWork all = in_entries(decode ? batch.decode : batch.prefill, s.layer.entry);
  const AttentionWork picked = in_entries(decode ? batch.window_decode : batch.window_prefill, s.layer.entry);
  const IndexScores scores{x.heads, x.head_dim, all, true, s.layer.entry};  // prompts' are read by pages, too
  IndexTopK best = index_top_k(x.top_k, all, picked, decode);
  best.entry = s.layer.entry;
  list.add("index scores", scores);
  list.add("index top-k", best);
}

class CompressedInventory final : public AttentionInventory {
 public:
  void projections(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    list.linear("q_a, kv", s.tokens, projected(s), s.hidden);
    norms(list, s);
    list.cast("cast q latent", s.tokens * s.a.q_lora_rank);
    // The indexer reads the same latent.
    const std::int64_t index = picks(s) ? index_width(s) : 0;
    list.linear(index > 0 ? "q_b, index q" : "q_b", s.tokens, s.q + index, s.a.q_lora_rank);
    rotate(list, "rope", s.tokens, rotated_columns(c, s));
    make_entries(list, s);
    if (index > 0)  // turned, rotated by a Hadamard matrix and cast in one kernel
      list.moved("index rope, cast", MemoryKind::cast, s.tokens * index, spec::Dtype::bf16, s.tokens * index,
                 spec::Dtype::fp8);
  }
  std::int64_t cached_width(const AttentionPart&) const override { return 0; }  // stored as it is normed
  AttentionHeads prompt_heads(const AttentionPart& s) const override { return heads_on_one_key(s.a, s.heads); }

  void prompt_core(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const EntryReach reach = entry_reach(s);
    if (picks(s)) choose(list, s, c.batch, false);
    const AttentionWork work = entry_work(c.batch, false, reach);
    const spec::Dtype cache = c.options.training ? spec::Dtype::bf16 : c.options.precision.kv_cache;
    const double sinks = sinks_of(s);
    list.add("attention", SparsePrefill{heads_on_one_key(s.a, s.heads), work, most_read(c, s), cache}, sinks,
             work.queries, {std::int64_t(2 * sinks)});
  }
  void decode_core(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const Precisions& p = c.options.precision;
    const EntryReach reach = entry_reach(s);
    if (picks(s)) choose(list, s, c.batch, true);
    AttentionDecode decode{heads_on_one_key(s.a, s.heads), entry_work(c.batch, true, reach), p.attention, p.kv_cache};
    decode.picks = reach.picks > 0 ? int(reach.window) + reach.picks : 0;
    decode.reach = reach;
    const double sinks = sinks_of(s);
    list.add("attention decode", decode, sinks, decode.work.queries, {std::int64_t(2 * sinks)});
  }
  // The rotated columns of the output are turned back: keys are values.
  void gate_output(OperationList& list, const AttentionPart& s) const override {
    const OutputGroups g(s.a, s.a.heads / s.heads);
    rotate(list, "turn back", s.tokens, std::int64_t{s.heads} * s.a.qk_rope_head_dim);
    list.cast("cast heads", s.tokens * s.q);
    list.add("o_a", group_product(list, g, s.tokens, false));
  }

  void gate_output_backward(OperationList& list, const AttentionPart& s) const override {
    const OutputGroups g(s.a, s.a.heads / s.heads);
    list.cast("cast output gradient", s.tokens * s.o);
    list.add("o_a dgrad", group_product(list, g, s.tokens, true));
    list.cast_transpose("cast heads for weights", s.tokens * (s.q + s.o));
    rotate(list, "turn back backward", s.tokens, std::int64_t{s.heads} * s.a.qk_rope_head_dim);
  }
  void recompute(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const Recompute& again = c.options.recompute;
    if (again.norms || again.up_projections) norms(list, s);
    if (again.up_projections) queries(list, c, s);
  }
  void core_backward(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const AttentionWork work = entry_work(c.batch, false, entry_reach(s));
    if (work.queries == 0) return;
    list.add_attention_backward("attention backward",
                                {heads_on_one_key(s.a, s.heads), work, c.options.precision.attention, most_read(c, s)},
                                sinks_of(s));
  }
  std::int64_t rotated_columns(const LayerCall&, const AttentionPart& s) const override {
    return std::int64_t{s.heads + 1} * s.a.qk_rope_head_dim;
  }
  void heads_backward(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    list.cast("cast dq", s.tokens * s.q);
    list.linear("q_b dgrad", s.tokens, s.a.q_lora_rank, s.q);
    list.cast_transpose("cast dq for weights", s.tokens * s.q);
    list.cast_transpose("cast q latent for weights", s.tokens * s.a.q_lora_rank);
    if (s.layer.entry > 0) entries_backward(list, s, s.a.head_dim, "entries backward");
    if (picks(s)) index_backward(list, c, s);
    list.norm_backward("norm q latent backward", s.tokens, s.a.q_lora_rank);
    list.norm_backward("norm kv backward", s.tokens, s.a.head_dim);
  }
  void projections_backward(OperationList& list, const LayerCall&, const AttentionPart& s) const override {
    list.cast("cast projections", s.tokens * projected(s));
    list.linear("q_a, kv dgrad", s.tokens, s.hidden, projected(s));
    if (s.layer.entry > 0) {
      list.add("entry k, gate dgrad", Gemm{.m = s.tokens, .n = s.hidden, .k = 2 * halves(s) * s.a.head_dim});
      list.add_rows("add dgrads", s.tokens * s.hidden);
    }
    list.cast_transpose("cast projections for weights", s.tokens * projected(s));
  }
  void weight_gradients(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const OutputGroups g(s.a, c.options.tensor);
    list.weight("o_a wgrad", s.tokens, g.count * g.rank, g.columns);
    list.weight("q_b wgrad", s.tokens, s.q, s.a.q_lora_rank);
    list.weight(input_needed_by(s.a), s.tokens, projected(s), s.hidden, 2);
    if (s.layer.entry > 0)
      wide_gradient(list, s, "entry k, gate wgrad", entry_columns(s) + (picks(s) ? entry_indexer(s).heads : 0));
    if (!picks(s)) return;
    list.weight("index q wgrad", s.tokens, index_width(s), s.a.q_lora_rank);
  }

  std::int64_t output_width(const spec::Model& m, const LayerOptions& o) const override {
    const OutputGroups g(m.attention, o.tensor);
    return g.count * g.rank;
  }
  // A window, full; and the tokens of entries that are not.  Every GPU of a group keeps all of it.
  Bytes state_bytes(const spec::Model& m, int layer, const LayerOptions& o) const override {
    const spec::LayerAttention a = spec::layer_shape(m, layer).attention;
    return a.window * cached_token_bytes(heads_on_one_key(m.attention, m.attention.heads), o.precision.kv_cache) +
           spec::rules_of(a.kind).unfinished_bytes(m, a.entry);
  }
  std::string_view input_needed_by(const spec::AttentionShape&) const override { return "q_a, kv wgrad"; }
  std::string_view core_needed_by() const override { return "o_proj wgrad"; }
  void keep(Kept& kept, const KeptCall& c) const override {
    const spec::AttentionShape& a = c.model.attention;
    const spec::LayerAttention layer = spec::layer_shape(c.model, c.layer).attention;
    const Recompute& again = c.options.recompute;
    const bool indexed = layer.index == spec::IndexUse::own;
    const std::int64_t latents = c.tokens * (a.q_lora_rank + a.head_dim), wide = 2 * (indexed ? 2 : 1);
    kept.add("latents", "norm q latent backward", latents, spec::Dtype::bf16);
    if (!again.norms) kept.add("normed latents", "q_b wgrad", latents, kept.linear);
    if (!again.up_projections)
      kept.add("queries", "attention backward", c.tokens * c.heads * a.head_dim, spec::Dtype::bf16);
    kept.add("output of heads", "attention backward", c.tokens * c.heads * a.head_dim, spec::Dtype::bf16);
    if (layer.entry > 0) kept.add("entry k, gate", "entries backward", wide * c.tokens * a.head_dim, spec::Dtype::bf16);
    if (!indexed) return;
    kept.add("picks", "attention backward", c.tokens * a.indexer->top_k, spec::Dtype::fp32);
    kept.add("index k, gate", "index entries backward", wide * c.tokens * a.indexer->head_dim, spec::Dtype::bf16);
    kept.add("index q", "index scores backward", c.tokens * a.indexer->heads * a.indexer->head_dim, spec::Dtype::fp8);
  }
  AttentionHeads cached_heads(const spec::AttentionShape& a, int) const override {
    return heads_on_one_key(a, a.heads);
  }

 private:
  // Of the latent and of the key in one kernel, which stores the key too.
  static void norms(OperationList& list, const AttentionPart& s) {
    const std::int64_t elements = s.tokens * projected(s), stored = list.training() ? 0 : s.tokens * s.a.head_dim;
    list.moved("norms", MemoryKind::norm, elements, spec::Dtype::bf16, elements + stored, spec::Dtype::bf16,
               double(projected(s)), s.tokens);
  }
  void queries(OperationList& list, const LayerCall& c, const AttentionPart& s) const {
    list.cast("cast q latent", s.tokens * s.a.q_lora_rank);
    list.linear("q_b", s.tokens, s.q, s.a.q_lora_rank);
    rotate(list, "rope", s.tokens, rotated_columns(c, s));
  }
  static void entries_backward(OperationList& list, const AttentionPart& s, std::int64_t width, std::string_view name) {
    const std::int64_t wide = halves(s) * width;
    list.moved(name, MemoryKind::norm_backward, 2 * s.tokens * wide, spec::Dtype::bf16, 2 * s.tokens * wide,
               spec::Dtype::bf16, 2 * double(s.layer.entry * wide + width), s.tokens);
  }
  // As of DSA: the indexer learns from the picks alone, and its inputs' gradients stop at it.  What it learns is the
  // attention of all heads to them, whose scores are computed once more.
  static void index_backward(OperationList& list, const LayerCall& c, const AttentionPart& s) {
    const spec::IndexerShape& x = entry_indexer(s);
    const AttentionWork picked = in_entries(c.batch.window_prefill, s.layer.entry);
    index_target(list, heads_on_one_key(s.a, s.heads), picked, x.top_k);
    list.add("index scores backward", IndexScores{2 * x.heads, x.head_dim, picked, false, s.layer.entry});
    entries_backward(list, s, x.head_dim, "index entries backward");
  }
  static void wide_gradient(OperationList& list, const AttentionPart& s, std::string_view name, std::int64_t rows) {
    list.add(name, Gemm{.m = rows, .n = s.hidden, .k = s.tokens, .fp32_accumulate = true});
  }
};
}  // namespace

const AttentionInventory& compressed_inventory() {
  static const CompressedInventory inventory;
  return inventory;
}
}  // namespace moesim::compute
