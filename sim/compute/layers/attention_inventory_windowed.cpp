// Windowed layers with heads of their own: the operations of GQA, on the widths of AttentionShape::window_heads.
#include "compute/layers/attention_inventory.h"

namespace moesim::compute {
namespace {
class WindowInventory final : public AttentionInventory {
 public:
  void projections(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    heads_.projections(list, c, s);
  }
  std::int64_t cached_width(const AttentionPart& s) const override { return heads_.cached_width(s); }
  AttentionHeads prompt_heads(const AttentionPart& s) const override { return heads_.prompt_heads(s); }
  void decode_core(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    heads_.decode_core(list, c, s);
  }
  void gate_output(OperationList& list, const AttentionPart& s) const override { heads_.gate_output(list, s); }

  void gate_output_backward(OperationList& list, const AttentionPart& s) const override {
    heads_.gate_output_backward(list, s);
  }
  void recompute(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    heads_.recompute(list, c, s);
  }
  std::int64_t rotated_columns(const LayerCall& c, const AttentionPart& s) const override {
    return heads_.rotated_columns(c, s);
  }
  void heads_backward(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    heads_.heads_backward(list, c, s);
  }
  void projections_backward(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    heads_.projections_backward(list, c, s);
  }
  void weight_gradients(OperationList& list, const LayerCall& c, const AttentionPart& s) const override {
    heads_.weight_gradients(list, c, s);
  }

  std::string_view input_needed_by(const spec::AttentionShape& a) const override { return heads_.input_needed_by(a); }
  std::int64_t output_width(const spec::Model& m, const LayerOptions& o) const override {
    const spec::WindowShape& w = *m.attention.window_heads;
    return std::int64_t{share_of(w.heads, o.tensor, "attention heads of windowed layers")} * w.v_head_dim;
  }
  void keep(Kept& kept, const KeptCall& c) const override { heads_.keep(kept, c); }
  AttentionHeads cached_heads(const spec::AttentionShape& a, int tensor) const override {
    return heads_.cached_heads(spec::heads_of(a, spec::AttentionKind::windowed), tensor);
  }

 private:
  const AttentionInventory& heads_ = grouped_inventory();
};
}  // namespace

const AttentionInventory& window_inventory() {
  static const WindowInventory inventory;
  return inventory;
}
}  // namespace moesim::compute
