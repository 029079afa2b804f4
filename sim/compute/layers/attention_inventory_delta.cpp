// Gated DeltaNet: two projections, the short convolution, the scan over states, the gated norm of its output.
// As SGLang and vLLM run it: the decay and the step are found in a small kernel before a prompt's scan, and inside the
// kernel of next tokens (fused_recurrent_gated_delta_rule_packed_decode).
#include <algorithm>

#include "compute/layers/attention_inventory.h"
#include "core/ceil_div.h"
#include "spec/attention_rules.h"

namespace moesim::compute {
namespace {
/// The heads of one GPU.
struct DeltaPart {
  const spec::DeltaShape& d;
  int key_heads, value_heads;
  DeltaPart(const spec::Model& m, int tensor)
      : d(*m.delta),
        key_heads(share_of(d.key_heads, tensor, "key heads of gated DeltaNet")),
        value_heads(share_of(d.value_heads, tensor, "value heads of gated DeltaNet")) {}
  std::int64_t keys() const { return std::int64_t{key_heads} * d.key_dim; }
  std::int64_t values() const { return std::int64_t{value_heads} * d.value_dim; }
  std::int64_t channels() const { return 2 * keys() + values(); }
  std::int64_t projected() const { return channels() + values(); }
  std::int64_t gates() const { return 2 * std::int64_t{value_heads}; }
  double taps() const { return double(channels()) * d.convolution; }

  StateScan scan(const AttentionWork& w) const {
    StateScan s = scan_of(w);
    s.key_heads = key_heads, s.value_heads = value_heads, s.key_dim = d.key_dim, s.value_dim = d.value_dim;
    return s;
  }
  ShortConvolution convolution(const AttentionWork& w, bool decode) const {
    return {channels(), d.convolution, w.sequences, w.queries, decode};
  }
};

class DeltaInventory final : public AttentionInventory {
 public:
  void projections(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const DeltaPart p(c.model, c.options.tensor);
    list.linear("qkvz", s.tokens, p.projected(), s.hidden);
    list.linear("ba", s.tokens, p.gates(), s.hidden);
  }
  std::int64_t cached_width(const AttentionPart&) const override { return 0; }
  AttentionHeads prompt_heads(const AttentionPart& s) const override {
    return {s.a.kind, s.heads, s.kv_heads, 0, 0, false};
  }

  // Each stretch of a batch that computes prompts and next tokens reads the layer's vectors; weights count them once.
  void prompt_core(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const AttentionWork& w = c.batch.prefill;
    if (w.queries == 0) return;
    const DeltaPart p(c.model, c.options.tensor);
    list.add("convolution", p.convolution(w, false), p.taps(), w.queries, {std::int64_t(2 * p.taps())});
    list.moved("decay, step", MemoryKind::copy, w.queries * p.gates(), spec::Dtype::bf16, w.queries * p.gates(),
               spec::Dtype::fp32);
    list.add_scan("scan", p.scan(w), double(p.gates()));
    gated_norm(list, p, w.queries);
    (void)s;
  }
  void decode_core(OperationList& list, const LayerCall& c, const AttentionPart&) const override {
    const AttentionWork& w = c.batch.decode;
    const DeltaPart p(c.model, c.options.tensor);
    StateScan scan = p.scan(w);
    scan.decode = true;
    list.add("convolution decode", p.convolution(w, true), p.taps(), w.queries, {std::int64_t(2 * p.taps())});
    list.add_scan("recurrence", scan, double(p.gates()));
    gated_norm(list, p, w.queries);
  }

  void recompute(OperationList&, const LayerCall&, const AttentionPart&) const override {}
  void core_backward(OperationList& list, const LayerCall& c, const AttentionPart&) const override {
    const AttentionWork& w = c.batch.prefill;
    if (w.queries == 0) return;
    const DeltaPart p(c.model, c.options.tensor);
    list.moved("gated norm backward", MemoryKind::norm_backward, 3 * w.queries * p.values(), spec::Dtype::bf16,
               2 * w.queries * p.values(), spec::Dtype::bf16, 2 * double(p.d.value_dim), w.queries);
    StateScan scan = p.scan(w);
    scan.backward = true;
    list.add_scan("scan backward", scan, 2 * double(p.gates()));
    // Inputs and gradients in, gradients out; the taps' own are sums of the same products.
    list.moved("convolution backward", MemoryKind::norm_backward, 2 * w.queries * p.channels(), spec::Dtype::bf16,
               w.queries * p.channels(), spec::Dtype::bf16, 2 * p.taps(), w.queries);
  }
  std::int64_t rotated_columns(const LayerCall&, const AttentionPart&) const override { return 0; }
  void heads_backward(OperationList&, const LayerCall&, const AttentionPart&) const override {}
  void projections_backward(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const DeltaPart p(c.model, c.options.tensor);
    list.cast("cast dqkvz", s.tokens * p.projected());
    list.linear("qkvz dgrad", s.tokens, s.hidden, p.projected());
    list.linear("ba dgrad", s.tokens, s.hidden, p.gates());
    list.cast_transpose("cast dqkvz for weights", s.tokens * p.projected());
  }
  void weight_gradients(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const DeltaPart p(c.model, c.options.tensor);
    list.weight("qkvz wgrad", s.tokens, p.projected(), s.hidden);
    list.weight("ba wgrad", s.tokens, p.gates(), s.hidden);
  }

  std::int64_t output_width(const spec::Model& m, const LayerOptions& o) const override {
    return DeltaPart(m, o.tensor).values();
  }
  std::string_view core_needed_by() const override { return "gated norm backward"; }
  Bytes state_bytes(const spec::Model& m, int, const LayerOptions& o) const override {
    (void)DeltaPart(m, o.tensor);  // refuses what does not divide
    return {spec::rules_of(spec::AttentionKind::gated_delta).state_bytes(m).v / o.tensor};
  }
  std::string_view input_needed_by(const spec::AttentionShape&) const override { return "qkvz wgrad"; }
  void keep(Kept& kept, const KeptCall& c) const override {
    const DeltaPart p(c.model, c.options.tensor);
    kept.add("q, k, v before convolution", "convolution backward", c.tokens * p.channels(), spec::Dtype::bf16);
    kept.add("q, k, v", "scan backward", c.tokens * p.channels(), spec::Dtype::bf16);
    kept.add("decay, step", "scan backward", c.tokens * p.gates(), spec::Dtype::fp32);
    kept.add("output before its norm, gates", "gated norm backward", 2 * c.tokens * p.values(), spec::Dtype::bf16);
  }
  AttentionHeads cached_heads(const spec::AttentionShape& a, int) const override { return {a.kind, 0, 0, 0, 0, false}; }

 private:
  static void gated_norm(OperationList& list, const DeltaPart& p, std::int64_t tokens) {
    list.moved("gated norm", MemoryKind::norm, 2 * tokens * p.values(), spec::Dtype::bf16, tokens * p.values(),
               spec::Dtype::bf16, double(p.d.value_dim), tokens);
  }
};
}  // namespace

StateScan scan_of(const AttentionWork& w) {
  StateScan s;
  s.sequences = w.sequences, s.tokens = w.queries;
  // Of the longest sequence its tokens in the cache are the mean: exact where all have as many.
  const std::int64_t cached = (w.keys - w.queries) / w.sequences;
  s.longest = std::clamp(w.longest - cached, ceil_div(w.queries, w.sequences), w.queries);
  s.resumed = cached > 0;
  return s;
}

const AttentionInventory& delta_inventory() {
  static const DeltaInventory inventory;
  return inventory;
}
}  // namespace moesim::compute
