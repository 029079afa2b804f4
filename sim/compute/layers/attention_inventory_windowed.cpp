// Windowed layers with heads of their own: the operations of GQA, on the widths of AttentionShape::window_heads.
#include "compute/layers/grouped_inventory.h"

namespace moesim::compute {
namespace {
class WindowInventory final : public GroupedInventory {
 public:
  std::int64_t output_width(const spec::Model& m, const LayerOptions& o) const override {
    const spec::WindowShape& w = *m.attention.window_heads;
    return std::int64_t{share_of(w.heads, o.tensor, "attention heads of windowed layers")} * w.v_head_dim;
  }
  AttentionHeads cached_heads(const spec::AttentionShape& a, int tensor) const override {
    return GroupedInventory::cached_heads(spec::heads_of(a, spec::AttentionKind::windowed), tensor);
  }
};
}  // namespace

const AttentionInventory& window_inventory() {
  static const WindowInventory inventory;
  return inventory;
}
}  // namespace moesim::compute
