// Gated DeltaNet: two projections, the short convolution, the scan over states, the gated norm of its output.
// As SGLang and vLLM run it: the decay and the step are found in a small kernel before a prompt's scan, and inside the
// kernel of next tokens (fused_recurrent_gated_delta_rule_packed_decode).
#include "compute/layers/state_inventory.h"
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
  StateCore core() const { return {values(), double(d.value_dim), channels(), taps(), double(gates())}; }
};

class DeltaInventory final : public StateInventory {
 public:
  void projections(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const DeltaPart p(c.model, c.options.tensor);
    list.linear("qkvz", s.tokens, p.projected(), s.hidden);
    list.linear("ba", s.tokens, p.gates(), s.hidden);
  }

  // Each stretch of a batch that computes prompts and next tokens reads the layer's vectors; weights count them once.
  void prompt_core(OperationList& list, const LayerCall& c, const AttentionPart&) const override {
    const AttentionWork& w = c.batch.prefill;
    if (w.queries == 0) return;
    const DeltaPart p(c.model, c.options.tensor);
    list.add("convolution", p.convolution(w, false), p.taps(), w.queries, {std::int64_t(2 * p.taps())});
    list.moved("decay, step", MemoryKind::copy, w.queries * p.gates(), spec::Dtype::bf16, w.queries * p.gates(),
               spec::Dtype::fp32);
    list.add_scan("scan", p.scan(w), double(p.gates()));
    gated_norm(list, p.core(), w.queries);
  }
  void decode_core(OperationList& list, const LayerCall& c, const AttentionPart&) const override {
    const AttentionWork& w = c.batch.decode;
    const DeltaPart p(c.model, c.options.tensor);
    StateScan scan = p.scan(w);
    scan.decode = true;
    list.add("convolution decode", p.convolution(w, true), p.taps(), w.queries, {std::int64_t(2 * p.taps())});
    list.add_scan("recurrence", scan, double(p.gates()));
    gated_norm(list, p.core(), w.queries);
  }

  void core_backward(OperationList& list, const LayerCall& c, const AttentionPart&) const override {
    const AttentionWork& w = c.batch.prefill;
    if (w.queries == 0) return;
    const DeltaPart p(c.model, c.options.tensor);
    core_gradients(list, p.core(), p.scan(w), w.queries);
  }
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
};
}  // namespace

const AttentionInventory& delta_inventory() {
  static const DeltaInventory inventory;
  return inventory;
}
}  // namespace moesim::compute
