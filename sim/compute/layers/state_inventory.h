// What layers that keep a state have in common (gated DeltaNet, Mamba-2, KDA): nothing is cached of a token, RoPE turns
// nothing, and a short convolution, a scan and a gated norm make up the core.
#pragma once
#include "compute/layers/attention_inventory.h"

namespace moesim::compute {

/// The core of such a layer on this GPU.
struct StateCore {
  std::int64_t width;     // of what the scan gives
  double norm_weights;    // of its gated norm
  std::int64_t channels;  // that the convolution runs over
  double taps;            // weights of the convolution
  double scan_weights;    // that the scan reads: decays and steps
};

class StateInventory : public AttentionInventory {
 public:
  std::int64_t cached_width(const AttentionPart&) const override { return 0; }
  AttentionHeads prompt_heads(const AttentionPart& s) const override {
    return {s.a.kind, s.heads, s.kv_heads, 0, 0, false};
  }
  void recompute(OperationList&, const LayerCall&, const AttentionPart&) const override {}
  std::int64_t rotated_columns(const LayerCall&, const AttentionPart&) const override { return 0; }
  void heads_backward(OperationList&, const LayerCall&, const AttentionPart&) const override {}
  std::string_view core_needed_by() const override { return "gated norm backward"; }
  AttentionHeads cached_heads(const spec::AttentionShape& a, int) const override { return {a.kind, 0, 0, 0, 0, false}; }

 protected:
  static void gated_norm(OperationList& list, const StateCore& core, std::int64_t tokens);
  /// Of `scan` over whole prompts; from the gradient of the gated norm's output to those of the convolution's input.
  static void core_gradients(OperationList& list, const StateCore& core, const StateScan& scan, std::int64_t tokens);
  /// Its steps.
  static void gated_norm_gradients(OperationList& list, const StateCore& core, std::int64_t tokens);
  static void scan_gradients(OperationList& list, const StateCore& core, StateScan scan);
  static void convolution_gradients(OperationList& list, const StateCore& core, std::int64_t tokens);
};
}  // namespace moesim::compute
