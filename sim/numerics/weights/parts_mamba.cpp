#include "numerics/weights/attention_parts.h"

namespace moesim::numerics {
void add_mamba_parts(const spec::Model& model, std::vector<PartShape>& out) {
  const spec::MambaShape& s = *model.mamba;
  const int hidden = model.hidden, channels = int(s.channels()), inner = int(s.inner());
  out.push_back({Part::mamba_input, int(s.projected()), hidden});
  out.push_back({Part::mamba_convolution, channels, s.convolution});
  if (s.convolution_bias) out.push_back({Part::mamba_convolution_bias, 1, channels});
  out.push_back({Part::mamba_decay, 1, s.heads});
  out.push_back({Part::mamba_skip, 1, s.heads});
  out.push_back({Part::mamba_step_bias, 1, s.heads});
  out.push_back({Part::mamba_norm, 1, inner});
  out.push_back({Part::mamba_output, hidden, inner});
}
}  // namespace moesim::numerics
