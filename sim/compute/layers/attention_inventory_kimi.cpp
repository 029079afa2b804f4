// Kimi Delta Attention: projections, short convolutions of queries, keys and values, the scan over states, the gated
// norm of its output.  As SGLang and vLLM run it: decays and steps are found inside the scan (chunk_kda, flashkda_fwd);
// one next token a sequence is one kernel from the convolution to the norm (kda_fused_decode, fused_kda_decode),
// several of them, in verification, are three (causal_conv1d_update, fused_recurrent_kda, norm).
#include "compute/layers/state_inventory.h"
#include "spec/attention_rules.h"

namespace moesim::compute {
namespace {
/// The heads of one GPU.
struct KimiPart {
  const spec::KimiShape& k;
  int heads;
  KimiPart(const spec::Model& m, int tensor) : k(*m.kimi), heads(share_of(k.heads, tensor, "heads of KDA")) {}
  std::int64_t width() const { return std::int64_t{heads} * k.dim; }
  std::int64_t channels() const { return 3 * width(); }
  /// Columns of the one product that keeps the input's width: queries, keys, values, and whole gates.
  std::int64_t wide() const { return width() * (k.full_gate ? 4 : 3); }
  /// Narrow products through which decays come, and gates that are no wide ones.
  int narrow() const { return k.full_gate ? 1 : 2; }
  /// Their columns, which every GPU makes, and a step a head.
  std::int64_t narrow_columns() const { return narrow() * std::int64_t{k.dim} + heads; }
  double taps() const { return double(channels()) * k.convolution; }
  /// Rates and biases of the decays.
  double decays() const { return double(heads) + double(width()); }

  StateScan scan(const AttentionWork& w) const {
    StateScan s = scan_of(w);
    s.kind = Recurrence::kimi_delta;
    s.key_heads = s.value_heads = heads;
    s.key_dim = s.value_dim = k.dim;
    return s;
  }
  /// Of one of queries, keys and values, or of all next tokens'.
  ShortConvolution convolution(const AttentionWork& w, bool decode) const {
    return {decode ? channels() : width(), k.convolution, w.sequences, w.queries, decode, Recurrence::kimi_delta};
  }
  StateCore core() const { return {width(), double(k.dim), channels(), taps(), decays()}; }
};

class KimiInventory final : public StateInventory {
 public:
  void projections(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const KimiPart p(c.model, c.options.tensor);
    list.linear(p.k.full_gate ? "qkv, gate" : "qkv", s.tokens, p.wide(), s.hidden);
    list.linear("decay down, step", s.tokens, p.narrow_columns(), s.hidden);
    list.cast("cast decay latent", s.tokens * p.narrow() * p.k.dim);
    list.linear("decay up", s.tokens, p.width(), p.k.dim);
    if (!p.k.full_gate) list.linear("gate up", s.tokens, p.width(), p.k.dim);
  }

  // Each stretch of a batch that computes prompts and next tokens reads the layer's vectors; weights count them once.
  void prompt_core(OperationList& list, const LayerCall& c, const AttentionPart&) const override {
    const AttentionWork& w = c.batch.prefill;
    if (w.queries == 0) return;
    const KimiPart p(c.model, c.options.tensor);
    for (const char* of : {"convolution q", "convolution k", "convolution v"})
      list.add(of, p.convolution(w, false), p.taps() / 3, w.queries, {std::int64_t(2 * p.taps() / 3)});
    list.add_scan("scan", p.scan(w), p.decays());
    gated_norm(list, p.core(), w.queries);
  }
  void decode_core(OperationList& list, const LayerCall& c, const AttentionPart&) const override {
    const AttentionWork& w = c.batch.decode;
    const KimiPart p(c.model, c.options.tensor);
    StateScan scan = p.scan(w);
    scan.decode = true;
    if (w.queries == w.sequences) {
      scan.taps = p.k.convolution;
      return list.add_scan("recurrence", scan, p.decays() + p.taps() + p.k.dim);
    }
    list.add("convolution decode", p.convolution(w, true), p.taps(), w.queries, {std::int64_t(2 * p.taps())});
    list.add_scan("recurrence", scan, p.decays());
    gated_norm(list, p.core(), w.queries);
  }

  void recompute(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const KimiPart p(c.model, c.options.tensor);
    if (c.options.recompute.up_projections) list.linear("decay up again", s.tokens, p.width(), p.k.dim);
  }
  void core_backward(OperationList& list, const LayerCall& c, const AttentionPart&) const override {
    const AttentionWork& w = c.batch.prefill;
    if (w.queries == 0) return;
    const KimiPart p(c.model, c.options.tensor);
    core_gradients(list, p.core(), p.scan(w), w.queries);
  }
  void heads_backward(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const KimiPart p(c.model, c.options.tensor);
    list.cast("cast decays' gradient", s.tokens * p.narrow() * p.width());
    list.linear("decay up dgrad", s.tokens, p.k.dim, p.width());
    if (!p.k.full_gate) list.linear("gate up dgrad", s.tokens, p.k.dim, p.width());
    list.cast_transpose("cast decays' gradient for weights", s.tokens * p.narrow() * p.width());
    list.cast_transpose("cast decay latent for weights", s.tokens * p.narrow() * p.k.dim);
  }
  void projections_backward(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const KimiPart p(c.model, c.options.tensor);
    list.cast("cast dqkv", s.tokens * (p.wide() + p.narrow_columns()));
    list.linear("qkv dgrad", s.tokens, s.hidden, p.wide());
    list.linear("decay down, step dgrad", s.tokens, s.hidden, p.narrow_columns());
    list.add_rows("add dgrads", s.tokens * s.hidden);
    list.cast_transpose("cast dqkv for weights", s.tokens * (p.wide() + p.narrow_columns()));
  }
  void weight_gradients(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const KimiPart p(c.model, c.options.tensor);
    list.weight(input_needed_by(s.a), s.tokens, p.wide(), s.hidden);
    list.weight("decay down, step wgrad", s.tokens, p.narrow_columns(), s.hidden);
    list.weight("decay up wgrad", s.tokens, p.width(), p.k.dim);
    if (!p.k.full_gate) list.weight("gate up wgrad", s.tokens, p.width(), p.k.dim);
  }

  std::int64_t output_width(const spec::Model& m, const LayerOptions& o) const override {
    return KimiPart(m, o.tensor).width();
  }
  Bytes state_bytes(const spec::Model& m, int, const LayerOptions& o) const override {
    (void)KimiPart(m, o.tensor);  // refuses what does not divide
    return {spec::rules_of(spec::AttentionKind::kimi_delta).state_bytes(m).v / o.tensor};
  }
  std::string_view input_needed_by(const spec::AttentionShape&) const override { return "qkv wgrad"; }
  void keep(Kept& kept, const KeptCall& c) const override {
    const KimiPart p(c.model, c.options.tensor);
    kept.add("q, k, v before convolution", "convolution backward", c.tokens * p.channels(), spec::Dtype::bf16);
    kept.add("q, k, v", "scan backward", c.tokens * p.channels(), spec::Dtype::bf16);
    kept.add("decay latents", "decay up wgrad", c.tokens * p.narrow() * p.k.dim, kept.linear);
    if (!c.options.recompute.up_projections)
      kept.add("decays", "scan backward", c.tokens * p.width(), spec::Dtype::bf16);
    kept.add("steps", "scan backward", c.tokens * p.heads, spec::Dtype::fp32);
    kept.add("output before its norm, gates", "gated norm backward", 2 * c.tokens * p.width(), spec::Dtype::bf16);
  }
};
}  // namespace

const AttentionInventory& kimi_inventory() {
  static const KimiInventory inventory;
  return inventory;
}
}  // namespace moesim::compute
