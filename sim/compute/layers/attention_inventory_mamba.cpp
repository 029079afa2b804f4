// Mamba-2: one projection to gates, the convolution's channels and steps, the short convolution, the scan over states,
// the gated norm of its output.  As SGLang, vLLM and TensorRT-LLM run it (mamba_chunk_scan_combined,
// selective_state_update): steps become decays inside the scan's and the update's own kernels.
#include "compute/layers/state_inventory.h"
#include "spec/attention_rules.h"

namespace moesim::compute {
namespace {
/// The heads of one GPU.
struct MambaPart {
  const spec::MambaShape& m;
  int heads, groups;
  MambaPart(const spec::Model& model, int tensor)
      : m(*model.mamba),
        heads(share_of(m.heads, tensor, "heads of Mamba-2")),
        // Fewer groups than GPUs: each GPU keeps a copy of the one its heads are of (vLLM, mamba_mixer2.py).
        groups(tensor > m.groups && tensor % m.groups == 0 ? 1 : share_of(m.groups, tensor, "groups of Mamba-2")) {}
  std::int64_t inner() const { return std::int64_t{heads} * m.head_dim; }
  std::int64_t channels() const { return inner() + 2 * std::int64_t{groups} * m.state; }
  std::int64_t projected() const { return inner() + channels() + heads; }
  /// Of the convolution, biases among them.
  double taps() const { return double(channels()) * (m.convolution + (m.convolution_bias ? 1 : 0)); }
  /// Decay, skip and the step's bias of a head.
  double of_heads() const { return 3.0 * heads; }

  StateScan scan(const AttentionWork& w) const {
    StateScan s = scan_of(w);
    s.kind = Recurrence::mamba2;
    s.key_heads = groups, s.value_heads = heads, s.key_dim = m.state, s.value_dim = m.head_dim;
    return s;
  }
  ShortConvolution convolution(const AttentionWork& w, bool decode) const {
    return {channels(), m.convolution, w.sequences, w.queries, decode};
  }
  StateCore core() const { return {inner(), double(inner()), channels(), taps(), of_heads()}; }
};

class MambaInventory final : public StateInventory {
 public:
  void projections(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    list.linear("in_proj", s.tokens, MambaPart(c.model, c.options.tensor).projected(), s.hidden);
  }

  // Each stretch of a batch that computes prompts and next tokens reads the layer's vectors; weights count them once.
  void prompt_core(OperationList& list, const LayerCall& c, const AttentionPart&) const override {
    const AttentionWork& w = c.batch.prefill;
    if (w.queries == 0) return;
    const MambaPart p(c.model, c.options.tensor);
    list.add("convolution", p.convolution(w, false), p.taps(), w.queries, {std::int64_t(2 * p.taps())});
    list.add_scan("scan", p.scan(w), p.of_heads());
    gated_norm(list, p.core(), w.queries);
  }
  void decode_core(OperationList& list, const LayerCall& c, const AttentionPart&) const override {
    const AttentionWork& w = c.batch.decode;
    const MambaPart p(c.model, c.options.tensor);
    StateScan update = p.scan(w);
    update.decode = true;
    list.add("convolution decode", p.convolution(w, true), p.taps(), w.queries, {std::int64_t(2 * p.taps())});
    list.add_scan("state update", update, p.of_heads());
    gated_norm(list, p.core(), w.queries);
  }

  void core_backward(OperationList& list, const LayerCall& c, const AttentionPart&) const override {
    const AttentionWork& w = c.batch.prefill;
    if (w.queries == 0) return;
    const MambaPart p(c.model, c.options.tensor);
    core_gradients(list, p.core(), p.scan(w), w.queries);
  }
  void projections_backward(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    const std::int64_t projected = MambaPart(c.model, c.options.tensor).projected();
    list.cast("cast gradient of in_proj", s.tokens * projected);
    list.linear("in_proj dgrad", s.tokens, s.hidden, projected);
    list.cast_transpose("cast gradient of in_proj for weights", s.tokens * projected);
  }
  void weight_gradients(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    list.weight("in_proj wgrad", s.tokens, MambaPart(c.model, c.options.tensor).projected(), s.hidden);
  }

  std::int64_t output_width(const spec::Model& m, const LayerOptions& o) const override {
    return MambaPart(m, o.tensor).inner();
  }
  Bytes state_bytes(const spec::Model& m, int, const LayerOptions& o) const override {
    const MambaPart p(m, o.tensor);
    return {4 * p.inner() * p.m.state + 2 * p.channels() * (p.m.convolution - 1)};
  }
  std::string_view input_needed_by(const spec::AttentionShape&) const override { return "in_proj wgrad"; }
  void keep(Kept& kept, const KeptCall& c) const override {
    const MambaPart p(c.model, c.options.tensor);
    kept.add("x, B, C before convolution", "convolution backward", c.tokens * p.channels(), spec::Dtype::bf16);
    kept.add("x, B, C", "scan backward", c.tokens * p.channels(), spec::Dtype::bf16);
    kept.add("steps", "scan backward", c.tokens * p.heads, spec::Dtype::fp32);
    kept.add("output before its norm, gates", "gated norm backward", 2 * c.tokens * p.inner(), spec::Dtype::bf16);
  }
};
}  // namespace

const AttentionInventory& mamba_inventory() {
  static const MambaInventory inventory;
  return inventory;
}
}  // namespace moesim::compute
