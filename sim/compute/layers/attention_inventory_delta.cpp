// Gated DeltaNet: two projections, the short convolution, the scan over states, the gated norm of its output.
// As SGLang and vLLM run it: the decay and the step are found in a small kernel before a prompt's scan, and inside the
// kernel of next tokens (fused_recurrent_gated_delta_rule_packed_decode).  Training is Megatron-LM's GatedDeltaNet
// (megatron/core/ssm/gated_delta_net.py as merged in 2025-12), whose steps between projections, convolution and scan
// are PyTorch's, one kernel each: nothing there is fused, heads of queries and keys are repeated for the values' before
// the scan, and layouts are changed by copies.
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
  /// In training queries and keys are repeated for the values' heads before the scan.
  StateScan training_scan(const AttentionWork& w) const {
    StateScan s = scan(w);
    s.key_heads = value_heads;
    return s;
  }
  bool repeats() const { return key_heads < value_heads; }
  /// Columns of queries and keys as the scan takes them.
  std::int64_t repeated() const { return 2 * std::int64_t{value_heads} * d.key_dim; }
  StateCore core() const { return {values(), double(d.value_dim), channels(), taps(), double(gates())}; }
};

// Exponential, negation, sum, softplus and product of decays, their cast, the step's sigmoid, and two copies before.
constexpr int kDecayKernels = 9;
constexpr int kDecayBackwardKernels = 9;  // assumed: as many

void copied(OperationList& list, std::string_view name, std::int64_t read, std::int64_t written) {
  list.moved(name, MemoryKind::copy, read, spec::Dtype::bf16, written, spec::Dtype::bf16);
}

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
    if (list.training()) copied(list, "tokens last", w.queries * p.channels(), w.queries * p.channels());
    list.add("convolution", p.convolution(w, false), p.taps(), w.queries, {std::int64_t(2 * p.taps())});
    if (list.training()) return train_core(list, p, w);
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
    const std::int64_t n = w.queries;
    gated_norm_gradients(list, p.core(), n);
    list.moved("norm of output backward", MemoryKind::norm_backward, 2 * n * p.values(), spec::Dtype::bf16,
               n * p.values(), spec::Dtype::bf16);
    scan_gradients(list, p.core(), p.training_scan(w));
    list.small("decay, step backward", kDecayBackwardKernels);
    if (p.repeats()) copied(list, "repeat q, k backward", n * p.repeated(), 2 * n * p.keys());
    list.moved("norm q, k backward", MemoryKind::norm_backward, 4 * n * p.keys(), spec::Dtype::bf16, 2 * n * p.keys(),
               spec::Dtype::bf16);
    copied(list, "join q, k, v", n * p.channels(), n * p.channels());
    copied(list, "tokens last backward", n * p.channels(), n * p.channels());
    convolution_gradients(list, p.core(), n);
    copied(list, "join dqkvz", n * (p.projected() + p.gates()), n * (p.projected() + p.gates()));
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
    kept.add("q, k before norm", "norm q, k backward", 2 * c.tokens * p.keys(), spec::Dtype::bf16);
    kept.add("q, k, v", "scan backward", c.tokens * (p.repeated() + p.values()), spec::Dtype::bf16);
    kept.add("decay, step", "scan backward", c.tokens * p.gates(), spec::Dtype::fp32);
    // flash-linear-attention, chunk_gated_delta_rule: the inverse of the products within each chunk.
    kept.add("inverse within chunks", "scan backward", c.tokens * p.value_heads * kScanChunk, spec::Dtype::bf16);
    kept.add("output before its norm", "norm of output backward", c.tokens * p.values(), spec::Dtype::bf16);
    kept.add("normed output, gates", "gated norm backward", 2 * c.tokens * p.values(), spec::Dtype::bf16);
  }

 private:
  /// From the convolution on.
  static void train_core(OperationList& list, const DeltaPart& p, const AttentionWork& w) {
    const std::int64_t n = w.queries;
    copied(list, "tokens first", n * p.channels(), n * p.channels());
    list.moved("norm q, k", MemoryKind::norm, 2 * n * p.keys(), spec::Dtype::bf16, 2 * n * p.keys(), spec::Dtype::bf16);
    if (p.repeats()) copied(list, "repeat q, k", 2 * n * p.keys(), n * p.repeated());
    copied(list, "copy gates", n * p.values(), n * p.values());
    list.small("decay, step", kDecayKernels);
    list.add_scan("scan", p.training_scan(w), double(p.gates()));
    list.moved("norm of output", MemoryKind::norm, n * p.values(), spec::Dtype::bf16, n * p.values(),
               spec::Dtype::bf16);
    gated_norm(list, p.core(), n);
  }
};
}  // namespace

const AttentionInventory& delta_inventory() {
  static const DeltaInventory inventory;
  return inventory;
}
}  // namespace moesim::compute
