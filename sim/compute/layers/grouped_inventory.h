// Keys and values of heads, cached as they are: MHA and GQA, and what other kinds have of it.
#pragma once
#include "compute/layers/attention_inventory.h"

namespace moesim::compute {

class GroupedInventory : public AttentionInventory {
 public:
  void projections(OperationList& list, const LayerCall& c, const AttentionPart& s) const override;
  std::int64_t cached_width(const AttentionPart& s) const override;
  AttentionHeads prompt_heads(const AttentionPart& s) const override;
  void decode_core(OperationList& list, const LayerCall& c, const AttentionPart& s) const override;
  void gate_output(OperationList& list, const AttentionPart& s) const override;
  void gate_output_backward(OperationList& list, const AttentionPart& s) const override;
  void recompute(OperationList&, const LayerCall&, const AttentionPart&) const override;
  std::int64_t rotated_columns(const LayerCall&, const AttentionPart& s) const override;
  void heads_backward(OperationList& list, const LayerCall&, const AttentionPart& s) const override;
  void projections_backward(OperationList& list, const LayerCall&, const AttentionPart& s) const override;
  void weight_gradients(OperationList& list, const LayerCall&, const AttentionPart& s) const override;
  std::string_view input_needed_by(const spec::AttentionShape&) const override;
  void keep(Kept& kept, const KeptCall& c) const override;
  AttentionHeads cached_heads(const spec::AttentionShape& a, int tensor) const override;

 protected:
  /// Columns of queries, what gates the output with them, keys and values.
  static std::int64_t projected(const AttentionPart& s) {
    return s.q * (s.a.output_gate ? 2 : 1) + s.k() + (s.a.keys_are_values ? 0 : s.v());
  }
  /// Parameters of the norms of heads.
  static double head_norms(const AttentionPart& s) {
    if (s.layer.head_norm == spec::HeadNorm::whole) return double(s.q + s.k());
    return s.layer.head_norm == spec::HeadNorm::before_rope ? 2.0 * s.a.head_dim : 0;
  }
};
}  // namespace moesim::compute
