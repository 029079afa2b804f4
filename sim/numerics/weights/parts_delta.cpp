#include "numerics/weights/attention_parts.h"

namespace moesim::numerics {
void add_delta_parts(const spec::Model& model, std::vector<PartShape>& out) {
  const spec::DeltaShape& d = *model.delta;
  const int hidden = model.hidden, channels = int(d.channels()), values = int(d.values());
  if (spec::traits_of(model.architecture).joined_delta) {
    out.push_back({Part::delta_qkvz, channels + values, hidden});
    out.push_back({Part::delta_ba, 2 * d.value_heads, hidden});
  } else {
    out.push_back({Part::delta_qkv, channels, hidden});
    out.push_back({Part::delta_z, values, hidden});
    out.push_back({Part::delta_b, d.value_heads, hidden});
    out.push_back({Part::delta_a, d.value_heads, hidden});
  }
  out.push_back({Part::delta_convolution, channels, d.convolution});
  out.push_back({Part::delta_decay, 1, d.value_heads});
  out.push_back({Part::delta_step_bias, 1, d.value_heads});
  out.push_back({Part::delta_norm, 1, d.value_dim});
  out.push_back({Part::delta_output, hidden, values});
}
}  // namespace moesim::numerics
