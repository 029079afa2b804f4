// A layer that is a network alone: nothing is cached and nothing kept; parts_of() names no attention to list.
#include "compute/layers/attention_inventory.h"

namespace moesim::compute {
namespace {
class NoInventory final : public AttentionInventory {
 public:
  void projections(OperationList&, const LayerCall&, const AttentionPart&) const override { refuse(); }
  std::int64_t cached_width(const AttentionPart&) const override { return 0; }
  AttentionHeads prompt_heads(const AttentionPart& s) const override { return cached_heads(s.a, 1); }
  void decode_core(OperationList&, const LayerCall&, const AttentionPart&) const override { refuse(); }
  void recompute(OperationList&, const LayerCall&, const AttentionPart&) const override { refuse(); }
  std::int64_t rotated_columns(const LayerCall&, const AttentionPart&) const override { return 0; }
  void heads_backward(OperationList&, const LayerCall&, const AttentionPart&) const override { refuse(); }
  void projections_backward(OperationList&, const LayerCall&, const AttentionPart&) const override { refuse(); }
  void weight_gradients(OperationList&, const LayerCall&, const AttentionPart&) const override { refuse(); }
  std::string_view input_needed_by(const spec::AttentionShape&) const override { return ""; }
  std::int64_t output_width(const spec::Model&, const LayerOptions&) const override { return 0; }
  void keep(Kept&, const KeptCall&) const override {}
  AttentionHeads cached_heads(const spec::AttentionShape& a, int) const override { return {a.kind, 0, 0, 0, 0, false}; }

 private:
  static void refuse() { throw std::logic_error("a layer without attention was asked for it"); }
};
}  // namespace

const AttentionInventory& no_inventory() {
  static const NoInventory inventory;
  return inventory;
}
}  // namespace moesim::compute
